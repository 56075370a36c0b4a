import { quoteText } from '../../../schemas/tables.ts';
import type { Device } from '../../core/devices/device.ts';
import type { Interval } from '../../core/jobs/interval.ts';
import type { QuestDb } from '../http.ts';

/** How long a job may last and still be found by its start. */
export const JOB_US_MAX = 40 * 24 * 3600 * 1e6;

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
 * The same with nothing left out that began long before.
 * @throws OperatingError when the store does not answer.
 */
export async function readOwnedSince(
  db: QuestDb,
  gpus: readonly string[],
  sinceUs: number,
): Promise<Interval[]> {
  return await readIntervals(db, `gpu IN (${listOf(gpus)})`, Math.floor(sinceUs));
}

/**
 * The same of the whole nodes of these devices, as these inputs told it, with what they could not resolve. A node of the
 * same name in another cluster is another one.
 * @throws OperatingError when the store does not answer.
 */
export async function readNodeOwnership(
  db: QuestDb,
  devices: readonly Pick<Device, 'cluster' | 'node'>[],
  sources: readonly string[],
  sinceUs: number,
): Promise<Interval[]> {
  if (devices.length === 0) return [];
  const nodes = new Set(devices.map(nodeSql));
  const where = `(${[...nodes].join(' OR ')}) AND source IN (${listOf(sources)})`;
  return await readIntervals(db, where, Math.floor(sinceUs));
}

/**
 * The stays on a device that touch (fromUs, toUs], or end or begin where it does, epoch µs: whole, whoever told them, ascending by start.
 * @param staysMax no more than the first of them
 * @throws OperatingError when the store does not answer.
 */
export async function readStaysTouching(
  db: QuestDb,
  gpu: string,
  { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number },
  staysMax: number,
): Promise<Interval[]> {
  const where = `gpu = ${quoteText(gpu)} AND ts <= cast(${Math.floor(toUs)} AS timestamp)`;
  return await readIntervals(db, where, Math.floor(fromUs) - 1, ` LIMIT ${staysMax}`);
}

async function readIntervals(db: QuestDb, where: string, sinceUs: number, limit = ''): Promise<Interval[]> {
  const { rows } = await db.exec(
    'SELECT cast(ts AS LONG), cast(end_ts AS LONG), cluster, node, gpu, job_id, run, share, source FROM gpu_ownership' +
      ` WHERE ${where} AND (end_ts IS NULL OR end_ts > cast(${sinceUs} AS timestamp)) ORDER BY ts${limit}`,
  );
  return rows.map(([ts, end, cluster, node, gpu, jobId, run, share, source]) => ({
    startUs: Number(ts),
    endUs: end === null ? Infinity : Number(end),
    ...(typeof cluster === 'string' ? { cluster } : {}),
    node: textOf(node),
    gpu: textOf(gpu),
    jobId: textOf(jobId),
    run: typeof run === 'number' ? run : NaN,
    share: typeof share === 'number' ? share : NaN,
    source: textOf(source),
  }));
}

function nodeSql({ cluster, node }: Pick<Device, 'cluster' | 'node'>): string {
  const isNode = `node = ${quoteText(node)}`;
  // Rows of a time when nobody knew the cluster are taken for its own.
  return cluster === undefined
    ? isNode
    : `(${isNode} AND (cluster = ${quoteText(cluster)} OR cluster IS NULL))`;
}

function listOf(texts: readonly string[]): string {
  return texts.map(quoteText).join(', ');
}

function textOf(cell: unknown): string {
  return typeof cell === 'string' ? cell : '';
}
