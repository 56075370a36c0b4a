import type { AskedSpan, HadSpan } from './had-and-asked.ts';
import { createCells, fitOf } from './cells.ts';
import { forStretches } from './stretches.ts';

/**
 * Of free GPUs those that lie in too small pieces: a job waits that finds as many as it asks for and not on so few nodes, and no job
 * that waits would fit on their node.
 * @param edgesUs ascending: where a period ends and the next begins
 * @returns GPUs × µs by cell, by the number of the period
 */
export function fragmentedByCell(
  spans: readonly HadSpan[],
  modelOfCell: readonly number[],
  asked: readonly AskedSpan[],
  edgesUs: readonly number[],
): readonly (readonly number[])[] {
  const there = createCells(modelOfCell, []);
  const byPeriod = Array.from({ length: edgesUs.length + 1 }, () => modelOfCell.map(() => 0));
  let period = 0;
  forStretches(
    spans,
    asked,
    there,
    ({ fromUs, us, asked: waiting = [] }) => {
      while (period < edgesUs.length && edgesUs[period]! <= fromUs) period += 1;
      if (waiting.length === 0 || there.gpus() === 0) return;
      const { needs, isInPieces } = fitOf(there, waiting);
      if (!isInPieces.includes(true)) return;
      const sums = byPeriod[period]!;
      for (const [cell, gpus] of there.had.entries()) {
        const model = modelOfCell[cell]!;
        if (gpus > 0 && isInPieces[model]! && gpus < needs[model]!) sums[cell]! += gpus * us;
      }
    },
    edgesUs,
  );
  return byPeriod;
}
