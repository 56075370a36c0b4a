import type { RunTold } from '../../core/jobs/job-runs.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quotedLists } from '../sql-text.ts';
import { fromIdsSql, type AskedIds } from './asked-ids.ts';

/** A row of `jobs` or of `gpu_ownership`; of `job_figures` where neither has the id. */
export interface Told extends RunTold {
  /** Of a row of `jobs`. */
  readonly record?: JobCells;
  /** Of a row of `gpu_ownership` or `job_figures`. */
  readonly stay?: StayCells;
}

/** What the scheduler told of a run, beside what tells runs apart. */
export interface JobCells {
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly account: string | undefined;
  readonly partition: string | undefined;
  readonly qos: string | undefined;
  /** That it was given. */
  readonly gpus: number | undefined;
  readonly state: string | undefined;
  readonly exitCode: number | undefined;
  readonly arrayJobId: string | undefined;
  readonly arrayTaskId: string | undefined;
  readonly hetJobId: string | undefined;
}

interface StayCells {
  readonly gpu: string;
  readonly node: string;
}

/**
 * All that the store holds under these job ids. An interval of no length only overwrites a start that was corrected: it is
 * left out where there is anything else.
 */
export async function readTold(db: Asked, asked: AskedIds): Promise<Told[]> {
  const read = async (table: string, rowsOf: typeof readStays): Promise<Told[]> =>
    (await Promise.all(fromIdsSql(table, asked).map(async (from) => await rowsOf(db, from)))).flat();
  const [records, owned] = await Promise.all([read('jobs', readRecords), read('gpu_ownership', readStays)]);
  const isUntold = records.length === 0 && owned.length === 0;
  const placed = await withDeviceClusters(db, isUntold ? await read('job_figures', readStays) : owned);
  const owning = placed.filter(({ startUs, endUs = Infinity }) => endUs > startUs);
  const known = new Set([...records, ...owning].map(({ jobId }) => jobId));
  return [...records, ...owning, ...placed.filter(({ jobId }) => !known.has(jobId))];
}

/** @param from of `fromIdsSql` */
async function readRecords(db: Asked, from: string): Promise<Told[]> {
  const rows = await ask(
    db,
    'SELECT t.cluster AS cluster, t.job_id AS job_id, t.run AS run, cast(t.ts AS LONG) AS start_us, cast(t.end_ts AS LONG) AS end_us,' +
      ' cast(t.submit_ts AS LONG) AS submit_us, t.sluid AS sluid, t.name AS name, t."user" AS "user", t.account AS account,' +
      ' t."partition" AS "partition", t.qos AS qos, t.gpus AS gpus, t.state AS state, t.exit_code AS exit_code,' +
      ` t.array_job_id AS array_job_id, t.array_task_id AS array_task_id, t.het_job_id AS het_job_id ${from} ORDER BY t.ts`,
  );
  return rows.map((row): Told => {
    const record = recordOf(row);
    return {
      ...runOf(row),
      submitUs: row.number('submit_us'),
      sluid: knownText(row, 'sluid'),
      user: record.user,
      state: record.state,
      record,
    };
  });
}

async function readStays(db: Asked, from: string): Promise<Told[]> {
  const rows = await ask(
    db,
    'SELECT t.cluster AS cluster, t.job_id AS job_id, t.run AS run, t.node AS node, t.gpu AS gpu, cast(t.ts AS LONG) AS start_us,' +
      ` cast(t.end_ts AS LONG) AS end_us ${from} ORDER BY t.ts`,
  );
  return rows.map((row) => ({
    ...runOf(row),
    stay: { gpu: row.text('gpu') ?? '', node: row.text('node') ?? '' },
  }));
}

/**
 * A device is of one cluster: what a stay does not say, since it was stored before that was told, its device says. A device
 * that moved from one cluster to another says nothing.
 */
async function withDeviceClusters(db: Asked, stays: readonly Told[]): Promise<readonly Told[]> {
  const unplaced = stays.flatMap(({ cluster, stay }) => (cluster === undefined && stay ? [stay.gpu] : []));
  const clusters = new Map<string, string>();
  for (const some of quotedLists([...new Set(unplaced)])) {
    const rows = await ask(
      db,
      'SELECT gpu, last_not_null(cluster) AS cluster, count_distinct(cluster) AS clusters FROM gpu_inventory' +
        ` WHERE gpu IN (${some}) GROUP BY gpu`,
    );
    for (const row of rows)
      if (row.number('clusters') === 1) clusters.set(row.text('gpu') ?? '', row.text('cluster') ?? '');
  }
  return stays.map((one) => {
    const cluster = one.cluster ?? clusters.get(one.stay?.gpu ?? '');
    return cluster === undefined ? one : { ...one, cluster };
  });
}

function runOf(row: Cells): RunTold {
  return {
    cluster: knownText(row, 'cluster'),
    jobId: row.text('job_id') ?? '',
    run: row.number('run'),
    startUs: row.number('start_us')!,
    endUs: row.number('end_us'),
  };
}

function recordOf(row: Cells): JobCells {
  return {
    name: knownText(row, 'name'),
    user: knownText(row, 'user'),
    account: knownText(row, 'account'),
    partition: knownText(row, 'partition'),
    qos: knownText(row, 'qos'),
    gpus: row.number('gpus'),
    state: knownText(row, 'state'),
    exitCode: row.number('exit_code'),
    arrayJobId: knownText(row, 'array_job_id'),
    arrayTaskId: knownText(row, 'array_task_id'),
    hetJobId: knownText(row, 'het_job_id'),
  };
}

function knownText(row: Cells, column: string): string | undefined {
  const text = row.text(column);
  return text === '' ? undefined : text;
}

/** What all rows of `jobs` about one run say together: of two that differ, the one that knows the end, else the later one. */
export function recordTogether(members: readonly Told[]): Partial<JobCells> {
  const records = members
    .filter(({ record }) => record !== undefined)
    .sort((a, b) => Number(a.endUs !== undefined) - Number(b.endUs !== undefined) || a.startUs - b.startUs);
  const cells: Record<string, JobCells[keyof JobCells]> = {};
  for (const { record } of records)
    for (const name of Object.keys(record!) as (keyof JobCells)[])
      if (record![name] !== undefined) cells[name] = record![name];
  return cells;
}
