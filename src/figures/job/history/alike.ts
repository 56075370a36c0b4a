import type { Asked, Cells } from '../../query-cells.ts';
import { inventoryOf, type JobInterval } from '../facts.ts';
import type { MemberRun } from '../seen-runs.ts';

/** What is usual of a job is what it did lately. */
const RUNS_MAX = 20;

/**
 * Those of the earlier runs that did what this one should: they completed, on as many devices of the same models.
 * @param earlier newest first @returns newest first, 20 at most; none where a device's model is not known
 * @throws what `ask` throws
 */
export async function runsAlike<Run extends MemberRun>(
  db: Asked,
  own: MemberRun,
  earlier: readonly Run[],
): Promise<Run[]> {
  const count = gpusOf(own.window.intervals).length;
  const usual = earlier.filter(
    (run) => isUsual(run) && gpusOf(run.window.intervals).length === count && count > 0,
  );
  if (usual.length === 0) return [];
  const intervals = [own, ...usual].flatMap(({ window }) => window.intervals);
  const inventory = await inventoryOf(db, { endUs: own.window.endUs, intervals });
  const shape = shapeOf(own.window.intervals, inventory);
  if (shape === undefined) return [];
  return usual.filter(({ window }) => shapeOf(window.intervals, inventory) === shape).slice(0, RUNS_MAX);
}

/** One that failed, or was put back into the queue, is not what a run usually is. */
function isUsual({ member, run }: MemberRun): boolean {
  const { state, exitCode = 0 } = run.record;
  if (state !== undefined) return state === 'COMPLETED';
  return exitCode === 0 && member.job.runs.at(-1)?.number === run.run;
}

function gpusOf(intervals: readonly JobInterval[]): string[] {
  return [...new Set(intervals.map(({ gpu }) => gpu))];
}

/** How many devices of which model, and of which size where they are MIG instances; undefined where that is not known of one. */
function shapeOf(
  intervals: readonly JobInterval[],
  inventory: ReadonlyMap<string, Cells>,
): string | undefined {
  const models = gpusOf(intervals).map((gpu) => inventory.get(gpu));
  if (models.some((known) => known?.text('model') === undefined)) return undefined;
  return JSON.stringify(
    models.map((known) => [known!.text('model'), known!.text('mig_profile') ?? '']).sort(),
  );
}
