/**
 * What the devices of a job did together, and when. Samples are not voted into classes, which fails for whatever is shorter
 * than some ticks: of each sample the part in which the engine ran is busy and the rest is not, and the context of its time
 * says which names the two get. Contexts are long: seconds to hours.
 */

/** Samples with fromUs ≤ ts < toUs, epoch µs. */
export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** What all devices of a job did in a short time: extremes over their samples, and means. NaN where not known. */
export interface Moment extends Span {
  /** Engine activity (field 1001), 0 to 1. */
  readonly engineMin: number;
  readonly engineMax: number;
  /** Its mean over devices, and that of the device with the highest one. */
  readonly engineMean: number;
  readonly engineTop: number;
  /** The same of SM activity. */
  readonly smMean: number;
  readonly smTop: number;
  /** SM, tensor and DRAM activity, 0 to 1. */
  readonly smMax: number;
  readonly tensorMax: number;
  readonly dramMax: number;
  /** PCIe and NVLink of a device, all ways together, bytes per second. */
  readonly linksMax: number;
}

/**
 * `head`, `tail`: before the first and after the last time in which the engine of any device ran. `pause`: all engines rest for a
 * while. `hang`: all engines spin and nothing moves. `low`: all are busy with little.
 */
export type JobContext = 'head' | 'tail' | 'pause' | 'hang' | 'low';

export interface ContextSpan extends Span {
  readonly context: JobContext;
}

/** A time in which no engine ran for so much of it is one of rest. */
const ACTIVE_ENGINE_MIN = 0.25;
const PAUSE_ENGINE_MAX = 0.5;
/** Of a job that never runs for as much, the same part of what it usually does. */
const USUAL_RATIO = 0.5;
const USUAL_RANK = 0.9;
const SPAN_US_MIN = 5e6;
const SPAN_TICKS_MIN = 3;
/** A device whose engine runs for less, while those of others run, is idle. */
export const IDLE_ENGINE_MAX = 0.05;
/** Below it a device that runs does little. */
export const LOW_SM_RATIO = 0.25;
/** A kernel that only waits: these of the tensor cores and of DRAM, and of the links as a part of the job's largest rate. */
export const SPIN = { engineMin: 0.9, tensorMax: 0.02, dramMax: 0.05, linksMax: 0.05 } as const;
const HANG_US_MIN = 300e6;
/** Who does so much more than a kernel that waits makes progress. */
const PROGRESS_FACTOR = 2;
/** Rests that come so often, and take so much of the time, are the way the job works: it is fed too slowly. */
const RHYTHM_COUNT_MIN = 4;
const RHYTHM_RATIO_MIN = 0.25;
/** Unless one is so many times as long as most. */
const RHYTHM_LENGTHS_MAX = 10;

/** The largest rate of any device's links; 0 where there is none. */
export function topLinks(moments: readonly Moment[]): number {
  return moments.reduce((top, { linksMax }) => (linksMax > top ? linksMax : top), 0);
}

/**
 * @param moments ascending, without overlaps; time without any sample is in none
 * @param tickUs the lane's interval
 * @param job its time
 * @returns ascending, without overlaps; all other time is work
 */
export function findContexts(moments: readonly Moment[], tickUs: number, job: Span): ContextSpan[] {
  const isActive = activeBy(moments);
  const first = moments.findIndex(isActive);
  if (first < 0) return [{ context: 'head', ...job }];
  const last = moments.findLastIndex(isActive);
  const within = moments.slice(first, last + 1);
  const lengthUsMin = Math.max(SPAN_US_MIN, SPAN_TICKS_MIN * tickUs);
  const hangs = hangsIn(within);
  const rests = runsOf(within, restBy(within)).filter(({ lengthUs }) => lengthUs >= lengthUsMin);
  const isLow = (moment: Moment): boolean =>
    isActive(moment) && moment.smTop < LOW_SM_RATIO * moment.engineTop;
  const lows = runsOf(within, isLow).filter(({ lengthUs }) => lengthUs >= lengthUsMin);
  const pauses = withoutRhythm(rests, lengthOf(within));
  const tail: ContextSpan = { context: 'tail', fromUs: within.at(-1)!.toUs, toUs: job.toUs };
  // The last rest of a job that is fed too slowly is as the others.
  const usualRests = rests.filter((run) => !pauses.includes(run));
  const isRhythm = usualRests.some(({ lengthUs }) => lengthUs >= tail.toUs - tail.fromUs);
  const spans: ContextSpan[] = [
    { context: 'head', fromUs: job.fromUs, toUs: within[0]!.fromUs },
    ...pauses.map((run) => spanOf('pause', run)),
    ...hangs.map((run) => spanOf('hang', run)),
    ...lows.flatMap((run) => besides(spanOf('low', run), [...rests, ...hangs])),
    ...(isRhythm ? [] : [tail]),
  ];
  return spans.filter(({ fromUs, toUs }) => fromUs < toUs).sort((a, b) => a.fromUs - b.fromUs);
}

type Test = (moment: Moment) => boolean;

/** Whether an engine of the job runs in a moment. */
export function activeBy(moments: readonly Moment[]): Test {
  const highest = moments.reduce((top, { engineMax }) => (engineMax > top ? engineMax : top), 0);
  const activeMin = Math.max(IDLE_ENGINE_MAX, Math.min(ACTIVE_ENGINE_MIN, USUAL_RATIO * highest));
  return ({ engineMax }) => engineMax >= activeMin;
}

/** Whether all engines rest in a moment. @param moments from the first to the last in which one runs */
export function restBy(moments: readonly Moment[]): Test {
  const sorted = moments
    .filter(activeBy(moments))
    .map(({ engineMax }) => engineMax)
    .sort((a, b) => a - b);
  const usual = sorted[Math.min(sorted.length - 1, Math.floor(USUAL_RANK * sorted.length))] ?? 0;
  const restMax = Math.min(PAUSE_ENGINE_MAX, USUAL_RATIO * usual);
  return ({ engineMax }) => engineMax < restMax;
}

/** Whether all devices spin and nothing moves. */
export function spinBy(moments: readonly Moment[]): Test {
  const linksMax = SPIN.linksMax * topLinks(moments);
  return (moment) =>
    moment.engineMin > SPIN.engineMin &&
    moment.smMax < LOW_SM_RATIO &&
    moment.tensorMax < SPIN.tensorMax &&
    moment.dramMax < SPIN.dramMax &&
    !(moment.linksMax > linksMax);
}

/** Moments that follow each other. */
interface Run extends Span {
  /** Of its moments: not of time without samples between them. */
  readonly lengthUs: number;
}

function runsOf(moments: readonly Moment[], isOne: Test): Run[] {
  const runs: { fromUs: number; toUs: number; lengthUs: number }[] = [];
  let isOpen = false;
  for (const moment of moments) {
    const is = isOne(moment);
    if (is && !isOpen) runs.push({ fromUs: moment.fromUs, toUs: moment.fromUs, lengthUs: 0 });
    if (is) {
      const run = runs.at(-1)!;
      run.toUs = moment.toUs;
      run.lengthUs += moment.toUs - moment.fromUs;
    }
    isOpen = is;
  }
  return runs;
}

function lengthOf(moments: readonly Moment[]): number {
  return moments.reduce((us, { fromUs, toUs }) => us + toUs - fromUs, 0);
}

function spanOf(context: JobContext, { fromUs, toUs }: Run): ContextSpan {
  return { context, fromUs, toUs };
}

/** Without those that are a part of how the job works. */
function withoutRhythm(rests: readonly Run[], activeUs: number): Run[] {
  const lengths = rests.map(({ lengthUs }) => lengthUs).sort((a, b) => a - b);
  const restUs = lengths.reduce((sum, us) => sum + us, 0);
  if (rests.length < RHYTHM_COUNT_MIN || restUs < RHYTHM_RATIO_MIN * activeUs) return [...rests];
  const usualUs = lengths[Math.floor(lengths.length / 2)]!;
  return rests.filter(({ lengthUs }) => lengthUs > RHYTHM_LENGTHS_MAX * usualUs);
}

/** A job that never did much more does not hang: that is all it does. */
function hangsIn(moments: readonly Moment[]): Run[] {
  const isProgress = ({ smMax, tensorMax, dramMax }: Moment): boolean =>
    smMax >= LOW_SM_RATIO ||
    tensorMax >= PROGRESS_FACTOR * SPIN.tensorMax ||
    dramMax >= PROGRESS_FACTOR * SPIN.dramMax;
  const progress = moments.find(isProgress);
  if (progress === undefined) return [];
  return runsOf(moments, spinBy(moments)).filter(
    ({ fromUs, lengthUs }) => lengthUs >= HANG_US_MIN && fromUs > progress.fromUs,
  );
}

/** What of a span no run covers. */
function besides(span: ContextSpan, runs: readonly Run[]): ContextSpan[] {
  return runs.reduce<ContextSpan[]>(
    (left, run) =>
      left.flatMap((one) => [
        ...(run.fromUs > one.fromUs ? [{ ...one, toUs: Math.min(one.toUs, run.fromUs) }] : []),
        ...(run.toUs < one.toUs ? [{ ...one, fromUs: Math.max(one.fromUs, run.toUs) }] : []),
      ]),
    [span],
  );
}
