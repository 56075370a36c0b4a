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
  /** Σ power·dt: the check, and the fallback. */
  readonly power: Quantity<'joules'> | undefined;
}

/** The counter's, else the integral of power. */
export function bestEnergy({ counter, power }: Energy): Quantity<'joules'> | undefined {
  return counter ?? power;
}
