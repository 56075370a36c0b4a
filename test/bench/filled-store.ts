import { allTables, createTableSql, keptColumns, quoteName, sampleTable } from '../../schemas/tables.ts';
import { ENERGY_RISE_COLUMN, ENERGY_RISE_DT_COLUMN } from '../../src/core/fields/well-known.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { startBenchServer, type BenchServer } from './bench-server.ts';

/**
 * Devices that are sampled evenly. SQL of them speaks of the device `n`, from 0, and of the tick `k`, from 0: the sample at
 * startUs + (k + 1) · interval.
 */
export interface Fleet {
  readonly lane: Lane;
  readonly gpus: number;
  readonly startUs: number;
  readonly ticks: number;
  /** Of the job that owns device n at tick k; NULL where none does. */
  readonly jobIdSql: string;
}

/** Jobs on the fleet's devices. SQL of them speaks of the number `i` of a stay, from 0; that of a job is that of its first stay. */
export interface Jobs {
  readonly stays: number;
  readonly jobs: number;
  readonly gpuNumberSql: string;
  /** NULL where the stay is none. */
  readonly jobIdSql: string;
  /** Epoch µs. */
  readonly startUsSql: string;
  readonly endUsSql: string;
  /** Tasks of one array have one. */
  readonly submitUsSql: string;
  readonly accountSql: string;
  readonly userSql: string;
  /** NULL where the job is of no array. */
  readonly arrayJobIdSql: string;
  readonly arrayTaskIdSql: string;
}

export interface FilledStore {
  readonly server: BenchServer;
  readonly rows: number;
  /** Writing the rows into the table, and building all rollups over them. */
  readonly fillSeconds: number;
  readonly rollupSeconds: number;
  close(): Promise<void>;
}

const ROWS_PER_STATEMENT = 1_000_000;
const WAIT_MS_MAX = 3600e3;
const FOR_EVER = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
const GPUS_PER_NODE = 8;

/**
 * A store of its own, filled by the server itself, with all rollups complete.
 * @param say hears how far it is
 */
export async function fillStore(
  { lane, gpus, startUs, ticks, jobIdSql }: Fleet,
  jobs: readonly Jobs[],
  say: (words: string) => void,
): Promise<FilledStore> {
  const server = await startBenchServer(600_000);
  const { db } = server;
  const rows = gpus * ticks;
  // Views come afterwards, so that what they cost can be told.
  for (const table of allTables([lane], FOR_EVER)) await db.exec(createTableSql(table));
  const startMs = performance.now();
  const ticksAtOnce = Math.max(1, Math.floor(ROWS_PER_STATEMENT / gpus));
  for (let tick = 0; tick < ticks; tick += ticksAtOnce) {
    const some = Math.min(ticksAtOnce, ticks - tick);
    await db.exec(samplesSql(lane, gpus, startUs, tick, some, jobIdSql));
    say(`${Math.round(((tick + some) * gpus) / 1e5) / 10} of ${Math.round(rows / 1e5) / 10} million rows`);
  }
  await waitForVisible(db, lane.table, { timeoutMs: WAIT_MS_MAX });
  const filledMs = performance.now();
  await writeFacts(db, gpus, startUs, jobs);
  say(`building rollups of ${Math.round(rows / 1e5) / 10} million rows`);
  const viewsMs = performance.now();
  await applySchema(db, [lane], FOR_EVER);
  await waitForRollups(db, [lane], startUs + ticks * lane.intervalMs * 1000, { timeoutMs: WAIT_MS_MAX });
  const rollupSeconds = (performance.now() - viewsMs) / 1000;
  return {
    server,
    rows,
    fillSeconds: (filledMs - startMs) / 1000,
    rollupSeconds,
    close: () => server.close(),
  };
}

/** `GPU-00000007`. */
export function gpuSql(numberSql: string): string {
  return `concat('GPU-', lpad(cast(${numberSql} AS STRING), 8, '0'))`;
}

function nodeSql(numberSql: string): string {
  return `concat('n', cast((${numberSql}) / ${GPUS_PER_NODE} AS STRING))`;
}

function samplesSql(
  lane: Lane,
  gpus: number,
  startUs: number,
  firstTick: number,
  ticks: number,
  jobIdSql: string,
): string {
  const intervalUs = lane.intervalMs * 1000;
  const values: Record<string, string> = {
    ts: 'ts',
    node: nodeSql('n'),
    gpu: gpuSql('n'),
    job_id: 'cast(job AS VARCHAR)',
    owners: 'CASE WHEN job IS NULL THEN 0 ELSE 1 END',
    dt_us: String(intervalUs),
    ...Object.fromEntries(lane.fields.map((field) => [field.column, valueSql(field, intervalUs)])),
    [ENERGY_RISE_COLUMN]: `${intervalUs / 1e6} * (300 + 200 * rnd_double())`,
    [ENERGY_RISE_DT_COLUMN]: String(intervalUs),
  };
  const columns = sampleTable(lane, FOR_EVER).columns.filter(({ name }) => values[name] !== undefined);
  const place = `SELECT x, (x - 1) % ${gpus} AS n, ${firstTick} + (x - 1) / ${gpus} AS k FROM long_sequence(${gpus * ticks})`;
  const ts = `cast(${startUs} + (k + 1) * ${intervalUs} AS TIMESTAMP)`;
  const named = columns.map(({ name }) => quoteName(name)).join(', ');
  return (
    `INSERT INTO ${quoteName(lane.table)} (${named}) SELECT ${columns.map(({ name }) => values[name]!).join(', ')}` +
    ` FROM (SELECT ${ts} AS ts, n, k, ${jobIdSql} AS job FROM (${place}))`
  );
}

/** One sample in twenty is idle; no two are equal, which is the dearest for percentiles. */
function valueSql({ unit, kind }: Lane['fields'][number], intervalUs: number): string {
  if (kind === 'state') return '0.0';
  if (kind === 'counter') return `k * ${(intervalUs / 1e6) * 400}`;
  switch (unit) {
    case 'ratio':
      return 'rnd_double()';
    case 'watts':
      return '300 + 200 * rnd_double()';
    default:
      return '1e9 * rnd_double()';
  }
}

async function writeFacts(db: QuestDb, gpus: number, startUs: number, jobs: readonly Jobs[]): Promise<void> {
  await db.exec(
    'INSERT INTO gpu_inventory (ts, node, gpu, gpu_index, model, memory_bytes, source)' +
      ` SELECT ${quoteTime(startUs)}, ${nodeSql('n')}, ${gpuSql('n')}, n % ${GPUS_PER_NODE}, 'H100', 80000000000, 'nvml'` +
      ` FROM (SELECT x - 1 AS n FROM long_sequence(${gpus}))`,
  );
  for (const { stays, jobs: jobCount, ...sql } of jobs) {
    const times = `cast(${sql.startUsSql} AS TIMESTAMP), cast(${sql.endUsSql} AS TIMESTAMP)`;
    const select = (columns: readonly string[], count: number): string =>
      ` SELECT ${times}, cast(${sql.jobIdSql} AS VARCHAR), 0, ${columns.join(', ')} FROM (SELECT x - 1 AS i FROM long_sequence(${count}))`;
    await db.exec(
      'INSERT INTO gpu_ownership (ts, end_ts, job_id, run, node, gpu, source)' +
        select([nodeSql(sql.gpuNumberSql), gpuSql(sql.gpuNumberSql), "'slurm'"], stays),
    );
    await db.exec(
      'INSERT INTO jobs (ts, end_ts, job_id, run, submit_ts, name, "user", account, "partition", qos, array_job_id, array_task_id, nodes, gpus, state, exit_code)' +
        select(
          [
            `cast(${sql.submitUsSql} AS TIMESTAMP)`,
            "'train'",
            sql.userSql,
            sql.accountSql,
            "'gpu', 'normal'",
            `cast(${sql.arrayJobIdSql} AS VARCHAR), cast(${sql.arrayTaskIdSql} AS VARCHAR)`,
            `1, ${stays / jobCount}, 'COMPLETED', 0`,
          ],
          jobCount,
        ),
    );
  }
  for (const table of ['gpu_ownership', 'gpu_inventory', 'jobs'])
    await waitForVisible(db, table, { timeoutMs: WAIT_MS_MAX });
}

/** What a resident collector keeps of jobs that have ended: of those from the first to the last id, of one device and `jobUs` each. */
export async function keepFigures(
  db: QuestDb,
  firstId: number,
  lastId: number,
  jobUs: number,
): Promise<void> {
  const [sm, power] = [keptColumns('smActive'), keptColumns('power')];
  const watts = 400;
  const values: Readonly<Record<string, string | number>> = {
    ...{ ts: 'ts', end_ts: 'end_ts', node: 'node', gpu: 'gpu', job_id: 'job_id', run: 'run', share: '1.0' },
    ...{ owned_us: jobUs, samples: 22, step_count: 22, dt_us: jobUs, attributed_us: jobUs },
    ...{ [sm.sum]: jobUs / 2, [sm.knownUs]: jobUs, [sm.max]: 1 },
    ...{ [power.sum]: watts * jobUs, [power.knownUs]: jobUs, [power.max]: 500 },
    ...{
      energy_rise_joules: (watts * jobUs) / 1e6,
      energy_rise_dt_us: jobUs,
      power_joules: (watts * jobUs) / 1e6,
    },
    ...{ idle_dt_us: jobUs / 20, last_active_ts: 'end_ts', written_ts: 'end_ts' },
    ...{ causes_origin: "'samples'", causes_cut: 0, cause_effective_us: jobUs / 2, cause_gaps_us: jobUs / 2 },
  };
  await db.exec(
    `INSERT INTO job_figures (${Object.keys(values).join(', ')}) SELECT ${Object.values(values).join(', ')}` +
      ` FROM gpu_ownership WHERE cast(job_id AS LONG) BETWEEN ${firstId} AND ${lastId}`,
  );
  await waitForVisible(db, 'job_figures', { timeoutMs: WAIT_MS_MAX });
}
