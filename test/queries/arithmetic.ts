import type { Sample } from './history.ts';

/** Sums and means as one would write them on paper, for the tests of named queries. */

/** A sample, and which part of it counts. */
export interface Weighed {
  readonly sample: Sample;
  readonly part: number;
}

export const hours = (us: number): number => us / 3.6e9;
export const kwh = (joules: number): number => joules / 3.6e6;

export function total<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

export const timeOf = (own: readonly Weighed[]): number =>
  total(own, ({ sample, part }) => sample.dtUs * part);

/** Those in which a gauge was measured. */
export function withGauge<T extends { readonly sample: Sample }>(own: readonly T[], column: string): T[] {
  return own.filter(({ sample }) => sample.values[column] !== undefined);
}

/** Σ value · dt · part. */
export function integral(own: readonly Weighed[], column: string): number {
  return total(withGauge(own, column), ({ sample, part }) => sample.values[column]! * sample.dtUs * part);
}

/** Over the time in which it was measured; null where that is none. */
export function mean(own: readonly Weighed[], column: string): number | null {
  const known = timeOf(withGauge(own, column));
  return known === 0 ? null : integral(own, column) / known;
}

export function idleTime(own: readonly Weighed[], below = 0.05): number {
  return timeOf(withGauge(own, SM).filter(({ sample }) => sample.values[SM]! < below));
}

/** Of one device: of the counter, unless it is stuck. */
export function joulesOf(own: readonly Weighed[]): number {
  const rises = total(own, ({ sample, part }) => (sample.values['energy_rise_joules'] ?? 0) * part);
  return rises > 0 ? rises : integral(own, 'power_watts') / 1e6;
}

export function byDevice(own: readonly Weighed[]): Map<string, Weighed[]> {
  return Map.groupBy(own, ({ sample }) => sample.device.gpu);
}

export const SM = 'sm_active_ratio';

/** The number a part of the way through, by time: the first value at which so much of it is over. */
export function percentile(pairs: readonly (readonly [value: number, us: number])[], rank: number): number {
  const whole = total(pairs, ([, us]) => us);
  let upto = 0;
  for (const [value, us] of pairs.toSorted((a, b) => a[0] - b[0])) {
    upto += us;
    if (upto >= rank * whole - 0.5) return value;
  }
  return NaN;
}
