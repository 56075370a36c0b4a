import { STEP_US, type Level } from '../../levels.ts';
import type { JobWindow } from '../facts.ts';
import { coarsestStepUs } from '../rows/parts.ts';
import type { Steps } from './figures.ts';
import { jobSamples, jobSegments, type JobSegments } from '../rows/job-segments.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';

/** Lengths of a step that people can read off an axis, µs. */
const STEPS_US: readonly number[] = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30].map((seconds) => seconds * 1e6),
  ...[1, 2, 3, 5, 10, 20, 30].map((minutes) => minutes * STEP_US['1m']),
  ...[1, 2, 3, 6, 12].map((hours) => hours * STEP_US['1h']),
];
/** Of a job with more samples minutes are drawn. */
const SAMPLES_MAX = 6_000_000;

/** The shortest readable step of which no more are needed, and no step is without a sample of a lane with this interval. */
function stepsOf(
  { startUs, endUs }: Pick<JobWindow, 'startUs' | 'endUs'>,
  countMax: number,
  intervalUs: number,
): Steps {
  const leastUs = Math.max(intervalUs, (endUs - startUs) / countMax);
  const stepUs = STEPS_US.find((us) => us >= leastUs) ?? Math.ceil(leastUs / STEP_US['1d']) * STEP_US['1d'];
  const fromUs = Math.floor((startUs + 1) / stepUs) * stepUs;
  return { fromUs, stepUs, count: Math.max(1, Math.floor((endUs - fromUs) / stepUs) + 1) };
}

/**
 * In which steps a lane is drawn, and where they are read.
 * @param intervalUs of the lane: what is left of it may be coarser
 */
export function stepsIn(
  source: JobSource,
  summed: Omit<SummedJob, 'sums'>,
  countMax: number,
  intervalUs: number,
): { readonly steps: Steps; readonly places: JobSegments } {
  const steps = stepsOf(summed.window, countMax, intervalUs);
  const places = placesOf(source, summed, steps);
  const coarsestUs = coarsestStepUs(places);
  if (coarsestUs <= steps.stepUs) return { steps, places };
  const coarser = stepsOf(summed.window, countMax, coarsestUs);
  return { steps: coarser, places: placesOf(source, summed, coarser) };
}

function placesOf(
  source: JobSource,
  { job, window, isFromSamples, placesIn }: Omit<SummedJob, 'sums'>,
  { stepUs }: Steps,
): JobSegments {
  if (isFromSamples) return placesIn(source);
  if (stepUs < STEP_US['1m'] && job.sampleCount <= SAMPLES_MAX) return jobSamples(source.kept, job, window);
  const levels: readonly Level[] = stepUs >= STEP_US['1h'] ? ['1h', '1m'] : ['1m'];
  return jobSegments(source.kept, job, levels);
}
