import { activeSteps, chooseWindows, USUAL_WINDOWS } from '../../../core/analysis/active-windows.ts';
import { quoteName } from '../../../../schemas/tables.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import { samplesOf } from '../rows/job-segments.ts';
import type { Activity, ActivityPlace } from '../rows/rhythm.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import { timedCourse, type TimedCourse } from './course.ts';
import type { FoundSteps, JobAnalysis, NoSteps } from './figures.ts';
import { readGauge30 } from './gauge30.ts';
import { findSlowest } from './slowest.ts';
import { findSteps } from './steps.ts';

/** The job does something from this SM activity on. */
const LIGHT_SM_RATIO = 0.05;
/** Of the time before it more must not be unseen. */
const DARK_UNSEEN_RATIO_MAX = 0.05;
/** A device that does less than this part of what the busiest one does has no part in the job's steps. */
const WORKING_PART_MIN = 0.25;

export const NO_ANALYSIS: JobAnalysis = { steps: undefined, slowest: undefined, gauge30: undefined };

/**
 * Looks more closely at windows of a job in which it was active. Where other jobs were on its devices their activity says nothing of
 * this one.
 * @param activity where SM activity is read; of several places the first @param inventory what is known of each device
 * @throws what `ask` throws
 */
export async function analyseJob(
  db: Asked,
  sources: readonly JobSource[],
  activity: Activity | undefined,
  { summed, inventory }: { readonly summed: SummedJob; readonly inventory: ReadonlyMap<string, Cells> },
): Promise<JobAnalysis> {
  const place = activity?.places[0];
  if (place === undefined) return NO_ANALYSIS;
  const { window, sums } = summed;
  const isOpen = window.intervals.some((interval) => interval.isOpen);
  const lastUs = sums.all.lastActiveUs;
  const drainUs = isOpen || lastUs === undefined ? undefined : Math.max(0, window.endUs - lastUs);
  const { intervalUs } = place;
  const told = (found: FoundSteps | { none: NoSteps }, firstLightUs?: number): JobAnalysis['steps'] => ({
    intervalUs,
    found,
    firstLightUs,
    drainUs,
  });
  if (sums.sets.size > 0) return { ...NO_ANALYSIS, steps: told({ none: 'shared' }) };
  const course = await timedCourse(db, place, summed);
  if (course === undefined) return { ...NO_ANALYSIS, steps: told({ none: 'aged_out' }) };
  const active = activeSteps(course.steps);
  const windows = chooseWindows(active, course.stepUs, USUAL_WINDOWS);
  const rawFromUs = place.source.kept.levels.at(-1)!.completeFromUs;
  const sampled = windows.filter(({ fromUs }) => fromUs >= rawFromUs);
  const isAged = windows.length > 0 && sampled.length === 0;
  const { stepUs } = course;
  const kindOf = (gpu: string): string =>
    `${inventory.get(gpu)?.text('model') ?? ''} ${inventory.get(gpu)?.text('mig_profile') ?? ''}`;
  const activeUs = active.length * stepUs;
  const found = async (): Promise<FoundSteps | { none: NoSteps }> => {
    if (windows.length === 0) return { none: 'inactive' };
    if (isAged) return { none: 'aged_out' };
    const { job } = summed;
    const gpus = workingGpus(summed);
    return await findSteps(db, { job, place, active, stepUs, windows: sampled, rawFromUs, gpus });
  };
  const [steps, firstLightUs, slowest, gauge30] = await Promise.all([
    found(),
    firstLight(db, place, summed, course),
    findSlowest(db, sources, summed, { windows, activeUs, kindOf }),
    readGauge30(db, place, summed, { active, stepUs, windows: sampled, rawFromUs }),
  ]);
  return { steps: told(steps, firstLightUs), slowest, gauge30 };
}

/** Those that do a part of what the busiest one does. */
function workingGpus({ sums }: SummedJob): string[] {
  const means = [...sums.devices].map(([gpu, { gauges }]): [string, number] => {
    const { sum, knownUs } = gauges.get('smActive') ?? { sum: 0, knownUs: 0 };
    return [gpu, knownUs > 0 ? sum / knownUs : 0];
  });
  const most = Math.max(...means.map(([, mean]) => mean));
  return means.filter(([, mean]) => mean >= WORKING_PART_MIN * most).map(([gpu]) => gpu);
}

/**
 * From the job's start to its first sample of some activity; undefined where that has aged out, and where the time before it was not seen:
 * what the job did then nobody knows.
 */
async function firstLight(
  db: Asked,
  { source, column, intervalUs }: ActivityPlace,
  { job, window }: SummedJob,
  { steps, stepUs }: TimedCourse,
): Promise<number | undefined> {
  const lit = steps.find(({ most }) => most >= LIGHT_SM_RATIO);
  if (lit === undefined) return undefined;
  const ownedUs = window.intervals.reduce(
    (sum, { startUs, endUs }) => sum + Math.max(0, Math.min(endUs, lit.fromUs) - startUs),
    0,
  );
  const knownUs = steps.reduce((sum, step) => (step.fromUs < lit.fromUs ? sum + step.knownUs : sum), 0);
  // A sample leads over an end of a stay, and of a step.
  const edgesUs = 2 * intervalUs * window.intervals.length;
  if (ownedUs - knownUs > DARK_UNSEEN_RATIO_MAX * ownedUs + edgesUs) return undefined;
  const gpus = [...new Set(job.stays.map(({ gpu }) => gpu))];
  const span = {
    fromUs: Math.max(window.startUs + 1, lit.fromUs),
    toUs: Math.min(window.endUs + 1, lit.fromUs + stepUs),
  };
  const rows = await askOwn(db, job, samplesOf(source.kept, gpus, span).groups, () => ({
    isPooled: true,
    keys: [],
    // Without a key QuestDB 9.3.4 takes no min(s.ts) of a table with another name.
    picks: ['min(cast(s.ts AS LONG)) AS first_us'],
    where: `s.${quoteName(column)} >= ${LIGHT_SM_RATIO}`,
  }));
  const firstUs = Math.min(...rows.map((row) => row.number('first_us') ?? Infinity));
  return Number.isFinite(firstUs) ? firstUs - window.startUs : undefined;
}
