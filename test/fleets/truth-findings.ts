import { MIN, type FleetRun, type FleetStay } from './fleet.ts';
import type { DeviceTruth, JobTruth } from './truth-job.ts';
import type { DeviceLedger } from './truth-ledger.ts';
import type { EnergyTruth } from './truth-sums.ts';

/** Which rules speak of a job, by the table of docs/reports.md: surely, or surely not; of those that are neither it is too close. */
export interface FindingsTruth {
  readonly certain: ReadonlySet<string>;
  readonly possible: ReadonlySet<string>;
}

const SEEN = 0.95;

export function findingsTruth(truth: JobTruth): FindingsTruth {
  const { run, all, devices, startUs, endUs } = truth;
  const [certain, possible] = [new Set<string>(), new Set<string>()];
  const speaks = (rule: string, is: boolean, isClose = false): void => {
    if (is && !isClose) certain.add(rule);
    if (is || isClose) possible.add(rule);
  };
  if (all.samples === 0) speaks('no-data', true);
  speaks('dips', all.samples > 0 && truth.dips !== undefined);
  const state = run.isRecorded ? run.state : '';
  const memory = devices.flatMap(({ gauges, ledger }) => {
    const gauge = gauges.get('fb_used_bytes');
    return gauge === undefined ? [] : [gauge.max / ledger.device.memoryBytes];
  });
  const fullest = Math.max(...memory);
  const hasFailed = run.isRecorded && (state === 'FAILED' || run.exitCode !== 0);
  speaks('out-of-memory', state === 'OUT_OF_MEMORY' || (hasFailed && fullest >= SEEN));
  const unused = unusedOf(truth);
  speaks('unused', unused.length > 0);
  const { idleUs, knownUs, allUs } = idlenessOf(usedDevices(truth));
  const ratio = idleUs / Math.max(knownUs, allUs);
  speaks('idle', knownUs > 0 && ratio >= 0.5, Math.abs(ratio - 0.5) < 1e-6);
  tail(truth, speaks);
  const means = devices
    .filter((one) => isKnown(one, 'sm_active_ratio'))
    .map(({ gauges }) => gauges.get('sm_active_ratio')!.mean!);
  const [least, most] = [Math.min(...means), Math.max(...means)];
  speaks('imbalance', unused.length === 0 && most >= 0.1 && (most - least) / most >= 0.3);
  speaks(
    'memory-half',
    endUs - startUs >= 10 * MIN &&
      state !== 'OUT_OF_MEMORY' &&
      unused.length < devices.length &&
      isMemoryKnown(devices) &&
      fullest <= 0.5,
  );
  speaks('coverage', all.samples > 0 && all.sampledUs < SEEN * all.ownedUs);
  speaks('energy-check', (strayOf(all.energy) ?? 0) > 0.1);
  return { certain, possible };
}

export function unusedOf({ devices }: JobTruth): DeviceTruth[] {
  return devices.filter((one) => isKnown(one, 'sm_active_ratio') && maxOf(one) < 0.05);
}

export function usedDevices(truth: JobTruth): DeviceTruth[] {
  const unused = unusedOf(truth);
  return truth.devices.filter((one) => !unused.includes(one));
}

export function isMemoryKnown(devices: readonly DeviceTruth[]): boolean {
  return devices.every((one) => isKnown(one, 'fb_used_bytes'));
}

/** By which part of the larger one counter and power differ; undefined where they are of different times, or of less than a minute. */
export function strayOf({ counterJoules, counterUs, powerJoules, powerUs }: EnergyTruth): number | undefined {
  if (counterJoules === undefined || powerJoules === undefined) return undefined;
  if (Math.abs(counterUs - powerUs) > 0.02 * powerUs || Math.min(counterUs, powerUs) < MIN) return undefined;
  const joules = counterJoules * (powerUs / counterUs);
  return Math.abs(joules - powerJoules) / Math.max(joules, powerJoules, 1);
}

/** Whether a level was known for nearly all of the device's time. */
function isKnown({ gauges, ownedUs }: DeviceTruth, column: string): boolean {
  return (gauges.get(column)?.knownUs ?? 0) >= SEEN * ownedUs && gauges.get(column)?.mean !== undefined;
}

function maxOf({ gauges }: DeviceTruth): number {
  return gauges.get('sm_active_ratio')!.max;
}

type Speaks = (rule: string, is: boolean, isClose?: boolean) => void;

/** How long devices were idle, over how much known time, and how long all of it is, whatever was done while nobody saw it. */
export function idlenessOf(used: readonly DeviceTruth[]): {
  readonly idleUs: number;
  readonly knownUs: number;
  readonly allUs: number;
} {
  const sum = (of: (one: DeviceTruth) => number): number => used.reduce((us, one) => us + of(one), 0);
  return {
    idleUs: sum(({ idleUs }) => idleUs ?? 0),
    knownUs: sum(({ ownKnownUs }) => ownKnownUs),
    // Their part of what was not seen is not known to the sample.
    allUs: sum((one) => one.ownedUs * (one.sampledUs > 0 ? one.attributedUs / one.sampledUs : 1)),
  };
}

/** From when on all devices were idle, up to where they were seen; undefined where none was ever active. */
export function tailOf({
  devices,
  all,
  endUs,
  boundaryUs,
}: JobTruth): { readonly fromUs: number; readonly untilUs: number } | undefined {
  const fromUs = all.lastActiveUs;
  if (fromUs === undefined) return undefined;
  const untilUs = heldAfter(devices, fromUs).reduce((us, one) => {
    const { lastSampleUs } = one;
    const isSeenToTheEnd =
      lastSampleUs === undefined || lastSampleUs >= stayOf(one.run, one.ledger).endUs - boundaryUs;
    return isSeenToTheEnd ? us : Math.min(us, lastSampleUs);
  }, endUs);
  return { fromUs, untilUs };
}

function heldAfter(devices: readonly DeviceTruth[], us: number): DeviceTruth[] {
  return devices.filter(({ run, ledger }) => stayOf(run, ledger).endUs > us);
}

/** All devices idle at the end for ten minutes and a tenth of the job, as far as they were seen. */
function tail(truth: JobTruth, speaks: Speaks): void {
  const { devices, gaps, unplacedGaps, startUs, endUs, boundaryUs } = truth;
  const found = tailOf(truth);
  if (found === undefined) return;
  const { fromUs, untilUs } = found;
  const held = heldAfter(devices, fromUs);
  const lengthUs = untilUs - fromUs;
  if (lengthUs < 10 * MIN || lengthUs < 0.1 * (endUs - startUs)) return;
  const unseenMaxUs = UNSEEN_TAIL_MAX * lengthUs;
  const mayBe = held.every((one) => unseenUs(one, fromUs, untilUs) <= unseenMaxUs + 2 * boundaryUs);
  // What was blank before the tail counts as if it had been in it; so do gaps of which only the length is left.
  const isSure = held.every((one) => {
    const own = gaps.filter(({ gpu }) => gpu === one.ledger.device.uuid);
    const gapUs = own.reduce(
      (us, gap) => us + Math.max(0, Math.min(gap.toUs, untilUs) - Math.max(gap.fromUs, fromUs)),
      0,
    );
    const blankUs = one.sampledUs - (one.gauges.get('sm_active_ratio')?.knownUs ?? 0);
    return gapUs + unplacedGaps.us + blankUs <= unseenMaxUs;
  });
  speaks('idle-tail', mayBe && isSure, mayBe && !isSure);
}

/** A tail of which more than this part was not seen says nothing. */
const UNSEEN_TAIL_MAX = 0.05;

function stayOf(run: FleetRun, { device }: DeviceLedger): FleetStay {
  return run.stays.find(({ gpu }) => gpu === device.uuid)!;
}

/** Time of a device within which its activity is not known, while the job had it. */
function unseenUs({ run, ledger }: DeviceTruth, fromUs: number, untilUs: number): number {
  const endUs = Math.min(untilUs, stayOf(run, ledger).endUs);
  let unseen = endUs - fromUs;
  for (const { tsUs, dtUs, values } of ledger.lanes.values()) {
    const sm = values.get('sm_active_ratio');
    for (const [row, us] of tsUs.entries())
      if (!Number.isNaN(sm?.[row] ?? NaN))
        unseen -= Math.max(0, Math.min(us, endUs) - Math.max(us - dtUs[row]!, fromUs));
  }
  return unseen;
}
