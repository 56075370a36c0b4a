/** Base units of measured figures; `microseconds` are those of a device, and those of several devices add up. */
export type Unit = 'ratio' | 'watts' | 'joules' | 'bytes' | 'bytes_per_second' | 'microseconds';

/**
 * A measured figure. One that nobody measured is undefined, never 0 and never NaN. Times, counts and parts of them are
 * known as a whole: those are plain numbers with the unit in their name.
 */
export interface Quantity<U extends Unit = Unit> {
  readonly value: number;
  readonly unit: U;
  /** Σ dt of the samples that told it, µs: the time it speaks for. 0 for samples that speak for an instant only. */
  readonly knownUs: number;
}

/** @returns undefined where `value` is not known. */
export function quantity<U extends Unit>(
  value: number | undefined,
  unit: U,
  knownUs: number,
): Quantity<U> | undefined {
  return value === undefined ? undefined : { value, unit, knownUs };
}

/** Energy over owned time, by the share. */
export interface Energy {
  /** Σ rises of the device's energy counter. */
  readonly counter: Quantity<'joules'> | undefined;
  /** Σ power·dt. */
  readonly power: Quantity<'joules'> | undefined;
  /** What reports show: of each device and job the counter's where that can be believed, else the integral of power, then Σ. */
  readonly best: Quantity<'joules'> | undefined;
  /** What of `best` is a part of the energy of GPUs that are cut into MIG instances: see `divideCutHour`. */
  readonly divided?: Quantity<'joules'> | undefined;
}

/**
 * Sums from which the energy of any set of devices and jobs is made. Joules are undefined where nothing was known. Known times are
 * by part, as joules and attributed time are; those of MIG instances by slices.
 */
export interface EnergySums {
  readonly counterJoules: number | undefined;
  readonly counterUs: number;
  readonly powerJoules: number | undefined;
  readonly powerUs: number;
  readonly bestJoules: number | undefined;
  readonly bestUs: number;
  readonly dividedJoules?: number | undefined;
  readonly dividedUs?: number;
}

/** What a counter and the integral of power say of one job on one device. */
export type TwoEnergies = Pick<EnergySums, 'counterJoules' | 'counterUs' | 'powerJoules' | 'powerUs'>;

/**
 * The energy of one job on one device: the counter's where that counts, else the integral of power. So it has to be decided before
 * anything is added up.
 */
export function bestOfDevice(sums: TwoEnergies): Pick<EnergySums, 'bestJoules' | 'bestUs'> {
  const { counterJoules, counterUs, powerJoules, powerUs } = sums;
  if (isCounted(sums)) return { bestJoules: counterJoules, bestUs: counterUs };
  return powerJoules !== undefined && powerUs > 0
    ? { bestJoules: powerJoules, bestUs: powerUs }
    : { bestJoules: undefined, bestUs: 0 };
}

/** A counter that knew no time, or stood still while power was drawn, says nothing. */
export function isCounted({ counterJoules, counterUs, powerJoules = 0, powerUs }: TwoEnergies): boolean {
  const isStuck = counterJoules === 0 && powerUs > 0 && powerJoules > 0;
  return counterJoules !== undefined && counterUs > 0 && !isStuck;
}

/** `isCounted` in SQL. @param sums columns: joules, NULL where nothing was known; power in any unit */
export function isCountedSql(sums: {
  readonly joules: string;
  readonly us: string;
  readonly power: string;
}): string {
  const { joules, us, power } = sums;
  // Without NOT: of what is NULL neither a comparison nor its opposite is true.
  const isStuck = `CASE WHEN ${joules} = 0 AND ${power} > 0 THEN 1 ELSE 0 END`;
  return `(CASE WHEN ${joules} IS NOT NULL AND ${us} > 0 AND ${isStuck} = 0 THEN 1 ELSE 0 END = 1)`;
}

/** What the sums are as figures: over no known time nothing is known. */
export function energyOf(sums: EnergySums): Energy {
  const known = (joules: number | undefined, knownUs: number): Quantity<'joules'> | undefined =>
    quantity(knownUs > 0 ? joules : undefined, 'joules', knownUs);
  return {
    counter: known(sums.counterJoules, sums.counterUs),
    power: known(sums.powerJoules, sums.powerUs),
    best: known(sums.bestJoules, sums.bestUs),
    divided: known(sums.dividedJoules, sums.dividedUs ?? 0),
  };
}
