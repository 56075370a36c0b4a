import type { Level, Phase } from './level.ts';
import { computeUntilUs, gapsUntilUs, slowestUntilUs, stepAt, stepStartUs, type Rhythm } from './rhythm.ts';

/** What a piece of a rank's time is. */
export type PieceKind =
  'head' | 'gap' | 'compute' | 'wait' | 'collective' | 'evaluation' | 'checkpoint' | 'tail';

/** Takes pieces of a rank's time, in their order: a level that is held over (fromUs, toUs], µs since the job's start. */
export interface PieceSink {
  add(level: Level, kind: PieceKind, fromUs: number, toUs: number): void;
}

/** Hands over what a rank does in (fromUs, toUs], µs since the job's start, 0 at least. Walks the steps in it and no others. */
export function walkPieces(
  rhythm: Rhythm,
  rank: number,
  fromUs: number,
  toUs: number,
  sink: PieceSink,
): void {
  const { head, activeUs, tail } = rhythm.shape;
  const headEndUs = Math.min(head.durationUs, activeUs);
  addPiece(sink, head, 'head', 0, headEndUs, fromUs, toUs);
  const stepsFromUs = Math.max(fromUs, headEndUs);
  const stepsToUs = Math.min(toUs, activeUs);
  if (stepsFromUs < stepsToUs) {
    let step = stepAt(rhythm, stepsFromUs - headEndUs);
    let atUs = headEndUs + stepStartUs(rhythm, step);
    while (atUs < stepsToUs) {
      atUs = walkStep(rhythm, rank, step, atUs, stepsFromUs, stepsToUs, sink);
      step += 1;
    }
  }
  addPiece(sink, tail, 'tail', activeUs, Infinity, fromUs, toUs);
}

/** @returns when the next step begins */
function walkStep(
  rhythm: Rhythm,
  rank: number,
  step: number,
  startUs: number,
  fromUs: number,
  toUs: number,
  sink: PieceSink,
): number {
  const { shape, computeUs, collectiveUs, evaluationUs, checkpointUs } = rhythm;
  const next = step + 1;
  const gapUs = gapsUntilUs(rhythm, next) - gapsUntilUs(rhythm, step);
  const ownUs = computeUntilUs(rhythm, rank, next) - computeUntilUs(rhythm, rank, step);
  const slowestUs = slowestUntilUs(rhythm, next) - slowestUntilUs(rhythm, step);
  const computeAtUs = startUs + gapUs;
  const meetUs = computeAtUs + slowestUs;
  addPhases(sink, shape.gap, 'gap', startUs, gapUs / rhythm.gapUs, fromUs, toUs);
  addPhases(sink, shape.compute, 'compute', computeAtUs, ownUs / computeUs, fromUs, toUs);
  addPiece(sink, shape.wait, 'wait', computeAtUs + ownUs, meetUs, fromUs, toUs);
  addPhases(sink, shape.collective, 'collective', meetUs, 1, fromUs, toUs);
  let atUs = meetUs + collectiveUs;
  if (next % shape.evaluation.everySteps === 0) {
    addPhases(sink, shape.evaluation.phases, 'evaluation', atUs, 1, fromUs, toUs);
    atUs += evaluationUs;
  }
  if (next % shape.checkpoint.everySteps === 0) {
    addPhases(sink, shape.checkpoint.phases, 'checkpoint', atUs, 1, fromUs, toUs);
    atUs += checkpointUs;
  }
  return atUs;
}

/** Phases one after the other, each `scale` times as long as planned. */
function addPhases(
  sink: PieceSink,
  phases: readonly Phase[],
  kind: PieceKind,
  startUs: number,
  scale: number,
  fromUs: number,
  toUs: number,
): void {
  let plannedUs = 0;
  for (const phase of phases) {
    const beginUs = startUs + plannedUs * scale;
    plannedUs += phase.durationUs;
    addPiece(sink, phase, kind, beginUs, startUs + plannedUs * scale, fromUs, toUs);
  }
}

function addPiece(
  sink: PieceSink,
  level: Level,
  kind: PieceKind,
  beginUs: number,
  endUs: number,
  fromUs: number,
  toUs: number,
): void {
  const pieceFromUs = beginUs > fromUs ? beginUs : fromUs;
  const pieceToUs = endUs < toUs ? endUs : toUs;
  if (pieceFromUs < pieceToUs) sink.add(level, kind, pieceFromUs, pieceToUs);
}
