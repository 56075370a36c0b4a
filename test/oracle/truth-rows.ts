import type { Field } from '../../src/core/fields/field.ts';
import type { Scenario } from '../../src/core/synthetic/scenario.ts';
import type { Figures, FieldTruth, TruthWindow } from './truth.ts';

/** Every row of one device, column by column, as the lane should have recorded it. */
export interface DeviceRows {
  readonly tsUs: Float64Array;
  readonly dtUs: Float64Array;
  /** Joules; NaN where the counter's rise over seen time is not known. */
  readonly rise: Float64Array;
  /** The time that the rise speaks for. */
  readonly riseDtUs: Float64Array;
  /** By column name. */
  readonly values: ReadonlyMap<string, Float64Array>;
}

/** Some rows of one device, by position. */
export interface Selection {
  readonly rows: DeviceRows;
  readonly at: readonly number[];
}

/**
 * A step longer than this many intervals is a gap, and dt is 0 (the words of dt in the accounting rule). Written again
 * here on purpose, as dt and the rise below are: an oracle that shared the product's code would share its mistakes.
 */
const GAP_INTERVALS = 2.5;

export const IDLE_BELOW_RATIO = 0.05;

export function tickTimes(window: TruthWindow): readonly number[] {
  if (window.ticks instanceof Float64Array) return [...window.ticks];
  const { firstUs, count } = window.ticks;
  return Array.from({ length: count }, (_, tick) => firstUs + tick * window.intervalMs * 1000);
}

/** Asks the scenario for every tick of one device and works out what each row speaks for. */
export function deviceRows(
  scenario: Scenario,
  device: number,
  fields: readonly Field[],
  ticks: readonly number[],
  intervalMs: number,
): DeviceRows {
  const answered = ticks.filter((ts) => scenario.answers(device, ts));
  const dtUs = new Float64Array(answered.length);
  for (let row = 1; row < answered.length; row += 1) {
    const stepUs = answered[row]! - answered[row - 1]!;
    if (stepUs > 0 && stepUs <= GAP_INTERVALS * intervalMs * 1000) dtUs[row] = stepUs;
  }
  // Where nothing was seen before it, a row speaks for no time, and what it reads is that of an interval.
  const columns = fields.map((field) =>
    Float64Array.from(answered, (ts, row) =>
      scenario.value(device, field.id, ts, dtUs[row]! > 0 ? dtUs[row]! : intervalMs * 1000),
    ),
  );
  const energy = columns[fields.findIndex((field) => field.id === 156)];
  const rise = new Float64Array(answered.length).fill(NaN);
  const riseDtUs = new Float64Array(answered.length);
  /** Of the last reading, unless nobody saw a part of the time since. */
  let readingAt = energy !== undefined && energy[0]! >= 0 ? 0 : -1;
  for (let row = 1; row < answered.length; row += 1) {
    if (dtUs[row] === 0) readingAt = -1;
    if (energy === undefined || Number.isNaN(energy[row]!)) continue;
    if (readingAt >= 0 && energy[row]! >= energy[readingAt]!) {
      rise[row] = energy[row]! - energy[readingAt]!;
      riseDtUs[row] = answered[row]! - answered[readingAt]!;
    }
    readingAt = row;
  }
  const values = new Map(fields.map((field, index) => [field.column, columns[index]!]));
  return { tsUs: Float64Array.from(answered), dtUs, rise, riseDtUs, values };
}

/** Adds without losing what a large sum would swallow (Neumaier). */
export function createSum(): { add(term: number): void; value(): number } {
  let sum = 0;
  let lost = 0;
  return {
    add(term: number): void {
      const next = sum + term;
      lost += Math.abs(sum) >= Math.abs(term) ? sum - next + term : term - next + sum;
      sum = next;
    },
    value: () => sum + lost,
  };
}

export function figuresOf(selections: readonly Selection[], fields: readonly Field[]): Figures {
  let samples = 0;
  let dtUs = 0;
  let energyDtUs = 0;
  let idleDtUs = 0;
  const energy = createSum();
  for (const { rows, at } of selections) {
    const sm = rows.values.get('sm_active_ratio');
    samples += at.length;
    for (const row of at) {
      const dt = rows.dtUs[row]!;
      dtUs += dt;
      if (sm !== undefined && sm[row]! < IDLE_BELOW_RATIO) idleDtUs += dt;
      if (Number.isNaN(rows.rise[row]!)) continue;
      energyDtUs += rows.riseDtUs[row]!;
      energy.add(rows.rise[row]!);
    }
  }
  const gauges = fields.filter((field) => field.kind === 'gauge');
  const truths = new Map(gauges.map((field) => [field.column, fieldTruth(selections, field.column)]));
  const power = truths.get('power_watts');
  const hasPower = power !== undefined && power.knownDtUs > 0;
  return {
    samples,
    dtUs,
    fields: truths,
    energyJoules: energyDtUs > 0 ? energy.value() : NaN,
    energyDtUs,
    powerJoules: hasPower ? power.sumXDt * 1e-6 : NaN,
    idleDtUs,
  };
}

function fieldTruth(selections: readonly Selection[], column: string): FieldTruth {
  const rowCount = selections.reduce((count, { at }) => count + at.length, 0);
  const known = new Float64Array(rowCount);
  const weights = new Float64Array(rowCount);
  let knownSamples = 0;
  const sum = createSum();
  let knownDtUs = 0;
  let max = NaN;
  for (const { rows, at } of selections) {
    const values = rows.values.get(column)!;
    for (const row of at) {
      const x = values[row]!;
      if (Number.isNaN(x)) continue;
      const dt = rows.dtUs[row]!;
      known[knownSamples] = x;
      weights[knownSamples] = dt;
      knownSamples += 1;
      sum.add(x * dt);
      knownDtUs += dt;
      if (!(x <= max)) max = x;
    }
  }
  const values = known.subarray(0, knownSamples);
  const sorted = values.toSorted();
  const rank = (q: number): number => weightedRank(sorted, values, weights, q * knownDtUs);
  const [p50, p95] = knownDtUs > 0 ? [rank(0.5), rank(0.95)] : [NaN, NaN];
  return { sumXDt: sum.value(), knownDtUs, knownSamples, max, p50, p95 };
}

/** The smallest x for which the rows with values ≤ x weigh `goal` or more. */
function weightedRank(
  sorted: Float64Array,
  values: Float64Array,
  weights: Float64Array,
  goal: number,
): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const x = sorted[middle]!;
    let weight = 0;
    for (let i = 0; i < values.length; i += 1) if (values[i]! <= x) weight += weights[i]!;
    if (weight >= goal) high = middle;
    else low = middle + 1;
  }
  return sorted[low]!;
}
