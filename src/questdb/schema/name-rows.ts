import { quoteName, quoteText, smallTables, type Table } from '../../../schemas/tables.ts';
import { CLOCK_SKEW_US_MAX } from '../../core/jobs/job-runs.ts';
import type { QuestDb } from '../http.ts';
import { idLists } from '../rows/merged-jobs.ts';
import { waitForVisible } from '../visible.ts';
import type { SchemaChange } from './change.ts';

/**
 * Rows that were stored before anybody knew their cluster. They may be named at any time, by node: in place, since a second
 * row beside the first would count twice. No rollup reads these tables; samples have rollups, and are never changed.
 */

/** When nobody writes a row again: collectors correct what ended within a day, and spells of throttling within a week. */
const SETTLED_US = 26 * 3600e6;
const EVENT_SETTLED_US = 8 * 24 * 3600e6;
const UPDATE_TIMEOUT_MS = 600_000;
/** The text of a statement is part of its address. */
const TWINS_PER_UPDATE_MAX = 100;

interface NamedTable extends Table {
  /** By which column it is told that a row is settled. */
  readonly settledBy: 'ts' | 'end_ts';
  readonly settledUs: number;
}

/** With `gpu_ownership` before `jobs`: of whom a row of `jobs` is, its stays tell. */
const NAMED_TABLES: readonly NamedTable[] = smallTables({ raw: '', rollup1m: '' })
  // A queue is of no node: whose it was, nobody can tell later. A bill stays as it was issued.
  .filter(
    ({ name, columns }) =>
      name !== 'queue_1m' && name !== 'bills' && columns.some((one) => one.name === 'cluster'),
  )
  .map((table) => ({
    ...table,
    settledBy:
      table.columns.some(({ name }) => name === 'end_ts') && table.name !== 'gpu_events' ? 'end_ts' : 'ts',
    settledUs: table.name === 'gpu_events' ? EVENT_SETTLED_US : SETTLED_US,
  }));

export interface UnnamedRows {
  readonly table: string;
  readonly rows: number;
}

/**
 * How many rows of which tables have no cluster. Samples are not counted: reports take them for their device's.
 * @returns none where the store and its user know of no cluster at all
 */
export async function readUnnamedRows(db: QuestDb, cluster: string | undefined): Promise<UnnamedRows[]> {
  if (cluster === undefined && (await clusterNodes(db, undefined)).length === 0) return [];
  const found: UnnamedRows[] = [];
  for (const { name } of NAMED_TABLES) {
    const rows = await countOf(db, name, 'cluster IS NULL');
    if (rows > 0) found.push({ table: name, rows });
  }
  return found;
}

/**
 * Gives the settled rows of these nodes that have no cluster the name of theirs. A row of `jobs`, which has no node, is named
 * where all stays under its id are of that cluster, and some of them in its time. Done again it names what has settled since.
 * @param nodes absent: those that the inventory has known in that cluster and in no other
 */
export async function nameRows(
  db: QuestDb,
  cluster: string,
  nodes: readonly string[] | undefined,
  tell: (words: string) => void,
): Promise<SchemaChange[]> {
  const ofThem = nodes ?? (await clusterNodes(db, cluster));
  const changes: SchemaChange[] = [];
  for (const table of NAMED_TABLES) {
    const before = await countOf(db, table.name, 'cluster IS NULL');
    if (before === 0) continue;
    const lists =
      table.name === 'jobs'
        ? (await idsOfCluster(db, table, cluster)).map((list) => `job_id IN (${list})`)
        : idLists(ofThem).map((list) => `node IN (${list})`);
    for (const list of lists) await update(db, table, cluster, `${isDue(table)} AND ${list}`);
    const after = await countOf(db, table.name, 'cluster IS NULL');
    tell(`${table.name}: ${before - after} rows have their cluster now`);
    changes.push({ action: 'filled', object: table.name, detail: detailOf(cluster, before - after, after) });
  }
  return changes;
}

/** Those of these nodes of which no table has a row. */
export async function readUnknownNodes(db: QuestDb, nodes: readonly string[]): Promise<string[]> {
  const known = new Set<unknown>();
  for (const { name } of NAMED_TABLES.filter(({ columns }) => columns.some((one) => one.name === 'node')))
    for (const list of idLists(nodes)) {
      const { rows } = await db.exec(`SELECT DISTINCT node FROM ${quoteName(name)} WHERE node IN (${list})`);
      for (const [node] of rows) known.add(node);
    }
  return nodes.filter((node) => !known.has(node));
}

function detailOf(cluster: string, named: number, left: number): string {
  return `cluster ${cluster} in ${named} rows${left === 0 ? '' : `; ${left} stay without one`}`;
}

function isDue({ settledBy, settledUs }: NamedTable): string {
  return `cluster IS NULL AND ${settledBy} < ${timeSql(Math.floor(Date.now() * 1000 - settledUs))}`;
}

async function update(db: QuestDb, table: NamedTable, cluster: string, condition: string): Promise<void> {
  for (const part of partsWithoutTwins(await twinTimes(db, table, cluster, condition)))
    await db.exec(
      `UPDATE ${quoteName(table.name)} SET cluster = ${quoteText(cluster)} WHERE ${condition}${part}`,
      { timeoutMs: UPDATE_TIMEOUT_MS },
    );
  await waitForVisible(db, table.name, { timeoutMs: UPDATE_TIMEOUT_MS });
}

/** Twins are told apart by nothing but the cluster: named, they would be two rows of one key. @param times ascending */
function partsWithoutTwins(times: readonly number[]): string[] {
  const parts: string[] = [];
  let after = '';
  for (let from = 0; from < times.length; from += TWINS_PER_UPDATE_MAX) {
    const some = times.slice(from, from + TWINS_PER_UPDATE_MAX);
    parts.push(`${after} AND ts < ${timeSql(some.at(-1)!)} AND NOT cast(ts AS LONG) IN (${some.join(', ')})`);
    after = ` AND ts > ${timeSql(some.at(-1)!)}`;
  }
  return [...parts, after];
}

function timeSql(us: number): string {
  return `cast(${us} AS timestamp)`;
}

/** Times, epoch µs, at which a row that is due has another one beside it that has the cluster. */
async function twinTimes(
  db: QuestDb,
  { name, upsertKeys }: NamedTable,
  cluster: string,
  condition: string,
): Promise<number[]> {
  const keys = upsertKeys.filter((key) => key !== 'cluster').map(quoteName);
  const names = keys.join(', ');
  const same = keys.map((key) => `n.${key} = c.${key}`).join(' AND ');
  const { rows } = await db.exec(
    `SELECT DISTINCT cast(n.ts AS LONG) FROM (SELECT ${names} FROM ${quoteName(name)} WHERE ${condition}) n` +
      ` JOIN (SELECT ${names} FROM ${quoteName(name)} WHERE cluster = ${quoteText(cluster)}) c ON ${same}`,
    { timeoutMs: UPDATE_TIMEOUT_MS },
  );
  return rows.map(([us]) => Number(us)).sort((a, b) => a - b);
}

/**
 * Lists of the ids of jobs that are due, all of whose stays are of this cluster; the oldest first. An id with a row that has no
 * stay in its time is in none: that one may be of a job of another cluster, which had no GPU that is recorded here.
 */
async function idsOfCluster(db: QuestDb, table: NamedTable, cluster: string): Promise<string[]> {
  const due = await db.exec(`SELECT job_id, cast(ts AS LONG) FROM jobs WHERE ${isDue(table)} ORDER BY ts`);
  const stayed = await db.exec(
    `SELECT DISTINCT cast(j.job_id AS STRING), cast(j.ts AS LONG) FROM (SELECT job_id, ts, end_ts FROM jobs WHERE ${isDue(table)}) j` +
      ' JOIN (SELECT job_id, ts, end_ts FROM gpu_ownership) o ON o.job_id = j.job_id' +
      ` WHERE cast(o.ts AS LONG) <= cast(j.end_ts AS LONG) + ${CLOCK_SKEW_US_MAX}` +
      ` AND (o.end_ts IS NULL OR cast(o.end_ts AS LONG) >= cast(j.ts AS LONG) - ${CLOCK_SKEW_US_MAX})`,
    { timeoutMs: UPDATE_TIMEOUT_MS },
  );
  const rowOf = (row: readonly unknown[]): string => JSON.stringify([String(row[0]), Number(row[1])]);
  const withStay = new Set(stayed.rows.map(rowOf));
  const strangers = new Set(due.rows.filter((row) => !withStay.has(rowOf(row))).map(([jobId]) => jobId));
  const stays = await db.exec(
    `SELECT job_id, sum(CASE WHEN cluster = ${quoteText(cluster)} THEN 0 ELSE 1 END) FROM gpu_ownership GROUP BY job_id`,
    { timeoutMs: UPDATE_TIMEOUT_MS },
  );
  const ours = new Set(stays.rows.filter(([, others]) => Number(others) === 0).map(([jobId]) => jobId));
  const isOurs = (jobId: unknown): boolean => ours.has(jobId) && !strangers.has(jobId);
  return idLists(due.rows.filter(([jobId]) => isOurs(jobId)).map(([jobId]) => String(jobId)));
}

/** Nodes that the inventory has known in this cluster (absent: in any), and in no other. */
async function clusterNodes(db: QuestDb, cluster: string | undefined): Promise<string[]> {
  const { rows } = await db.exec(
    'SELECT node, count_distinct(cluster), last_not_null(cluster) FROM gpu_inventory WHERE cluster IS NOT NULL GROUP BY node',
  );
  return rows
    .filter(([, clusters, last]) => cluster === undefined || (Number(clusters) === 1 && last === cluster))
    .map(([node]) => String(node));
}

async function countOf(db: QuestDb, table: string, condition: string): Promise<number> {
  const { rows } = await db.exec(`SELECT count() FROM ${quoteName(table)} WHERE ${condition}`);
  return Number(rows[0]?.[0] ?? 0);
}
