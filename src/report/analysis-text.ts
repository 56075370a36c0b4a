import type { Bounds } from '../figures/job/analysis/bounds.ts';
import type {
  FoundSteps,
  Gauge30,
  JobAnalysis,
  NoSteps,
  StepFigures,
} from '../figures/job/analysis/figures.ts';
import type { Found } from '../figures/job/figures.ts';
import { deviceName } from './text/device-name.ts';
import { eventText } from './text/event-text.ts';
import {
  formatCount,
  formatEnergy,
  formatGpuHours,
  formatGrouped,
  formatInterval,
  formatNumber,
  formatRatio,
  formatSpan,
  formatStep,
  formatWatts,
} from './text/format-quantity.ts';
import { wrap } from './text/table-text.ts';

/** An edge of less is the job's own. */
const EDGE_US_MIN = 10e6;
/** A drift of less is told by no one. */
const DRIFT_RATIO_MIN = 0.02;
/** Steps that explain less of how the activity moves are not all that goes on. */
const EXPLAINED_RATIO_MIN = 0.5;
/** The hardware gives no mean of less time. */
const FASTEST_LANE_US = 100e3;
const USUAL_LANE_US = 1e6;
/** Steps of so many ticks are found, and not taken for an alias. */
const TICKS_PER_STEP = 5;
/** A gauge that is this far off is worth a line. */
const GAUGE_STRAY_MIN = 0.02;
const GAUGE_LOW_STRAY_MIN = 0.05;

/** Kinds of events that may be why a device is slow. */
const TELLING_EVENTS: ReadonlySet<string> = new Set(['throttle', 'ecc', 'remap', 'xid', 'health']);

/** What windows of a job tell: steps, when it worked, and what a slow gauge would have said. */
export function analysisLines({ steps, gauge30 }: JobAnalysis, width: number): string[] {
  const texts = [
    ...(steps === undefined ? [] : [stepsText(steps), edgesText(steps)]),
    gauge30 === undefined ? undefined : gaugeText(gauge30),
  ];
  return texts.flatMap((text) => (text === undefined ? [] : wrap(text, width, '  ', '    ')));
}

function stepsText({ found, intervalUs }: StepFigures): string | undefined {
  if ('none' in found) return noStepsText(found.none, intervalUs);
  const { periodUs, periodMinUs, periodMaxUs, windowsAgreed, windowsSeen, activeUs, joulesPerStep } = found;
  const windows = windowsAgreed === windowsSeen ? windowsSeen : `${windowsAgreed} of ${windowsSeen}`;
  const count = formatGrouped(Math.round(activeUs / periodUs), 0);
  const energy = joulesPerStep === undefined ? '' : `, ${formatEnergy(joulesPerStep)} each`;
  return (
    `steps of ${formatStep(periodUs)} (${formatStep(periodMinUs)} to ${formatStep(periodMaxUs)} in ${windows} windows),` +
    ` about ${count} of them${energy}${restText(found)}`
  );
}

function restText({ single, driftRatio = 0, explained }: FoundSteps): string {
  const longer = driftRatio > 0 ? 'longer' : 'shorter';
  return [
    single === undefined
      ? ''
      : `; half of single steps within ${formatStep(single.p50Us)}, 95 % within ${formatStep(single.p95Us)}`,
    Math.abs(driftRatio) < DRIFT_RATIO_MIN
      ? ''
      : `; ${formatRatio(Math.abs(driftRatio))} ${longer} at the end than at the begin`,
    explained >= EXPLAINED_RATIO_MIN
      ? ''
      : `; that is ${formatRatio(explained)} of how its activity moves: where phases take turns, the period of the shorter one`,
  ].join('');
}

/** Undefined where there was nothing to look at: a short job, or GPUs that others were on, too. */
function noStepsText(none: NoSteps, intervalUs: number): string | undefined {
  const seen = (laneUs: number): string =>
    `a lane of ${formatInterval(laneUs)} sees those of ${formatInterval(TICKS_PER_STEP * laneUs)} and more`;
  switch (none) {
    case 'too_short':
    case 'inactive':
    case 'shared':
      return undefined;
    case 'steady':
      return `no steps: SM activity hardly moves; those shorter than a sample (${formatInterval(intervalUs)}) do not show`;
    case 'aperiodic':
      return 'no steps: SM activity moves, but has no period';
    case 'disagree':
      return 'no steps: parts of its time have different periods';
    case 'too_fine':
      return (
        `no steps: what moves is not told apart from a step shorter than 2 ticks (${formatInterval(2 * intervalUs)}); ` +
        (intervalUs > FASTEST_LANE_US ? seen(FASTEST_LANE_US) : 'no lane is faster')
      );
    case 'coarse':
      return `no steps: a sample every ${formatInterval(intervalUs)} is too coarse; ${seen(USUAL_LANE_US)}`;
    case 'aged_out':
      return 'no steps: the samples that would tell have aged out';
  }
}

function edgesText({ firstLightUs = 0, drainUs = 0 }: StepFigures): string | undefined {
  const texts = [
    ...(firstLightUs < EDGE_US_MIN ? [] : [`first active ${formatSpan(firstLightUs)} after its start`]),
    ...(drainUs < EDGE_US_MIN ? [] : [`last active ${formatSpan(drainUs)} before its end`]),
  ];
  return texts.length === 0 ? undefined : texts.join(', ');
}

/** Undefined where it would have said the same. */
function gaugeText({ mean, meanMin, meanMax, lowMin, lowMax, peak }: Gauge30): string | undefined {
  const texts = [
    meanMax - meanMin < GAUGE_STRAY_MIN
      ? undefined
      : `SM active ${formatRatio(meanMin)} to ${formatRatio(meanMax)} (it was ${formatRatio(mean)})`,
    lowMax - lowMin < GAUGE_LOW_STRAY_MIN
      ? undefined
      : `the lowest ${formatRatio(lowMin)} to ${formatRatio(lowMax)}`,
    peak === undefined || peak.max - peak.min < GAUGE_STRAY_MIN * peak.max
      ? undefined
      : `the peak ${formatWatts(peak.min)} to ${formatWatts(peak.max)}`,
  ].filter((text) => text !== undefined);
  return texts.length === 0
    ? undefined
    : `the last second read every 30 s, while it was active, would have said by its phase: ${texts.join(', ')}`;
}

/** Less is no use of the tensor pipes. */
const TENSOR_RATIO_MIN = 0.01;
const ROOFS = {
  compute: 'nearer to what its busiest pipe can do',
  memory: 'nearer to what the memory can do',
  low: 'far from both',
};

/** What a GPU can have computed and moved at most, on the mean. Nothing is told of a job that does nothing. */
export function boundsLines(bounds: Bounds | undefined, width: number): string[] {
  if (bounds === undefined || bounds.workClass === 'idle') return [];
  const { workClass, roof, tensorRatio, dramRatio, peaks } = bounds;
  const flops =
    peaks === undefined
      ? ''
      : ` (${formatNumber((tensorRatio * peaks.tensorFlops) / 1e12)} of ${formatNumber(peaks.tensorFlops / 1e12)} dense 16-bit TFLOP/s a GPU)`;
  const bytes =
    peaks === undefined
      ? ''
      : ` (${formatNumber((dramRatio * peaks.memoryBytesPerSecond) / 1e12)} of ${formatNumber(peaks.memoryBytesPerSecond / 1e12)} TB/s)`;
  const mfu = tensorRatio < TENSOR_RATIO_MIN ? '' : `MFU at most ${formatRatio(tensorRatio)}${flops}, `;
  return wrap(
    `bounds by activity: ${mfu}memory ${formatRatio(dramRatio)}${bytes}; ${ROOFS[roof]} (class ${workClass})`,
    width,
    '  ',
    '    ',
  );
}

/** Which device the others wait for, what that costs at most, and what is known of the reason. */
export function slowestText({
  device,
  slowest,
}: Extract<Found, { rule: 'computes-longest' | 'fed-late' }>): string {
  const { kind, deviceCount, ratio, othersRatio, lostUsMax, why, linkErrors, pcieLanes } = slowest;
  const cost = lostUsMax === undefined ? '' : ` (up to ${formatGpuHours(lostUsMax)})`;
  const name = deviceName(device);
  const what =
    kind === 'fed_late'
      ? `${name} is fed late: its engine ran ${formatRatio(ratio)} of the time, that of the other ${deviceCount - 1} ${formatRatio(othersRatio)}, which wait for it${cost}.`
      : `${name} computes longest: SM activity ${formatRatio(ratio)}, the other ${deviceCount - 1} ${formatRatio(othersRatio)}, which wait for it${cost}.`;
  const reasons = { device: ' It is slower at the same work.', work: ' It has more work than they have.' };
  const events = device.events.filter(({ kind }) => TELLING_EVENTS.has(kind));
  const seen = [
    ...events.slice(0, 1).map(eventText),
    ...(events.length > 1 ? [formatCount(events.length - 1, 'more event')] : []),
    ...(linkErrors > 0 ? [formatCount(linkErrors, 'link error')] : []),
    ...(pcieLanes === undefined ? [] : [`${pcieLanes} PCIe lanes, fewer than others`]),
  ];
  return `${what}${why === undefined ? '' : reasons[why]}${seen.length === 0 ? '' : ` It had: ${seen.join(', ')}.`}`;
}
