import { createHash } from 'node:crypto';
import { quoteText } from '../../schemas/tables.ts';

import { ask, execute, type Asked } from '../figures/query-cells.ts';
import type { Found } from '../figures/job/find-job.ts';
import { quotedLists, quoteTime } from '../figures/sql-text.ts';
import type { Lane } from '../core/fields/lane.ts';

/** What was told late of an ended job, its labels and its kept figures, is in the store after so long as a rule. */
const SETTLED_US = 15 * 60e6;

/**
 * What tells one state of the page of an ended job from another (`ETag`, without its quotes); undefined of one that runs or has
 * hardly ended, whose figures change by themselves. It is made of
 * - all that `jobs` and `gpu_ownership` tell under its ids, among it ends, states and the other jobs that bear them;
 * - its rows of `job_figures`: the sums, and what was concluded;
 * - how many rows there are in each partition of samples, minutes, events and of its nodes' hosts that it ran in: samples that come
 *   late are counted, and those that age out are missing;
 * - what `how` is: version, styles, configuration, which run was asked for, and for whom;
 * - the day, since what earlier runs of the same user did is on the page, too, and a label may be mended in place: what none of the
 *   above shows is stale for a day at most.
 * @param how anything that the page depends on beside the store
 */
export async function jobTag(
  db: Asked,
  lanes: readonly Lane[],
  { jobs, asked }: Found,
  { how, nowUs }: { readonly how: unknown; readonly nowUs: number },
): Promise<string | undefined> {
  const told = jobs.flatMap(({ runs }) => runs.flatMap(({ members }) => members));
  const endUs = Math.max(...told.map((one) => one.endUs ?? Infinity));
  if (endUs > nowUs - SETTLED_US) return undefined;
  const startUs = Math.min(...told.map((one) => one.startUs));
  const ids = [...new Set([...asked.ids, ...told.map(({ jobId }) => jobId)])].sort();
  const [kept, partitions] = await Promise.all([
    keptRows(db, ids),
    partitionRows(db, lanes, { startUs, endUs }),
  ]);
  const day = new Date(nowUs / 1000).toISOString().slice(0, 10);
  return createHash('sha256')
    .update(JSON.stringify([day, how, told, kept, partitions]))
    .digest('base64url');
}

async function keptRows(db: Asked, ids: readonly string[]): Promise<unknown[]> {
  const rows: unknown[] = [];
  for (const some of quotedLists(ids))
    rows.push((await execute(db, `SELECT * FROM job_figures WHERE job_id IN (${some})`)).rows);
  return rows;
}

/** Of each table as many rows as its partitions have that the time reaches into. */
async function partitionRows(
  db: Asked,
  lanes: readonly Lane[],
  { startUs, endUs }: { readonly startUs: number; readonly endUs: number },
): Promise<unknown[]> {
  const wanted = [
    ...lanes.flatMap(({ table }) => [table, `${table}_1m`]),
    ...['gpu_events', 'host_jobs', 'gpu_shared_use'],
  ];
  const there = await ask(
    db,
    `SELECT table_name FROM tables() WHERE table_name IN (${wanted.map(quoteText).join(', ')})`,
  );
  const parts = there.map((row) => {
    const table = quoteText(row.text('table_name') ?? '');
    return (
      `SELECT ${table}::STRING AS t, name, numRows FROM table_partitions(${table})` +
      ` WHERE minTimestamp <= ${quoteTime(endUs)} AND maxTimestamp >= ${quoteTime(startUs)}`
    );
  });
  if (parts.length === 0) return [];
  return (await execute(db, `SELECT * FROM (${parts.join(' UNION ALL ')}) ORDER BY t, name`))
    .rows as unknown[];
}
