import { activeBy, restBy, spinBy, type Moment } from './contexts.ts';

/** A minute of a rollup, and how many samples it is made of. */
export interface Minute extends Moment {
  readonly samples: number;
}

/** Which minutes of a long job are to be read from its samples. */
export interface WorthReading {
  /** Their `fromUs`, ascending. */
  readonly fromUs: readonly number[];
  /** There are too many that may hold a pause: those in which the engines rested most are among them, the others are not. */
  readonly isCut: boolean;
}

/** Pauses of so long are to be found, in whichever two minutes they lie. */
const PAUSE_US_MIN = 5e6;
/** In a pause the engines run for less than this part of what they usually do. */
const PAUSE_RATIO = 0.5;
/** Minutes of work that tell how long devices wait for each other. */
const WORK_MINUTES_MAX = 24;
/** However few samples they have: of a month at one sample in 10 s the store is asked about a minute more often than it answers of it. */
const MINUTES_MAX = 1000;

/**
 * Where contexts begin and end, where all engines rested for longer than they usually do, and some minutes of work spread over the job.
 * @param minutes ascending
 * @param samplesMax that are read in all
 */
export function worthReading(minutes: readonly Minute[], samplesMax: number): WorthReading {
  const isActive = activeBy(minutes);
  const first = minutes.findIndex(isActive);
  if (first < 0) return { fromUs: [], isCut: false };
  const last = minutes.findLastIndex(isActive);
  const [isRest, isSpin] = [restBy(minutes.slice(first, last + 1)), spinBy(minutes)];
  const kinds = minutes.map((minute, at): Kind => {
    if (at < first || at > last) return 'idle';
    if (isRest(minute)) return 'rest';
    return isSpin(minute) ? 'spin' : 'work';
  });
  const edges = [...kinds.keys()].filter(
    (at) => kinds[at] === 'work' && [kinds[at - 1], kinds[at + 1]].some((beside) => beside !== 'work'),
  );
  const work = [...kinds.keys()].filter((at) => kinds[at] === 'work');
  const every = Math.max(1, work.length / WORK_MINUTES_MAX);
  const spread = Array.from(
    { length: Math.min(work.length, WORK_MINUTES_MAX) },
    (_, n) => work[Math.floor((n + 0.5) * every)]!,
  );
  const dips = dipsOf(minutes, work);
  const chosen = new Set<number>();
  let left = samplesMax;
  for (const at of [...edges, ...spread, ...dips]) {
    if (chosen.has(at) || minutes[at]!.samples > left || chosen.size === MINUTES_MAX) continue;
    left -= minutes[at]!.samples;
    chosen.add(at);
  }
  const fromUs = [...chosen].sort((a, b) => a - b).map((at) => minutes[at]!.fromUs);
  return { fromUs, isCut: [...edges, ...dips].some((at) => !chosen.has(at)) };
}

type Kind = 'idle' | 'rest' | 'spin' | 'work';

/** Deepest first. @param work positions */
function dipsOf(minutes: readonly Minute[], work: readonly number[]): number[] {
  const levels = work.map((at) => minutes[at]!.engineMean).sort((a, b) => a - b);
  const usual = levels[Math.floor(levels.length / 2)] ?? 0;
  const depthOf = (at: number): number => usual - minutes[at]!.engineMean;
  return work
    .filter((at) => {
      const { fromUs, toUs } = minutes[at]!;
      return depthOf(at) >= (PAUSE_US_MIN / 2 / (toUs - fromUs)) * PAUSE_RATIO * usual;
    })
    .sort((a, b) => depthOf(b) - depthOf(a));
}
