import { placesOf, STEP_US } from '../../levels.ts';
import type { Quantity } from '../../quantity.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';
import { gaugeSummands, summandSql, type Summand } from '../../summands.ts';
import { askOwn, type Question } from './ask-labelled.ts';
import { coarsestStepUs } from './parts.ts';
import { findDips, type ActivityStep } from '../dips.ts';
import type { Dips, JobEvent, ThrottleEffect } from '../figures.ts';
import { lastsUntilUs, type JobWindow } from '../facts.ts';
import { jobSamples, jobSegments, samplesOf, type JobSegments, type LabelledJob } from './job-segments.ts';
import type { JobSource } from './scan.ts';

/** Steps into which a job is cut in search of a rhythm: enough for a dip of a thousandth of the job. */
const STEPS_MAX = 4096;
/** Samples that are so much more than whole minutes apart came late: a step in many has none. */
const LATE_US_MAX = 3e6;
/** Shorter throttles are read from the samples alone. */
const ROLLUP_US_MIN = 600e6;
/** Throttled spans that are compared with the other devices, longest first: each costs a query. */
const THROTTLES_MAX = 3;

/** Where the SM activity is read, and the longest interval there. */
export interface Activity {
  readonly places: readonly ActivityPlace[];
  readonly intervalUs: number;
}

export interface ActivityPlace {
  readonly source: JobSource;
  readonly column: string;
  readonly intervalUs: number;
}

/**
 * Looks for a regular fall of the job's SM activity, mean over its devices.
 * @param isFromSamples else it is read from the minutes, in which a dip of less than a minute is not seen
 */
export async function rhythmOf(
  db: Asked,
  activity: Activity,
  job: LabelledJob,
  { startUs, endUs }: JobWindow,
  isFromSamples: boolean,
): Promise<Dips | undefined> {
  const stepOf = (baseUs: number): number =>
    Math.max(baseUs, Math.ceil((endUs - startUs) / STEPS_MAX / baseUs) * baseUs);
  const sampleStepUs = stepOf(activity.intervalUs);
  const isByMinutes = !isFromSamples || sampleStepUs >= STEP_US['1m'];
  const minuteStepUs = stepOf(wholeMinutes(activity.intervalUs));
  const rows = isByMinutes
    ? await minuteSteps(db, activity, job, minuteStepUs)
    : await sampleSteps(db, activity, job, { startUs, endUs, stepUs: sampleStepUs });
  const steps: ActivityStep[] = [];
  for (const [step, own] of Map.groupBy(rows, (row) => row.number('step')!)) {
    const dtUs = sumOf(own, 'known_us');
    if (dtUs > 0) steps.push({ step, ratio: sumOf(own, 'sum_x') / dtUs, dtUs });
  }
  return findDips(
    steps.sort((a, b) => a.step - b.step),
    isByMinutes ? minuteStepUs : sampleStepUs,
  );
}

/** In a shorter step than the interval there need be no sample. */
function wholeMinutes(intervalUs: number): number {
  return Math.max(1, Math.ceil((intervalUs - LATE_US_MAX) / STEP_US['1m'])) * STEP_US['1m'];
}

async function sampleSteps(
  db: Asked,
  activity: Activity,
  job: LabelledJob,
  { startUs, endUs, stepUs }: { readonly startUs: number; readonly endUs: number; readonly stepUs: number },
): Promise<Cells[]> {
  const start = `cast(${quoteTime(startUs)} AS TIMESTAMP)`;
  const step = `cast((s.ts - ${start} - 1) / ${stepUs} AS INT) AS step`;
  const samplesIn = ({ kept }: JobSource): JobSegments => jobSamples(kept, job, { startUs, endUs });
  return await meansBy(db, activity, job, samplesIn, { keys: [step], isPooled: true });
}

/** @param stepUs whole minutes. @returns nothing where minutes have aged out: what is left is too coarse */
async function minuteSteps(
  db: Asked,
  activity: Activity,
  job: LabelledJob,
  stepUs: number,
): Promise<Cells[]> {
  const segmentsIn = ({ kept }: JobSource): JobSegments => jobSegments(kept, job, ['1m']);
  if (activity.places.some(({ source }) => coarsestStepUs(segmentsIn(source)) > stepUs)) return [];
  const step = `cast(cast(s.ts AS LONG) / ${stepUs} AS INT) AS step`;
  return await meansBy(db, activity, job, segmentsIn, { keys: [step], isPooled: true });
}

/** Σ SM activity·dt as `sum_x`, and the Σ dt over which it was known as `known_us`, of the job's own rows. */
async function meansBy(
  db: Asked,
  { places }: Activity,
  job: LabelledJob,
  segmentsIn: (source: JobSource) => JobSegments,
  by: Pick<Question, 'keys' | 'isPooled'>,
): Promise<Cells[]> {
  const rows: Cells[] = [];
  for (const { source, column } of places) {
    const [sum, known] = gaugeSummands('x', column) as [Summand, Summand];
    const asked = await askOwn(db, job, segmentsIn(source).groups, (segment) => ({
      ...by,
      picks: [`sum(${summandSql(sum, segment)}) AS sum_x`, `sum(${summandSql(known, segment)}) AS known_us`],
    }));
    rows.push(...asked);
  }
  return rows;
}

function sumOf(rows: readonly Cells[], column: string): number {
  return rows.reduce((sum, row) => sum + (row.number(column) ?? 0), 0);
}

/** SM activity of throttled devices beside the job's other devices in the same time, longest throttles first. */
export async function throttleEffects(
  db: Asked,
  activity: Activity,
  job: LabelledJob,
  window: JobWindow,
  events: readonly JobEvent[],
): Promise<ThrottleEffect[]> {
  const span = (event: JobEvent): [number, number] => [
    Math.max(event.tsUs, window.startUs),
    Math.min(lastsUntilUs(event), window.endUs),
  ];
  const lengthUs = (event: JobEvent): number => span(event)[1] - span(event)[0];
  const throttles = events
    .filter((event) => event.kind === 'throttle' && event.gpu !== undefined && lengthUs(event) > 0)
    .sort((a, b) => lengthUs(b) - lengthUs(a))
    .slice(0, THROTTLES_MAX);
  const effects: ThrottleEffect[] = [];
  for (const event of throttles) {
    const gpu = event.gpu!;
    const during = (source: JobSource): JobSegments => throttledTime(source, job, span(event));
    const rows = await meansBy(db, activity, job, during, { keys: [] });
    const mean = (own: readonly Cells[]): Quantity<'ratio'> | undefined => {
      const knownUs = sumOf(own, 'known_us');
      return knownUs === 0 ? undefined : { value: sumOf(own, 'sum_x') / knownUs, unit: 'ratio', knownUs };
    };
    const sm = mean(rows.filter((row) => row.text('gpu') === gpu));
    const othersSm = mean(rows.filter((row) => row.text('gpu') !== gpu));
    if (sm !== undefined && othersSm !== undefined) effects.push({ event, gpu, sm, othersSm });
  }
  return effects;
}

/** Whole hours and minutes of it from the rollups, its ends from the samples. */
function throttledTime(
  { kept }: JobSource,
  { stays }: LabelledJob,
  [fromUs, toUs]: readonly [number, number],
): JobSegments {
  const span = { fromUs: fromUs + 1, toUs: toUs + 1 };
  const gpus = [...new Set(stays.map(({ gpu }) => gpu))];
  if (toUs - fromUs < ROLLUP_US_MIN) return samplesOf(kept, gpus, span);
  const places = placesOf(kept, span, ['1h', '1m']);
  return { groups: places.map((place) => ({ ...place, gpus: place.gpus ?? gpus })), mixed: [] };
}
