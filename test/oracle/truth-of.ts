import { assert } from '../../src/core/base/assert.ts';
import type { Field } from '../../src/core/fields/field.ts';
import type { Scenario, ScenarioJob } from '../../src/core/synthetic/scenario.ts';
import {
  attributedOwnedUs,
  isOwnedBy,
  partOf,
  sumAttributed,
  type DeviceLedger,
  type Stay,
} from './attribution.ts';
import { groupTruths } from './truth-groups.ts';
import {
  createSum,
  deviceRows,
  figuresOf,
  IDLE_BELOW_RATIO,
  tickTimes,
  type DeviceRows,
} from './truth-rows.ts';
import type {
  Attributed,
  DeviceTruth,
  Figures,
  JobTruth,
  OwnershipTruth,
  Truth,
  TruthWindow,
} from './truth.ts';

/**
 * Works out what a report over these ticks should show, by the one rule: a sample speaks for the dt before it and
 * belongs whole to every job with start < ts ≤ end, times its share. Straight loops over the ticks, and nothing of the
 * ring, the label or the SQL, so that it can be held against them.
 */
export function truthOf(scenario: Scenario, window: TruthWindow): Truth {
  const ticks = tickTimes(window);
  assert(ticks.length > 0, 'truth over no ticks');
  const fromUs = window.fromUs ?? ticks[0]! - window.intervalMs * 1000;
  const toUs = window.toUs ?? ticks.at(-1)!;
  const jobs = scenario.jobsBetween(fromUs, toUs);
  const ledgers = scenario.devices.map((_, device) => {
    const rows = deviceRows(scenario, device, window.fields, ticks, window.intervalMs);
    return ledgerOf(rows, device, jobs);
  });
  const devices = ledgers.map((ledger, device) => deviceTruth(scenario, device, ledger, window.fields));
  return {
    jobs: jobs.map((job) => jobTruth(scenario, job, ledgers, window.fields)),
    devices,
    groups: groupTruths(scenario, ledgers, fromUs, toUs),
    all: figuresOf(ledgers.map(allRows), window.fields),
    unowned: figuresOf(ledgers.map(unownedRows), window.fields),
    unattributedDtUs: unattributed(ledgers),
  };
}

const allRows = ({ rows }: DeviceLedger): { rows: DeviceRows; at: number[] } => ({
  rows,
  at: [...rows.tsUs.keys()],
});

const unownedRows = ({ rows, owners }: DeviceLedger): { rows: DeviceRows; at: number[] } => ({
  rows,
  at: [...rows.tsUs.keys()].filter((row) => owners[row] === 0),
});

function ledgerOf(rows: DeviceRows, device: number, jobs: readonly ScenarioJob[]): DeviceLedger {
  const here = jobs.flatMap((job) =>
    job.devices.filter((own) => own.device === device).map(({ share }) => ({ job, share })),
  );
  const shares = Array.from(rows.tsUs, (ts) =>
    here.filter(({ job }) => isOwnedBy(job, ts)).map(({ share }) => share),
  );
  const stays = here.map(({ job, share }): Stay => {
    const at = [...rows.tsUs.keys()].filter((row) => isOwnedBy(job, rows.tsUs[row]!));
    const ownedUs = attributedOwnedUs({ job, share }, here, job.startUs, job.endUs);
    return { job, device, share, at, attributed: attribute(rows, shares, at, share, ownedUs) };
  });
  return { rows, owners: shares.map(({ length }) => length), stays };
}

function attribute(
  rows: DeviceRows,
  shares: readonly (readonly number[])[],
  at: readonly number[],
  share: number,
  ownedUs: number,
): Attributed {
  const sm = rows.values.get('sm_active_ratio');
  const watts = rows.values.get('power_watts');
  const [dt, idle, energy, energyDt, power, active, known] = Array.from({ length: 7 }, createSum);
  let hasEnergy = false;
  let hasPower = false;
  for (const row of at) {
    const partUs = rows.dtUs[row]! * partOf(share, shares[row]!);
    if (partUs === 0) continue;
    const part = partUs / rows.dtUs[row]!;
    dt!.add(partUs);
    if (sm !== undefined && !Number.isNaN(sm[row]!)) {
      known!.add(partUs);
      active!.add(sm[row]! * partUs);
      if (sm[row]! < IDLE_BELOW_RATIO) idle!.add(partUs);
    }
    if (!Number.isNaN(rows.rise[row]!)) {
      hasEnergy = true;
      energy!.add(rows.rise[row]! * part);
      energyDt!.add(rows.riseDtUs[row]! * part);
    }
    if (watts !== undefined && !Number.isNaN(watts[row]!)) {
      hasPower = true;
      power!.add(watts[row]! * partUs * 1e-6);
    }
  }
  return {
    dtUs: dt!.value(),
    ownedUs,
    idleDtUs: idle!.value(),
    energyJoules: hasEnergy ? energy!.value() : NaN,
    energyDtUs: energyDt!.value(),
    powerJoules: hasPower ? power!.value() : NaN,
    smActiveDt: active!.value(),
    smKnownDtUs: known!.value(),
  };
}

function jobTruth(
  scenario: Scenario,
  job: ScenarioJob,
  ledgers: readonly DeviceLedger[],
  fields: readonly Field[],
): JobTruth {
  const stays = job.devices.map(({ device }) => ledgers[device]!.stays.find((stay) => stay.job === job)!);
  const selections = stays.map(({ device, at }) => ({ rows: ledgers[device]!.rows, at }));
  const devices = stays.map((stay, rank): OwnershipTruth => {
    const { uuid, node } = scenario.devices[stay.device]!;
    const figures = figuresOf([selections[rank]!], fields);
    const ownedUs = job.endUs - job.startUs;
    return { gpu: uuid, node, share: stay.share, ownedUs, figures, attributed: stay.attributed };
  });
  const figures: Figures = figuresOf(selections, fields);
  const ownedUs = (job.endUs - job.startUs) * stays.length;
  const attributed = sumAttributed(stays.map((stay) => stay.attributed));
  return {
    job,
    devices,
    ownedUs,
    figures,
    attributed,
    coverage: figures.samples > 0 ? figures.dtUs / ownedUs : NaN,
  };
}

function deviceTruth(
  scenario: Scenario,
  device: number,
  ledger: DeviceLedger,
  fields: readonly Field[],
): DeviceTruth {
  const { uuid, node, model } = scenario.devices[device]!;
  const samplesByOwners: number[] = [];
  for (const count of ledger.owners) {
    while (samplesByOwners.length <= count) samplesByOwners.push(0);
    samplesByOwners[count]! += 1;
  }
  return {
    gpu: uuid,
    node,
    model,
    all: figuresOf([allRows(ledger)], fields),
    unowned: figuresOf([unownedRows(ledger)], fields),
    samplesByOwners,
  };
}

function unattributed(ledgers: readonly DeviceLedger[]): number {
  const sum = createSum();
  for (const { rows, owners, stays } of ledgers) {
    for (const [row, dt] of rows.dtUs.entries()) if (owners[row]! > 0) sum.add(dt);
    for (const stay of stays) sum.add(-stay.attributed.dtUs);
  }
  return sum.value();
}
