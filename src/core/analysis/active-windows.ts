/** Where in a job a closer look is worth it: stretches of its time in which it works as it mostly does. */
import { WINDOWS_MIN } from './job-steps.ts';

/** One step of the job's course: the mean of its devices' activity. */
export interface CourseStep {
  readonly fromUs: number;
  /** Mean, 0 to 1. */
  readonly ratio: number;
  /** Σ over the devices of the time over which it is known, µs. */
  readonly knownUs: number;
}

/** Times with fromUs ≤ t < toUs, epoch µs. */
export interface Window {
  readonly fromUs: number;
  readonly toUs: number;
}

const MINUTE_US = 60e6;
const WINDOW_US_MIN = 2 * MINUTE_US;

/** How many windows of what length at most. */
export interface WindowLimits {
  readonly countMax: number;
  /** Whole minutes, two at least. */
  readonly lengthUsMax: number;
}

/** For steps of half a minute at most. */
export const USUAL_WINDOWS: WindowLimits = { countMax: 24, lengthUsMax: 10 * MINUTE_US };
/** For longer ones. */
export const LONG_WINDOWS: WindowLimits = { countMax: 8, lengthUsMax: 40 * MINUTE_US };

/** A job is cut into so many windows at least, where those are long enough. */
const WINDOWS_WANTED = 4;
/** A job's usual activity is what it reaches in a tenth of its steps; from half of that on it is active. */
const USUAL_QUANTILE = 0.9;
const ACTIVE_PART_MIN = 0.5;
/** What does less than this on the mean does nothing. */
const ACTIVE_RATIO_MIN = 0.02;
/** A step of which less is known than this part of the best known one says little. */
const KNOWN_PART_MIN = 0.5;

/** The steps in which the job was active. @param course ascending */
export function activeSteps<Step extends CourseStep>(course: readonly Step[]): Step[] {
  const knownMaxUs = Math.max(...course.map(({ knownUs }) => knownUs));
  const told = course.filter(({ knownUs }) => knownUs > 0 && knownUs >= KNOWN_PART_MIN * knownMaxUs);
  const sorted = told.map(({ ratio }) => ratio).sort((a, b) => a - b);
  const usual = sorted[Math.floor(USUAL_QUANTILE * (sorted.length - 1))] ?? 0;
  const least = Math.max(ACTIVE_RATIO_MIN, ACTIVE_PART_MIN * usual);
  return told.filter(({ ratio }) => ratio >= least);
}

/**
 * Windows of two minutes or more, spread over the active time, ascending and without overlaps.
 * @param active of one length, ascending @param stepUs whole minutes
 */
export function chooseWindows(
  active: readonly CourseStep[],
  stepUs: number,
  { countMax, lengthUsMax }: WindowLimits,
): Window[] {
  const stretches: { fromUs: number; toUs: number }[] = [];
  for (const { fromUs } of active) {
    const last = stretches.at(-1);
    if (last !== undefined && last.toUs === fromUs) last.toUs = fromUs + stepUs;
    else stretches.push({ fromUs, toUs: fromUs + stepUs });
  }
  const wantedUs = (active.length * stepUs) / WINDOWS_WANTED;
  // Shorter ones are tried where long ones are too few.
  let lengthUs = Math.min(lengthUsMax, Math.max(WINDOW_US_MIN, floorMinute(wantedUs)));
  for (;;) {
    const tiles = stretches.flatMap((stretch) => tilesOf(stretch, lengthUs));
    if (tiles.length >= WINDOWS_MIN || lengthUs === WINDOW_US_MIN) return spread(tiles, countMax);
    lengthUs = Math.max(WINDOW_US_MIN, floorMinute(lengthUs / 2));
  }
}

function floorMinute(us: number): number {
  return Math.floor(us / MINUTE_US) * MINUTE_US;
}

/** As many as fit, one after the other. */
function tilesOf({ fromUs, toUs }: Window, lengthUs: number): Window[] {
  const count = Math.floor((toUs - fromUs) / lengthUs);
  return Array.from({ length: count }, (_, at) => ({
    fromUs: fromUs + at * lengthUs,
    toUs: fromUs + (at + 1) * lengthUs,
  }));
}

function spread<T>(all: readonly T[], countMax: number): T[] {
  if (all.length <= countMax) return [...all];
  return Array.from({ length: countMax }, (_, at) => all[Math.floor(((at + 0.5) * all.length) / countMax)]!);
}

/** Windows in at least `countMin` slices, each of whole minutes: where the windows are fewer, parts of them. */
export function sliceWindows(windows: readonly Window[], countMin: number): Window[] {
  const parts = Math.ceil(countMin / Math.max(1, windows.length));
  return windows.flatMap(({ fromUs, toUs }) => {
    const lengthUs = Math.max(MINUTE_US, floorMinute((toUs - fromUs) / parts));
    return tilesOf({ fromUs, toUs }, lengthUs);
  });
}
