import { Sum, type DeviceLedger, type LedgerRows } from './ledger.ts';
import { emptyCutEnergy, type CutEnergy } from './mig.ts';

const [SM, POWER] = ['sm_active_ratio', 'power_watts'];

/** Sums over some rows, each counted by a part of its device. */
export interface Amounts {
  readonly dt: Sum;
  readonly smKnown: Sum;
  readonly smActive: Sum;
  readonly idle: Sum;
  readonly energies: Map<string, EnergyAmounts>;
  /** Parts of the energy of GPUs that are cut. */
  readonly cut: CutEnergy;
  /** Σ dt of MIG instances, not by their slices. */
  readonly instance: Sum;
}

/** Of one device and owner: before it is known by what energy is told. */
export interface EnergyAmounts {
  readonly joules: Sum;
  readonly riseUs: Sum;
  readonly watts: Sum;
  readonly powerUs: Sum;
}

export function emptyAmounts(): Amounts {
  return {
    ...{ dt: new Sum(), smKnown: new Sum(), smActive: new Sum(), idle: new Sum(), instance: new Sum() },
    energies: new Map(),
    cut: emptyCutEnergy(),
  };
}

/** Which rows are added, and how much of each. */
export interface Adding {
  readonly rows: LedgerRows;
  /** Whether the lane decides time. */
  readonly isPrimary: boolean;
  readonly part: number;
  /** Of a MIG instance, the part of its GPU that it is. */
  readonly ratio: number;
  readonly isInstance: boolean;
  /** Below this part of the SMs the device is idle. */
  readonly idleBelow: number;
  /** Of the device and the owner: energy falls back from the counter to power for each of them by itself. */
  readonly key: string;
}

export function addRow(to: Amounts, row: number, adding: Adding): void {
  const { rows, isPrimary, part, ratio, isInstance, key } = adding;
  const partUs = rows.dtUs[row]! * part * ratio;
  if (isPrimary) to.dt.add(partUs);
  if (isPrimary && isInstance) to.instance.add(rows.dtUs[row]! * part);
  const sm = rows.values.get(SM)?.[row] ?? NaN;
  if (!Number.isNaN(sm)) {
    to.smKnown.add(partUs);
    to.smActive.add(sm * partUs);
    if (sm < adding.idleBelow) to.idle.add(partUs);
  }
  addEnergy(to, rows, row, part, key);
}

export function addEnergy(to: Amounts, rows: LedgerRows, row: number, part: number, key: string): void {
  let energy = to.energies.get(key);
  if (energy === undefined) {
    energy = {
      joules: new Sum(),
      riseUs: new Sum(),
      watts: new Sum(),
      powerUs: new Sum(),
    };
    to.energies.set(key, energy);
  }
  if (!Number.isNaN(rows.rise[row]!)) {
    energy.joules.add(rows.rise[row]! * part);
    energy.riseUs.add(rows.riseDtUs[row]! * part);
  }
  const watts = rows.values.get(POWER)?.[row] ?? NaN;
  if (!Number.isNaN(watts)) {
    energy.watts.add((watts * rows.dtUs[row]! * part) / 1e6);
    energy.powerUs.add(rows.dtUs[row]! * part);
  }
}

/** What is known of energy. Undefined where it is known of no time. */
export interface EnergyTruth {
  readonly counterJoules: number | undefined;
  readonly counterUs: number;
  readonly powerJoules: number | undefined;
  readonly powerUs: number;
  /** The counter where it knows any time and does not stand still while power flows, else power: device by device. */
  readonly bestJoules: number | undefined;
  readonly bestUs: number;
  /** What of it was divided among MIG instances. */
  readonly dividedJoules: number | undefined;
  readonly dividedUs: number;
}

/** @param decidedBy by what the counter of each device and owner is believed or not */
export function energyOf(
  { energies, cut }: Pick<Amounts, 'energies' | 'cut'>,
  decidedBy: ReadonlyMap<string, EnergyAmounts>,
): EnergyTruth {
  const [counter, counterUs, power, powerUs, best, bestUs] = [
    ...[cut.counter, cut.counterUs, cut.power, cut.powerUs, cut.best, cut.bestUs],
  ].map(({ value }) => {
    const sum = new Sum();
    sum.add(value);
    return sum;
  });
  for (const [key, one] of energies) {
    const [riseUs, wattsUs] = [one.riseUs.value, one.powerUs.value];
    counter!.add(one.joules.value);
    counterUs!.add(riseUs);
    power!.add(one.watts.value);
    powerUs!.add(wattsUs);
    const isCounter = isBelieved(decidedBy.get(key) ?? one);
    best!.add(isCounter ? one.joules.value : one.watts.value);
    bestUs!.add(isCounter ? riseUs : wattsUs);
  }
  const known = (sum: Sum, us: Sum): number | undefined => (us.value > 0 ? sum.value : undefined);
  return {
    counterJoules: known(counter!, counterUs!),
    counterUs: counterUs!.value,
    powerJoules: known(power!, powerUs!),
    powerUs: powerUs!.value,
    bestJoules: known(best!, bestUs!),
    bestUs: bestUs!.value,
    dividedJoules: known(cut.divided, cut.dividedUs),
    dividedUs: cut.dividedUs.value,
  };
}

/** A counter that knows no time, or stands still while power flows, says nothing. */
function isBelieved({ joules, watts, riseUs }: EnergyAmounts): boolean {
  const isStuck = joules.value === 0 && watts.value > 0;
  return riseUs.value > 0 && !isStuck;
}

/** Whether the device was known between two moments, and for how long. */
export function knownUsOf({ firstSignUs, lastSignUs }: DeviceLedger, fromUs: number, toUs: number): number {
  return Math.max(0, Math.min(lastSignUs, toUs) - Math.max(firstSignUs, fromUs));
}
