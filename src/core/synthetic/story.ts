import type { Part } from './cast.ts';
import type { Level } from './level.ts';
import { walkPieces, type PieceKind } from './pieces.ts';
import type { PlannedJob } from './plan.ts';
import { interludesUntil, stepAt, stepStartUs, type Rhythm } from './rhythm.ts';
import type { Throttle } from './timeline.ts';

/** Where the time of a device went. First name wins. */
const CAUSES = [
  'idleHead',
  'idleTail',
  'pause',
  'hang',
  'deviceIdle',
  'gaps',
  'waiting',
  'throttled',
  'low',
  'effective',
] as const;
export type Cause = (typeof CAUSES)[number];

/** What a job did in truth: read off the plan, whatever is sampled of it. */
export interface JobStory {
  /** In the order of the job's devices. */
  readonly devices: readonly DeviceStory[];
  readonly steps: StepStory;
}

export interface DeviceStory {
  /** Position in `Scenario.devices`. */
  readonly device: number;
  /** µs, which add up to the time; parts of a µs where the engine is busy for a part of a phase. */
  readonly causeUs: Readonly<Record<Cause, number>>;
  /** How long the device computes, against the plan: a little spread, and what follows. */
  readonly computeFactor: number;
  /** By how much longer it computes than a sound one; 0 when it is sound. */
  readonly slowness: number;
}

/** Of the devices that do what the job is about. */
interface StepStory {
  /** Steps that lie wholly within the time. */
  readonly count: number;
  /** Mean length, µs, without evaluations and checkpoints; NaN when there is no whole step. */
  readonly meanUs: number;
}

/** An engine that is busy with fewer of the SMs does little. */
const LOW_SM_RATIO = 0.25;

/**
 * What a job did in (fromUs, toUs], µs since the plan's origin, as far as it ran.
 * @param parts those of the job, in the order of its devices
 */
export function tellStory(
  job: PlannedJob,
  parts: readonly Part[],
  throttles: readonly Throttle[],
  fromUs: number,
  toUs: number,
): JobStory {
  const beginUs = Math.max(fromUs, job.startUs);
  const endUs = Math.min(toUs, job.endUs);
  const own = parts.find(({ share }) => share.shape === undefined) ?? parts[0]!;
  const devices = parts.map((part): DeviceStory => {
    const { device, slowness = 0 } = part.share;
    const computeFactor = part.rhythm.factors[part.rank]!;
    const hot = throttles.filter((throttle) => throttle.device === device);
    const causeUs = causesOf(job, part, parts, hot, beginUs, endUs);
    return { device, causeUs, computeFactor, slowness };
  });
  return { devices, steps: stepsOf(own.rhythm, beginUs - job.startUs, endUs - job.startUs) };
}

function causesOf(
  job: PlannedJob,
  { rhythm, rank, shape }: Part,
  parts: readonly Part[],
  throttles: readonly Throttle[],
  beginUs: number,
  endUs: number,
): Record<Cause, number> {
  const causeUs = Object.fromEntries(CAUSES.map((cause) => [cause, 0])) as Record<Cause, number>;
  const isOthersWork = parts.some((part) => part.shape !== 'idle');
  const cuts = new Set([beginUs, endUs]);
  for (const { fromUs, toUs } of throttles)
    for (const us of [fromUs, toUs]) if (us > beginUs && us < endUs) cuts.add(us);
  const edges = [...cuts].sort((a, b) => a - b);
  for (let at = 1; at < edges.length; at += 1) {
    const [fromUs, toUs] = [edges[at - 1]!, edges[at]!];
    const isThrottled = throttles.some((hot) => hot.fromUs <= fromUs && fromUs < hot.toUs);
    walkPieces(rhythm, rank, fromUs - job.startUs, toUs - job.startUs, {
      add(level, kind, pieceFromUs, pieceToUs) {
        const us = pieceToUs - pieceFromUs;
        const whole = wholeCauseOf(kind, shape, isOthersWork, rhythm);
        const engine = whole === undefined ? level.engine : 0;
        causeUs[whole ?? 'gaps'] += (1 - engine) * us;
        causeUs[busyCauseOf(level, kind, isThrottled)] += engine * us;
      },
    });
  }
  return causeUs;
}

/** The cause of all of a piece, whatever its engine does; undefined where engine idle and busy are told apart. */
function wholeCauseOf(
  kind: PieceKind,
  shape: Part['shape'],
  isOthersWork: boolean,
  rhythm: Rhythm,
): Cause | undefined {
  if (shape === 'idle') return isOthersWork ? 'deviceIdle' : 'idleHead';
  if (kind === 'head') return 'idleHead';
  if (kind === 'tail') return rhythm.shape.isHanging ? 'hang' : 'idleTail';
  return kind === 'checkpoint' ? 'pause' : undefined;
}

function busyCauseOf({ engine, sm }: Level, kind: PieceKind, isThrottled: boolean): Cause {
  if (kind === 'wait') return 'waiting';
  if (isThrottled) return 'throttled';
  // Of the time in which it runs: where it rests for most of a phase, that is gaps.
  return sm < LOW_SM_RATIO * engine ? 'low' : 'effective';
}

/** @param fromUs with `toUs`: since the job's start */
function stepsOf(rhythm: Rhythm, fromUs: number, toUs: number): StepStory {
  const { shape, evaluationUs, checkpointUs } = rhythm;
  const headUs = Math.min(shape.head.durationUs, shape.activeUs);
  const beginUs = Math.max(0, fromUs - headUs);
  const endUs = Math.min(toUs, shape.activeUs) - headUs;
  if (endUs <= beginUs) return { count: 0, meanUs: NaN };
  const inside = stepAt(rhythm, beginUs);
  const first = stepStartUs(rhythm, inside) < beginUs ? inside + 1 : inside;
  const last = stepAt(rhythm, endUs);
  if (last <= first) return { count: 0, meanUs: NaN };
  const interludesUs =
    evaluationUs * (interludesUntil(shape.evaluation, last) - interludesUntil(shape.evaluation, first)) +
    checkpointUs * (interludesUntil(shape.checkpoint, last) - interludesUntil(shape.checkpoint, first));
  const us = stepStartUs(rhythm, last) - stepStartUs(rhythm, first) - interludesUs;
  return { count: last - first, meanUs: us / (last - first) };
}
