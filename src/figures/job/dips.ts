import type { Dips } from './figures.ts';

/** One step of the job's activity: mean over all devices and the time it speaks for. */
export interface ActivityStep {
  /** Number of the step, counted from the job's start. */
  readonly step: number;
  readonly ratio: number;
  readonly dtUs: number;
}

/** A dip is a stretch below this part of the job's usual activity; a shallower one is ordinary variation. */
const DIP_RATIO_MAX = 0.3;
/** Two dips are a rhythm if the first came as long after the job's start as the second after it; else it takes three. */
const DIPS_MIN = 2;
const DISTANCES_MIN = 2;
/** Distances from begin to begin that stray further than this from their median are no rhythm. */
const PERIOD_STRAY_RATIO_MAX = 0.2;
/** A rhythm goes through the whole job: at least this part of the dips that its period promises. */
const FILL_RATIO_MIN = 0.5;
/** A job that is low for longer than this part of the time does not dip: it alternates, which the figures show anyway. */
const DIP_TIME_RATIO_MAX = 0.25;
/** A job whose usual activity is lower than this has nothing to fall from. */
const USUAL_RATIO_MIN = 0.2;

interface Stretch {
  readonly from: number;
  to: number;
}

/**
 * Finds a regular fall of activity: two or more stretches, all of them far below the usual level, at even distances.
 * @param steps ascending by `step`; missing steps were not sampled.
 * @returns undefined when there is no such rhythm.
 */
export function findDips(steps: readonly ActivityStep[], stepUs: number): Dips | undefined {
  if (steps.length < 2 * DIPS_MIN) return undefined;
  const usual = median(steps.map((step) => step.ratio));
  if (usual < USUAL_RATIO_MIN) return undefined;
  const low = steps.filter((step) => step.ratio < DIP_RATIO_MAX * usual);
  const first = steps[0]!.step;
  const last = steps.at(-1)!.step;
  // A stretch at the edge is the job's start-up or its end, not a part of the rhythm.
  const stretches = stretchesOf(low).filter((stretch) => stretch.from > first && stretch.to < last);
  if (stretches.length < DIPS_MIN) return undefined;
  const period = periodOf(stretches.map((stretch) => stretch.from - first));
  if (period === undefined || stretches.length < FILL_RATIO_MIN * ((last - first) / period)) return undefined;
  const inside = low.filter((step) => stretches.some(({ from, to }) => step.step >= from && step.step <= to));
  const insideUs = sumOf(inside, (step) => step.dtUs);
  const timeRatio = insideUs / sumOf(steps, (step) => step.dtUs);
  if (timeRatio > DIP_TIME_RATIO_MAX || insideUs === 0) return undefined;
  return {
    count: stretches.length,
    floor: {
      value: sumOf(inside, (step) => step.ratio * step.dtUs) / insideUs,
      unit: 'ratio',
      knownUs: insideUs,
    },
    lengthUs: median(stretches.map(({ from, to }) => to - from + 1)) * stepUs,
    periodUs: period * stepUs,
    timeRatio,
  };
}

/** @param begins of the dips, counted from the job's start. @returns undefined when the distances are uneven. */
function periodOf(begins: readonly number[]): number | undefined {
  const between = begins.slice(1).map((begin, index) => begin - begins[index]!);
  const distances = between.length < DISTANCES_MIN ? [begins[0]!, ...between] : between;
  const period = median(distances);
  const isEven = distances.every(
    (distance) => Math.abs(distance - period) <= Math.max(1, PERIOD_STRAY_RATIO_MAX * period),
  );
  return isEven ? period : undefined;
}

/** Runs of consecutive steps. */
function stretchesOf(steps: readonly ActivityStep[]): Stretch[] {
  const stretches: Stretch[] = [];
  for (const { step } of steps) {
    const current = stretches.at(-1);
    if (current !== undefined && step === current.to + 1) current.to = step;
    else stretches.push({ from: step, to: step });
  }
  return stretches;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
