import { HOUR, type FleetRun } from '../draw/fleet.ts';
import type { Picked } from './job.ts';
import { rowsBetween, type DeviceLedger } from './ledger.ts';
import {
  addCutPart,
  addUse,
  divideHour,
  emptyCutEnergy,
  emptyUse,
  gpuHour,
  hoursBetween,
  isCounted,
  type CutEnergy,
  type Use,
} from './mig.ts';

interface Time {
  readonly startUs: number;
  readonly endUs: number;
  readonly table: string;
}

/**
 * A job's part of the energy of the GPUs of its MIG instances, by instance: of the whole hours that it touches, each divided
 * among all that was had of the GPU then.
 */
export function instanceEnergies(
  ledgers: readonly DeviceLedger[],
  picked: readonly Picked[],
  run: FleetRun,
  { startUs, endUs, table }: Time,
): Map<DeviceLedger, CutEnergy> {
  const energies = new Map<DeviceLedger, CutEnergy>();
  const hours = hoursBetween(Math.floor((startUs + 1) / HOUR) * HOUR, (Math.floor(endUs / HOUR) + 1) * HOUR);
  const parents = new Set(picked.flatMap(({ ledger }) => ledger.device.instance?.parent ?? []));
  for (const parent of parents) {
    const gpu = ledgers.find(({ device }) => device.uuid === parent)!;
    const instances = ledgers.filter(({ device }) => device.instance?.parent === parent);
    const gpuHours = hours.map(([fromUs, toUs]) => gpuHour(gpu, fromUs, toUs, table));
    const isCounter = isCounted(gpuHours);
    for (const [at, [fromUs, toUs]] of hours.entries()) {
      const hour = gpuHours[at];
      if (hour === undefined) continue;
      const all = instances.map((ledger) => {
        const own = ownUse(picked, run, ledger, { fromUs, toUs });
        return { ledger, own, rest: restOf(ledger, own, { fromUs, toUs, table }) };
      });
      const { parts } = divideHour(
        hour,
        all.flatMap(({ own, rest }) => [own, rest]),
      );
      if (parts === undefined) continue;
      for (const [index, { ledger, own }] of all.entries()) {
        if (own.dt.value === 0) continue;
        const energy = energies.get(ledger) ?? emptyCutEnergy();
        energies.set(ledger, energy);
        addCutPart(energy, parts[2 * index]!, { isCounter, isDivided: true });
      }
    }
  }
  return energies;
}

interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** What the job had of an instance in an hour. */
function ownUse(picked: readonly Picked[], run: FleetRun, ledger: DeviceLedger, { fromUs, toUs }: Span): Use {
  const use = emptyUse(ledger);
  for (const { rows, at, isPrimary } of picked.filter((one) => one.ledger === ledger))
    for (const row of at) {
      const us = rows.tsUs[row]!;
      if (us < fromUs || us >= toUs) continue;
      addUse(use, rows, row, rows.owners[row]!.parts.find((one) => one.run === run)!.part, isPrimary);
    }
  return use;
}

/** What everybody else had of it, and nobody. */
function restOf(
  ledger: DeviceLedger,
  own: Use,
  { fromUs, toUs, table }: Span & { readonly table: string },
): Use {
  const rest = emptyUse(ledger);
  for (const [lane, rows] of ledger.lanes) {
    const [first, end] = rowsBetween(rows, fromUs, toUs);
    for (let row = first; row < end; row += 1) addUse(rest, rows, row, 1, lane === table);
  }
  rest.dt.add(-own.dt.value);
  for (const key of ['sm', 'engine'] as const) {
    rest[key].sum.add(-own[key].sum.value);
    rest[key].us.add(-own[key].us.value);
  }
  return rest;
}
