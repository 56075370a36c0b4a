import type { CapacitySums } from './figures.ts';
import type { LaneGauges } from '../gauges.ts';
import { bestOfDevice, energyOf, quantity } from '../quantity.ts';
import type { Cells } from '../query-cells.ts';

/** Sums that can be added up; undefined is "nothing known", which adds nothing. */
export interface Sums {
  attributedUs: number;
  idleUs: number | undefined;
  smSum: number | undefined;
  smKnownUs: number;
  counterJoules: number | undefined;
  counterUs: number;
  powerSum: number | undefined;
  powerUs: number;
}

export function emptySums(): Sums {
  return {
    attributedUs: 0,
    idleUs: undefined,
    smSum: undefined,
    smKnownUs: 0,
    counterJoules: undefined,
    counterUs: 0,
    powerSum: undefined,
    powerUs: 0,
  };
}

/** The sums of one row of an answer. @param isPrimary whether the lane decides time. */
export function sumsOf(row: Cells, { gauges, hasEnergy }: LaneGauges, isPrimary: boolean): Sums {
  const sums = emptySums();
  if (isPrimary) sums.attributedUs = row.number('dt_us') ?? 0;
  const keys = new Set(gauges.map(([key]) => key));
  if (keys.has('smActive')) {
    sums.smSum = row.number('sm_sum');
    sums.smKnownUs = row.number('sm_us') ?? 0;
    sums.idleUs = row.number('idle_us') ?? 0;
  }
  if (keys.has('power')) {
    sums.powerSum = row.number('power_sum');
    sums.powerUs = row.number('power_us') ?? 0;
  }
  if (hasEnergy) {
    sums.counterJoules = row.number('counter_joules');
    sums.counterUs = row.number('counter_us') ?? 0;
  }
  return sums;
}

/** Of a GPU that is cut into MIG instances: time and activity are those of the instances. */
export function energyOnly({ counterJoules, counterUs, powerSum, powerUs }: Sums): Sums {
  return { ...emptySums(), counterJoules, counterUs, powerSum, powerUs };
}

/** Adds `more` to `to`, or takes it away. */
export function addSums(to: Sums, more: Sums, sign: 1 | -1): void {
  const plus = (a: number | undefined, b: number | undefined): number | undefined =>
    b === undefined ? a : (a ?? 0) + sign * b;
  to.attributedUs += sign * more.attributedUs;
  to.smKnownUs += sign * more.smKnownUs;
  to.counterUs += sign * more.counterUs;
  to.powerUs += sign * more.powerUs;
  to.idleUs = plus(to.idleUs, more.idleUs);
  to.smSum = plus(to.smSum, more.smSum);
  to.counterJoules = plus(to.counterJoules, more.counterJoules);
  to.powerSum = plus(to.powerSum, more.powerSum);
}

/** The sums as figures: means divided, what is unknown left out. */
export function capacitySums(sums: Sums): CapacitySums {
  const { attributedUs, idleUs, smSum, smKnownUs, counterJoules, counterUs, powerSum, powerUs } = sums;
  const powerJoules = powerSum === undefined ? undefined : powerSum / 1e6;
  const known = { counterJoules, counterUs, powerJoules, powerUs };
  const isSmKnown = smSum !== undefined && smKnownUs > 0;
  return {
    attributedUs,
    idle: quantity(idleUs, 'microseconds', smKnownUs),
    smActive: quantity(isSmKnown ? smSum / smKnownUs : undefined, 'ratio', smKnownUs),
    energy: energyOf({ ...known, ...bestOfDevice(known) }),
  };
}
