import { chooseWindows, LONG_WINDOWS, type Window } from '../../../core/analysis/active-windows.ts';
import { agreedMin, combineWindows, WINDOWS_MIN } from '../../../core/analysis/job-steps.ts';
import { singleSteps } from '../../../core/analysis/single-steps.ts';
import { findStepPeriod, type ActivitySeries, type StepPeriod } from '../../../core/analysis/step-period.ts';
import type { Asked } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';
import { gaugeSummands } from '../../summands.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import { samplesOf, type LabelledJob } from '../rows/job-segments.ts';
import type { ActivityPlace } from '../rows/rhythm.ts';
import type { FoundSteps, NoSteps, SingleSteps } from './figures.ts';
import type { TimedStep } from './course.ts';

/** A window of ten minutes holds forty ticks of this length. */
const INTERVAL_US_MAX = 15e6;
/** Steps of half a minute and more are looked for in ticks of so much. */
const LONG_TICK_US = 2e6;
/** Shorter ones would have been found in shorter windows. */
const LONG_STEP_US_MIN = 20e6;
/** Fewer single steps have no 95th percentile. */
const SINGLE_STEPS_MIN = 20;

/** What is looked at: the windows, and the active time that they stand for. */
interface SteppedJob {
  readonly job: LabelledJob;
  readonly place: ActivityPlace;
  readonly active: readonly TimedStep[];
  readonly stepUs: number;
  /** Of which all samples are left. */
  readonly windows: readonly Window[];
  /** Older samples have aged out. */
  readonly rawFromUs: number;
  /** Those that do the job's work: idle ones only make its activity flatter. */
  readonly gpus: readonly string[];
}

/**
 * The steps of a job, from windows of the mean of its devices tick by tick; where those have no period, from longer windows of longer ticks.
 * @throws what `ask` throws
 */
export async function findSteps(
  db: Asked,
  stepped: SteppedJob,
): Promise<FoundSteps | { readonly none: NoSteps }> {
  const { place, active, stepUs, windows, rawFromUs } = stepped;
  if (place.intervalUs > INTERVAL_US_MAX) return { none: 'coarse' };
  if (windows.length < WINDOWS_MIN) return { none: 'too_short' };
  const usual = stepsOf(stepped, await readWindows(db, stepped, windows, place.intervalUs));
  if (!('none' in usual) || usual.none === 'steady' || usual.none === 'too_fine') return usual;
  const long = chooseWindows(active, stepUs, LONG_WINDOWS).filter(({ fromUs }) => fromUs >= rawFromUs);
  const tickUs = Math.ceil(LONG_TICK_US / place.intervalUs) * place.intervalUs;
  const isLonger = long.length >= WINDOWS_MIN && lengthOf(long[0]!) > lengthOf(windows[0]!);
  if (!isLonger) return usual;
  // Where none of so many has a period, the others are too few to agree.
  const deciding = long.length - agreedMin(long.length) + 1;
  const first = await readWindows(db, stepped, long.slice(0, deciding), tickUs);
  if (first.every(({ period }) => 'none' in period)) return usual;
  const others = await readWindows(db, stepped, long.slice(deciding), tickUs);
  const found = stepsOf(stepped, [...first, ...others]);
  return 'none' in found || found.periodUs < LONG_STEP_US_MIN ? usual : found;
}

function lengthOf({ fromUs, toUs }: Window): number {
  return toUs - fromUs;
}

interface ReadWindow {
  readonly series: ActivitySeries;
  readonly period: StepPeriod;
}

/** Each is looked at while the next are read. */
async function readWindows(
  db: Asked,
  { job, place, gpus }: SteppedJob,
  windows: readonly Window[],
  tickUs: number,
): Promise<ReadWindow[]> {
  return await Promise.all(
    windows.map(async (window) => {
      const series = await readSeries(db, place, job, { window, tickUs, gpus });
      return { series, period: findStepPeriod(series) };
    }),
  );
}

function stepsOf(
  { job, active, stepUs }: SteppedJob,
  read: readonly ReadWindow[],
): FoundSteps | { readonly none: NoSteps } {
  const combined = combineWindows(read.map(({ period }) => period));
  if ('none' in combined) return combined;
  return {
    ...combined,
    activeUs: active.length * stepUs,
    joulesPerStep: joulesPerStep(active, new Set(job.stays.map(({ gpu }) => gpu)).size, combined.periodUs),
    single: singleOf(read.flatMap(({ series }) => singleSteps(series, combined.periodUs))),
  };
}

/** The mean power of a device while the job was active, times devices and period. */
function joulesPerStep(
  active: readonly TimedStep[],
  deviceCount: number,
  periodUs: number,
): number | undefined {
  const joulesUs = active.reduce((us, step) => us + step.joulesUs, 0);
  const joules = active.reduce((sum, step) => sum + step.joules, 0);
  return joulesUs > 0 ? (joules / joulesUs) * deviceCount * periodUs : undefined;
}

function singleOf(lengths: number[]): SingleSteps | undefined {
  if (lengths.length < SINGLE_STEPS_MIN) return undefined;
  const sorted = lengths.sort((a, b) => a - b);
  const rank = (part: number): number => sorted[Math.ceil(part * sorted.length) - 1]!;
  return { count: sorted.length, p50Us: rank(0.5), p95Us: rank(0.95) };
}

/** Σ x·dt / Σ dt over the devices by tick. Ticks lie in the middle of their bins, so that one that is a little late stays in its own. */
async function readSeries(
  db: Asked,
  { source, column, intervalUs }: ActivityPlace,
  job: LabelledJob,
  {
    window,
    tickUs,
    gpus,
  }: { readonly window: Window; readonly tickUs: number; readonly gpus: readonly string[] },
): Promise<ActivitySeries> {
  const start = `cast(${quoteTime(window.fromUs)} AS TIMESTAMP)`;
  const [sum, known] = gaugeSummands('x', column);
  const { groups } = samplesOf(source.kept, gpus, window);
  const rows = await askOwn(db, job, groups, () => ({
    isPooled: true,
    keys: [`cast((s.ts - ${start} + ${Math.floor(intervalUs / 2)}) / ${tickUs} AS INT) AS tick`],
    picks: [`sum(${sum!.raw}) AS x_sum`, `sum(${known!.raw}) AS x_us`],
  }));
  const ticks = Math.floor((window.toUs - window.fromUs) / tickUs) + 1;
  const [sums, knownUs] = [new Float64Array(ticks), new Float64Array(ticks)];
  for (const row of rows) {
    const tick = row.number('tick')!;
    if (tick >= ticks) continue;
    sums[tick]! += row.number('x_sum') ?? 0;
    knownUs[tick]! += row.number('x_us') ?? 0;
  }
  return { tickUs, values: sums.map((each, tick) => (knownUs[tick]! > 0 ? each / knownUs[tick]! : NaN)) };
}
