import { quoteText } from '../../schemas/tables.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { fillQueue } from './fill-queue.ts';
import {
  ACCOUNTS,
  CLUSTERS,
  CUT_NODE,
  CYCLE_HOURS,
  DOWN_OF,
  DRAINED_OF,
  endUsOf,
  FIRST_ID,
  GPUS_PER_NODE,
  HOLE_OF,
  HOUR_US,
  hoursOf,
  INSTANCES,
  JOB_HOURS,
  MODELS,
  USERS,
  type Year,
} from './plan.ts';

/** The rules of `plan.ts` as SQL: `n` a device, `k` an hour. The server fills the store by itself, since a year has nine million rows. */

const WAIT = { timeoutMs: 3600e3 } as const;
const ROWS_AT_ONCE = 1_000_000;
const CYCLE = `(k / ${CYCLE_HOURS})`;
const NODE = `(n / ${GPUS_PER_NODE})`;
const IS_DOWN = `(${NODE} * 131 + ${CYCLE} * 53 + 1) % ${DOWN_OF} = 0`;
const IS_DRAINED = `(${NODE} * 113 + ${CYCLE} * 37 + 1) % ${DRAINED_OF} = 0`;
const GPU = "concat('GPU-', lpad(cast(n AS STRING), 8, '0'))";
const INSTANCE = "concat('MIG-', lpad(cast(n AS STRING), 8, '0'), '-', cast(i AS STRING))";
const IS_CUT = `${NODE} = ${CUT_NODE}`;
/** What jobs of a device have. */
const OF_JOBS = `CASE WHEN ${IS_CUT} THEN replace(${GPU}, 'GPU-', 'MIG-') || '-0' ELSE ${GPU} END`;
const CUT_GPUS = `SELECT ${CUT_NODE * GPUS_PER_NODE} + (x - 1) / ${INSTANCES.length} AS n, (x - 1) % ${INSTANCES.length} AS i FROM long_sequence(${GPUS_PER_NODE * INSTANCES.length})`;

export const yearLane: Lane = {
  ...{ name: 'profiling', table: 'gpu_profiling', schedule: 'continuous', intervalMs: 3600e3 },
  ...{ fields: [1002, 156].map((id) => findField(id)!), capacityTicks: 100 },
};

function pickSql(index: string, values: readonly string[]): string {
  const cases = values.map((value, at) => `WHEN ${index} = ${at} THEN ${quoteText(value)}`);
  return `CASE ${cases.join(' ')} END`;
}

const CLUSTER = pickSql(`${NODE} % ${CLUSTERS.length}`, CLUSTERS);
const MODEL = pickSql(`${NODE} / ${CLUSTERS.length} % ${MODELS.length}`, MODELS);
const NODE_NAME = `concat('n', cast(${NODE} AS STRING))`;
const HOUR_OF_JOB = `(k % ${CYCLE_HOURS})`;

function jobSql(year: Year): string {
  const rank = '((n * 7919) % 1000)';
  const wanted = `CASE WHEN ${rank} < 500 THEN 0 ELSE (${rank} - 500) * ${hoursOf(year)} / 1000 END`;
  const from = `${CYCLE} * ${CYCLE_HOURS}`;
  return (
    `CASE WHEN ${HOUR_OF_JOB} < ${JOB_HOURS} AND ${from} + ${JOB_HOURS} <= ${hoursOf(year)} AND ${from} >= ${wanted} AND NOT ${IS_DOWN} AND NOT ${IS_DRAINED}` +
    ` THEN ${FIRST_ID} + ${CYCLE} * ${year.gpus} + n END`
  );
}

/** @param say hears how far it is */
export async function fillYear(db: QuestDb, year: Year, say: (words: string) => void): Promise<void> {
  await applySchema(db, [yearLane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const { gpus, startUs } = year;
  await db.exec(
    'INSERT INTO gpu_inventory (ts, cluster, node, gpu, gpu_index, model, memory_bytes, source)' +
      ` SELECT ${quoteTime(startUs)}, ${CLUSTER}, ${NODE_NAME}, ${GPU}, n % ${GPUS_PER_NODE}, ${MODEL}, 80000000000, 'nvml'` +
      ` FROM (SELECT x - 1 AS n FROM long_sequence(${gpus}))`,
  );
  const profile = pickSql(
    'i',
    INSTANCES.map((one) => one.profile),
  );
  await db.exec(
    'INSERT INTO gpu_inventory (ts, cluster, node, gpu, gpu_index, model, memory_bytes, parent, gpu_instance, mig_profile, source)' +
      ` SELECT ${quoteTime(startUs)}, ${CLUSTER}, ${NODE_NAME}, ${INSTANCE}, n % ${GPUS_PER_NODE}, ${MODEL}, 6000000000, ${GPU}, i, ${profile}, 'nvml' FROM (${CUT_GPUS})`,
  );
  await fillFacts(db, year);
  const hoursAtOnce = Math.max(1, Math.floor(ROWS_AT_ONCE / gpus));
  for (let hour = 0; hour < hoursOf(year); hour += hoursAtOnce) {
    const hours = Math.min(hoursAtOnce, hoursOf(year) - hour);
    await db.exec(samplesSql(year, hour, hours));
    await db.exec(instanceSamplesSql(year, hour, hours));
    say(`${hour + hours} of ${hoursOf(year)} hours`);
  }
  await fillQueue(db, year);
  await waitForVisible(db, yearLane.table, WAIT);
  await db.exec(figuresSql(year));
  for (const table of ['gpu_inventory', 'jobs', 'gpu_ownership', 'node_states', 'queue_1m', 'job_figures'])
    await waitForVisible(db, table, WAIT);
  say('building rollups');
  await waitForRollups(db, [yearLane], endUsOf(year), WAIT);
}

const COLUMNS = 'ts, cluster, node, gpu, job_id, owners, dt_us, sm_active_ratio';
const IS_SEEN = `NOT ${IS_DOWN} AND (n + k) % ${HOLE_OF} != 0`;
const OWNERS = 'CASE WHEN job IS NULL THEN 0 ELSE 1 END';
const IDLE = `${HOUR_OF_JOB} = 0 OR ${HOUR_OF_JOB} = ${JOB_HOURS - 1} OR ${HOUR_OF_JOB} % 5 = 2`;
const ACTIVE = `CASE WHEN job IS NULL THEN 0.0 WHEN ${IDLE} THEN 0.01 ELSE 0.5 END`;

function tickSql({ startUs }: Year): string {
  return `cast(${startUs} + k * ${HOUR_US} + ${HOUR_US - 1} AS TIMESTAMP), ${CLUSTER}, ${NODE_NAME}`;
}

/** Of GPUs: of one that is cut its energy alone, whoever has its instances. */
function samplesSql(year: Year, firstHour: number, hours: number): string {
  const { gpus } = year;
  const place = `SELECT (x - 1) % ${gpus} AS n, ${firstHour} + (x - 1) / ${gpus} AS k FROM long_sequence(${gpus * hours})`;
  return (
    `INSERT INTO gpu_profiling (${COLUMNS}, energy_joules, energy_rise_joules, energy_rise_dt_us)` +
    ` SELECT ${tickSql(year)}, ${GPU}, CASE WHEN NOT (${IS_CUT}) THEN cast(job AS VARCHAR) END, CASE WHEN NOT (${IS_CUT}) THEN ${OWNERS} END, ${HOUR_US},` +
    ` CASE WHEN NOT (${IS_CUT}) THEN ${ACTIVE} END, 1000000.0 * k, 3600.0 * (200 + 50 * (n % 7)), ${HOUR_US}` +
    ` FROM (SELECT n, k, ${jobSql(year)} AS job FROM (${place})) WHERE ${IS_SEEN}`
  );
}

/** The first instance of each GPU has the jobs of it, the others none. */
function instanceSamplesSql(year: Year, firstHour: number, hours: number): string {
  const place = `SELECT c.n AS n, c.i AS i, h.k AS k FROM (${CUT_GPUS}) c CROSS JOIN (SELECT ${firstHour} + x - 1 AS k FROM long_sequence(${hours})) h`;
  return (
    `INSERT INTO gpu_profiling (${COLUMNS})` +
    ` SELECT ${tickSql(year)}, ${INSTANCE}, cast(job AS VARCHAR), ${OWNERS}, ${HOUR_US}, ${ACTIVE}` +
    ` FROM (SELECT n, i, k, CASE WHEN i = 0 THEN ${jobSql(year)} END AS job FROM (${place})) WHERE ${IS_SEEN}`
  );
}

async function fillFacts(db: QuestDb, year: Year): Promise<void> {
  const { gpus, startUs } = year;
  const cycles = Math.ceil(hoursOf(year) / CYCLE_HOURS);
  const stays = `SELECT n, k, job FROM (SELECT n, k, ${jobSql(year)} AS job FROM (SELECT (x - 1) % ${gpus} AS n, (x - 1) / ${gpus} * ${CYCLE_HOURS} AS k FROM long_sequence(${gpus * cycles}))) WHERE job IS NOT NULL`;
  const from = `${startUs} + k * ${HOUR_US}`;
  // Not up to the hour: a sample at that moment would be the job's.
  const times = `cast(${from} AS TIMESTAMP), cast(${from} + ${JOB_HOURS * HOUR_US - 60e6} AS TIMESTAMP)`;
  await db.exec(
    'INSERT INTO gpu_ownership (ts, end_ts, cluster, job_id, run, node, gpu, source)' +
      ` SELECT ${times}, ${CLUSTER}, cast(job AS VARCHAR), 0, ${NODE_NAME}, ${OF_JOBS}, 'slurm' FROM (${stays})`,
  );
  await db.exec(
    'INSERT INTO jobs (ts, end_ts, cluster, job_id, run, submit_ts, name, "user", account, "partition", qos, nodes, gpus, state, exit_code)' +
      ` SELECT ${times}, ${CLUSTER}, cast(job AS VARCHAR), 0, cast(${from} - (1 + (n * 11 + ${CYCLE} * 3) % 20) * 60000000 AS TIMESTAMP), 'train',` +
      ` concat('user-', cast((n * 17 + ${CYCLE} * 7) % ${USERS} AS STRING)), concat('acc-', cast((n * 31 + ${CYCLE}) % ${ACCOUNTS} AS STRING)), 'gpu', 'normal', 1, 1, 'COMPLETED', 0 FROM (${stays})`,
  );
  const nodes = Math.ceil(gpus / GPUS_PER_NODE);
  const hour = `SELECT (x - 1) % ${nodes} * ${GPUS_PER_NODE} AS n, (x - 1) / ${nodes} AS k FROM long_sequence(${nodes * hoursOf(year)})`;
  const state = `CASE WHEN ${IS_DOWN} THEN 'down' WHEN ${IS_DRAINED} THEN 'drained' ELSE 'up' END`;
  await db.exec(
    'INSERT INTO node_states (ts, end_ts, cluster, node, state, slurm_state, gpus)' +
      ` SELECT cast(${from} AS TIMESTAMP), cast(${from} + ${HOUR_US} AS TIMESTAMP), ${CLUSTER}, ${NODE_NAME}, state, state, ${GPUS_PER_NODE} FROM (SELECT n, k, ${state} AS state FROM (${hour}))`,
  );
}

/** What a resident collector keeps: of each job the hours of it that were seen. */
function figuresSql({ startUs }: Year): string {
  const hourOfJob = `((cast(ts AS LONG) - ${startUs}) / ${HOUR_US} % ${CYCLE_HOURS})`;
  // Causes are by the part of a GPU that an instance is.
  const part = `CASE WHEN gpu LIKE 'MIG-%' THEN ${INSTANCES[0].part} ELSE 1.0 END`;
  const time = (condition: string, us: string): string => `sum(CASE WHEN ${condition} THEN ${us} ELSE 0 END)`;
  const sum = (condition: string): string => time(condition, `${part} * dt_us`);
  const [head, tail, pause] = [`${hourOfJob} = 0`, `${hourOfJob} = ${JOB_HOURS - 1}`, `${hourOfJob} % 5 = 2`];
  const [waiting, low] = [`${hourOfJob} = 4`, `${hourOfJob} = 9`];
  const causes: Readonly<Record<string, string>> = {
    idle_head: sum(head),
    idle_tail: sum(tail),
    pause: sum(pause),
    waiting: sum(waiting),
    low: sum(low),
    effective: sum(`NOT (${[head, tail, pause, waiting, low].join(' OR ')})`),
  };
  const none = ['untold', 'hang', 'device_idle', 'gaps', 'throttled'].map((cause) => `cause_${cause}_us`);
  const names = Object.keys(causes).map((cause) => `cause_${cause}_us`);
  const sums = Object.values(causes).map((sql, at) => `${sql} AS ${names[at]!}`);
  return (
    `INSERT INTO job_figures (ts, end_ts, cluster, node, gpu, job_id, run, share, owned_us, samples, step_count, dt_us, attributed_us, idle_dt_us, causes_origin, causes_cut, written_ts, ${[...names, ...none].join(', ')})` +
    ` SELECT o.ts, o.end_ts, o.cluster, o.node, o.gpu, o.job_id, 0, 1.0, ${JOB_HOURS * HOUR_US}, s.samples, s.samples, s.dt_us, s.dt_us, s.idle_us, 'samples', 0, o.end_ts,` +
    ` ${names.map((name) => `s.${name}`).join(', ')}, ${none.map(() => '0').join(', ')} FROM gpu_ownership o JOIN` +
    ` (SELECT job_id, count() AS samples, sum(dt_us) AS dt_us, ${time([head, tail, pause].join(' OR '), 'dt_us')} AS idle_us, ${sums.join(', ')} FROM gpu_profiling WHERE job_id IS NOT NULL) s ON s.job_id = o.job_id`
  );
}
