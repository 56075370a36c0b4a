import { quoteText } from '../../../schemas/tables.ts';
import type { Interval } from '../../core/jobs/interval.ts';
import type { QuestDb } from '../http.ts';

/** How long an ownership may last and still be found by its start. */
const JOB_US_MAX = 40 * 24 * 3600 * 1e6;

/**
 * What `gpu_ownership` has of these devices since `sinceUs` (epoch µs), whoever told it, ascending by start.
 * @throws OperatingError when the store does not answer.
 */
export async function readStoredOwnership(
  db: QuestDb,
  gpus: readonly string[],
  sinceUs: number,
): Promise<Interval[]> {
  if (gpus.length === 0) return [];
  const fromUs = Math.floor(sinceUs);
  // The fleet's drains ask for it: the bound spares them old partitions.
  const bound = `ts > cast(${Math.floor(fromUs - JOB_US_MAX)} AS timestamp)`;
  return await readIntervals(db, `gpu IN (${listOf(gpus)}) AND ${bound}`, fromUs);
}

/**
 * The same of whole nodes, as these inputs told it, with what they could not resolve.
 * @throws OperatingError when the store does not answer.
 */
export async function readNodeOwnership(
  db: QuestDb,
  nodes: readonly string[],
  sources: readonly string[],
  sinceUs: number,
): Promise<Interval[]> {
  if (nodes.length === 0) return [];
  const where = `node IN (${listOf(nodes)}) AND source IN (${listOf(sources)})`;
  return await readIntervals(db, where, Math.floor(sinceUs));
}

async function readIntervals(db: QuestDb, where: string, sinceUs: number): Promise<Interval[]> {
  const { rows } = await db.exec(
    'SELECT cast(ts AS LONG), cast(end_ts AS LONG), node, gpu, job_id, run, share, source FROM gpu_ownership' +
      ` WHERE ${where} AND (end_ts IS NULL OR end_ts > cast(${sinceUs} AS timestamp)) ORDER BY ts`,
  );
  return rows.map(([ts, end, node, gpu, jobId, run, share, source]) => ({
    startUs: Number(ts),
    endUs: end === null ? Infinity : Number(end),
    node: textOf(node),
    gpu: textOf(gpu),
    jobId: textOf(jobId),
    run: Number(run ?? 0),
    share: typeof share === 'number' ? share : NaN,
    source: textOf(source),
  }));
}

function listOf(texts: readonly string[]): string {
  return texts.map(quoteText).join(', ');
}

function textOf(cell: unknown): string {
  return typeof cell === 'string' ? cell : '';
}
