import { quoteName } from '../../../schemas/tables.ts';
import { seenRiseSql } from '../../../schemas/views.ts';
import { IDLE_SM_RATIO } from '../../core/fields/well-known.ts';
import type { GaugeKey, LaneGauges } from '../gauges.ts';
import { bestOfDevice } from '../quantity.ts';
import { askOwned, type OwnedSpan } from '../owned-samples.ts';
import type { Asked, Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

/** Sums over the samples of one gauge: what its mean is divided from. Σ x·dt, Σ dt where x was known, µs. */
export interface GaugeSums {
  sum: number;
  knownUs: number;
  min: number;
  max: number;
}

/** Sums over any set of a job's samples; additive, so that parts and devices can be added up. */
export interface SampleSums {
  samples: number;
  /** Samples that speak for some time. */
  steps: number;
  sampledUs: number;
  attributedUs: number;
  firstUs: number;
  lastUs: number;
  counterJoules: number | undefined;
  counterUs: number;
  powerJoules: number | undefined;
  powerUs: number;
  /** Of each device what can be believed, then Σ: see `bestOfDevice`. */
  bestJoules: number | undefined;
  bestUs: number;
  idleUs: number | undefined;
  lastActiveUs: number | undefined;
  readonly gauges: Map<GaugeKey, GaugeSums>;
}

export function emptySums(): SampleSums {
  return {
    samples: 0,
    steps: 0,
    sampledUs: 0,
    attributedUs: 0,
    firstUs: Infinity,
    lastUs: -Infinity,
    counterJoules: undefined,
    counterUs: 0,
    powerJoules: undefined,
    powerUs: 0,
    bestJoules: undefined,
    bestUs: 0,
    idleUs: undefined,
    lastActiveUs: undefined,
    gauges: new Map(),
  };
}

/** Sums of a job as a whole, of each device that has samples, and of each equal part of the job's interval, in order. */
export interface JobSums {
  readonly all: SampleSums;
  readonly devices: ReadonlyMap<string, SampleSums>;
  readonly parts: readonly SampleSums[];
}

/** Time of a job, and which samples in it are the job's. Epoch µs. */
export interface SampleWindow {
  readonly startUs: number;
  readonly endUs: number;
  /** With the job's part of the device; those of one device do not overlap. */
  readonly spans: readonly OwnedSpan[];
}

/**
 * One pass over the samples of a job, lane by lane. The first lane decides samples and coverage.
 * @param partCount how many equal parts the interval is cut into, 1 or more.
 * @throws what `ask` throws
 */
export async function scanJob(
  db: Asked,
  sources: readonly LaneGauges[],
  window: SampleWindow,
  partCount: number,
): Promise<JobSums> {
  const all = emptySums();
  const devices = new Map<string, SampleSums>();
  const parts = Array.from({ length: partCount }, emptySums);
  for (const [index, source] of sources.entries()) {
    for (const row of await scanLane(db, source, window, partCount)) {
      const gpu = row.text('gpu') ?? '';
      const device = devices.get(gpu) ?? emptySums();
      devices.set(gpu, device);
      const part = parts[Math.max(0, Math.min(partCount - 1, row.number('part') ?? 0))]!;
      for (const sums of [device, part]) addRow(sums, row, source, index === 0);
    }
  }
  for (const device of devices.values()) {
    Object.assign(device, bestOfDevice(device));
    addSums(all, device);
  }
  return { all, devices, parts };
}

/** Number of the equal part of the job's interval that a sample falls into: the k-th part ends at its own end. */
function partSql(window: SampleWindow, parts: number): string {
  const lengthUs = Math.max(1, window.endUs - window.startUs);
  const start = `cast(${quoteTime(window.startUs)} AS TIMESTAMP)`;
  return `cast((s.ts - ${start} - 1) * ${parts} / ${lengthUs} AS INT)`;
}

function gaugeSql(column: string, index: number): string {
  const x = `s.${quoteName(column)}`;
  return (
    `sum(${x} * s.dt_us) AS sum${index}, sum(CASE WHEN ${x} IS NOT NULL THEN s.dt_us END) AS known${index},` +
    ` min(${x}) AS min${index}, max(${x}) AS max${index}`
  );
}

/**
 * The job's samples of one lane: a row per device and part of the interval, from which every sum and maximum is added up.
 */
async function scanLane(
  db: Asked,
  { lane, gauges, hasEnergy }: LaneGauges,
  window: SampleWindow,
  parts: number,
): Promise<Cells[]> {
  const columns = new Map(gauges);
  const power = columns.get('power');
  const sm = columns.get('smActive');
  const { rise, riseDtUs } = seenRiseSql('s.');
  return await askOwned(db, lane.table, window.spans, ({ from, where, share }) => {
    const picks = [
      's.gpu AS gpu',
      `${partSql(window, parts)} AS part`,
      'count() AS samples',
      'sum(s.dt_us) AS dt_us',
      'sum(CASE WHEN s.dt_us > 0 THEN 1 ELSE 0 END) AS steps',
      `sum(s.dt_us * ${share}) AS attributed_us`,
      'cast(min(s.ts) AS LONG) AS first_us',
      'cast(max(s.ts) AS LONG) AS last_us',
      ...gauges.map(([, column], index) => gaugeSql(column, index)),
    ];
    if (hasEnergy) picks.push(`sum(${rise} * ${share}) AS counter_joules`, `sum(${riseDtUs}) AS counter_us`);
    if (power !== undefined)
      picks.push(`sum(s.${quoteName(power)} * s.dt_us * ${share}) / 1e6 AS power_joules`);
    if (sm !== undefined)
      picks.push(
        `sum(CASE WHEN s.${quoteName(sm)} < ${IDLE_SM_RATIO} THEN s.dt_us * ${share} END) AS idle_us`,
        `cast(max(CASE WHEN s.${quoteName(sm)} >= ${IDLE_SM_RATIO} THEN s.ts END) AS LONG) AS last_active_us`,
      );
    return `SELECT ${picks.join(', ')} ${from} WHERE ${where} GROUP BY gpu, part`;
  });
}

/** Adds one row of `scanLane`. @param isPrimary whether the lane decides samples and coverage. */
function addRow(sums: SampleSums, row: Cells, { gauges, hasEnergy }: LaneGauges, isPrimary: boolean): void {
  if (isPrimary) {
    sums.samples += row.number('samples') ?? 0;
    sums.steps += row.number('steps') ?? 0;
    sums.sampledUs += row.number('dt_us') ?? 0;
    sums.attributedUs += row.number('attributed_us') ?? 0;
    sums.firstUs = Math.min(sums.firstUs, row.number('first_us') ?? Infinity);
    sums.lastUs = Math.max(sums.lastUs, row.number('last_us') ?? -Infinity);
  }
  gauges.forEach(([key], index) => {
    const max = row.number(`max${index}`);
    if (max === undefined) return;
    const known = sums.gauges.get(key) ?? { sum: 0, knownUs: 0, min: Infinity, max: -Infinity };
    known.sum += row.number(`sum${index}`) ?? 0;
    known.knownUs += row.number(`known${index}`) ?? 0;
    known.min = Math.min(known.min, row.number(`min${index}`) ?? Infinity);
    known.max = Math.max(known.max, max);
    sums.gauges.set(key, known);
    if (key === 'power') sums.powerUs += row.number(`known${index}`) ?? 0;
    // A device without any idle sample has been idle for no time, which is known and not missing.
    if (key === 'smActive') sums.idleUs = (sums.idleUs ?? 0) + (row.number('idle_us') ?? 0);
  });
  if (hasEnergy) {
    sums.counterJoules = plus(sums.counterJoules, row.number('counter_joules'));
    sums.counterUs += row.number('counter_us') ?? 0;
  }
  const keys = new Set(gauges.map(([key]) => key));
  if (keys.has('power')) sums.powerJoules = plus(sums.powerJoules, row.number('power_joules'));
  if (keys.has('smActive')) sums.lastActiveUs = later(sums.lastActiveUs, row.number('last_active_us'));
}

/** Adds the sums of one device to those of the job. */
export function addSums(into: SampleSums, from: SampleSums): void {
  into.samples += from.samples;
  into.steps += from.steps;
  into.sampledUs += from.sampledUs;
  into.attributedUs += from.attributedUs;
  into.firstUs = Math.min(into.firstUs, from.firstUs);
  into.lastUs = Math.max(into.lastUs, from.lastUs);
  into.counterJoules = plus(into.counterJoules, from.counterJoules);
  into.counterUs += from.counterUs;
  into.powerJoules = plus(into.powerJoules, from.powerJoules);
  into.powerUs += from.powerUs;
  into.bestJoules = plus(into.bestJoules, from.bestJoules);
  into.bestUs += from.bestUs;
  into.idleUs = plus(into.idleUs, from.idleUs);
  into.lastActiveUs = later(into.lastActiveUs, from.lastActiveUs);
  for (const [key, gauge] of from.gauges) {
    const known = into.gauges.get(key) ?? { sum: 0, knownUs: 0, min: Infinity, max: -Infinity };
    into.gauges.set(key, {
      sum: known.sum + gauge.sum,
      knownUs: known.knownUs + gauge.knownUs,
      min: Math.min(known.min, gauge.min),
      max: Math.max(known.max, gauge.max),
    });
  }
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  if (b === undefined) return a;
  return (a ?? 0) + b;
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  if (b === undefined) return a;
  return a === undefined ? b : Math.max(a, b);
}
