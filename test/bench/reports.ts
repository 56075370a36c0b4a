import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findField } from '../../src/core/fields/find-field.ts';
import { defaultLanes, type Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures, type CapacityQueryOptions } from '../../src/figures/capacity/query.ts';
import { jobsFigures } from '../../src/figures/job/jobs.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { isoMicroseconds, quoteTime } from '../../src/figures/sql-text.ts';
import { fillStore, gpuSql, keepFigures, type FilledStore, type Fleet, type Jobs } from './filled-store.ts';
import { median, type Bench, type Measurement } from './measurement.ts';

/** How long the stores are, as a part of the real ones: for trying the bench itself. */
const PART = Number(process.env['GPULEDGER_BENCH_REPORTS_PART'] ?? 1);
const ROUNDS = 3;
/** What takes longer is measured once; what takes much longer is given up, and its value is that limit. */
const ONCE_SECONDS = 10;
const GIVEN_UP_SECONDS = 120;
const HOUR_US = 3600e6;
const DAY_US = 24 * HOUR_US;
/** Whole days, so that every store begins and ends with a bucket of every rollup, and all of them are over. */
export const END_US = Math.floor((Date.now() * 1000) / DAY_US - 1) * DAY_US;

export const JOB_ID = '9001';
const [profiling] = defaultLanes as [Lane];

const FAST_GPUS = 16;
const FAST_SECONDS_MAX = 1.5;
const LONG_GPUS = 8;
const LONG_SECONDS_MAX = 1;
/** Devices of others for each of the job's. */
const OTHERS = 10;

const YEAR_GPUS = 1000;
/** So that there are as many jobs as two arrays have tasks. */
const YEAR_DAYS_MIN = 30;
const YEAR_SECONDS_MAX = 1;
/** A device has a job for 22 hours, then none for four: 337,000 jobs a year. */
const JOB_HOURS = 22;
const JOB_EVERY_HOURS = 26;
const FIRST_YEAR_ID = 1_000_000;
const ACCOUNTS = 100;
const USERS = 10_000;
const GPUS_OF_JOB = 8;
const ARRAY_TASKS = 10_000;
/** Of one array the figures of its tasks were kept, as a resident collector keeps them; of the other they are in the rollups only. */
const KEPT_ARRAY_ID = '500000';
const ARRAY_ID = '600000';
/** What an account of a fleet needs: rollups of a year of more fields would only make the bench longer. */
const YEAR_FIELDS = [1002, 1004, 1005, 155, 156, 252].map((id) => findField(id)!);

/** A lane with the fields that profiling has by default. */
export function laneEvery(intervalMs: number, fields = profiling.fields): Lane {
  return { ...profiling, intervalMs, fields };
}

const noArray = { arrayJobIdSql: 'null', arrayTaskIdSql: 'null' };

/** One job on the first devices; the others, if any, have one each. */
export function jobOnFirst(gpus: number, all: number, startUs: number): { jobIdSql: string; jobs: Jobs[] } {
  const times = {
    startUsSql: String(startUs),
    submitUsSql: String(startUs),
    endUsSql: String(END_US),
    accountSql: "'physics'",
    userSql: "'ada'",
  };
  const job = { ...times, ...noArray, stays: gpus, jobs: 1, gpuNumberSql: 'i', jobIdSql: `'${JOB_ID}'` };
  const others = {
    ...job,
    stays: all - gpus,
    jobs: all - gpus,
    gpuNumberSql: `i + ${gpus}`,
    jobIdSql: "concat('7', i)",
  };
  return {
    jobIdSql: `CASE WHEN n < ${gpus} THEN '${JOB_ID}' ELSE concat('7', n - ${gpus}) END`,
    jobs: all === gpus ? [job] : [job, others],
  };
}

interface Questions {
  readonly figures: (db: Asked) => Promise<unknown>;
  /** `sum(dt_us)` by GPU of the same samples. */
  readonly plain: (db: Asked) => Promise<unknown>;
}

function say(words: string): void {
  process.stderr.write(`  ${new Date().toISOString().slice(11, 19)} ${words}\n`);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}

/** @returns how long they took; the limit where they took longer. */
async function patientSeconds(db: Asked, figures: Questions['figures']): Promise<number> {
  const startMs = performance.now();
  const isOver = (): boolean => performance.now() - startMs > GIVEN_UP_SECONDS * 1000;
  const exec: Asked['exec'] = async (sql) => {
    if (isOver()) throw new Error('given up');
    return await db.exec(sql);
  };
  try {
    return await seconds(async () => await figures({ where: db.where, exec }));
  } catch (thrown) {
    if (isOver()) return GIVEN_UP_SECONDS;
    throw thrown;
  }
}

/** The figures, turn by turn with the plain sum of the same rows; once warmed up, unless that takes long. */
async function measureFigures(
  name: string,
  secondsMax: number,
  db: Asked,
  { figures, plain }: Questions,
): Promise<Measurement> {
  await plain(db);
  const values: number[] = [];
  const baselines: number[] = [];
  do {
    values.push(await patientSeconds(db, figures));
    baselines.push(await seconds(async () => await plain(db)));
  } while (values.length <= ROUNDS && values[0]! < ONCE_SECONDS);
  const [value, baseline] = [median(values.slice(-ROUNDS)), median(baselines.slice(-ROUNDS))];
  say(
    `${name}: first ${values[0]!.toFixed(2)} s, then ${value.toFixed(2)} s beside ${baseline.toFixed(3)} s`,
  );
  return {
    name,
    value,
    unit: 's',
    baseline,
    goal: { text: `≤ ${secondsMax} s`, isMet: value <= secondsMax },
  };
}

/** `gpuledger report …` from start to end, once, beside the figures alone. */
async function measureCommand(
  figures: Measurement,
  { server }: FilledStore,
  lane: Lane,
  parameters: readonly string[],
): Promise<Measurement> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-bench-'));
  const config = join(directory, 'gpuledger.yaml');
  const fields = lane.fields.map(({ id }) => id).join(', ');
  writeFileSync(
    config,
    `lanes:\n  - { name: ${lane.name}, interval: ${lane.intervalMs}ms, fields: [${fields}] }\n`,
  );
  const env = {
    ...process.env,
    QDB_CLIENT_CONF: server.conf,
    GPULEDGER_CONFIG: config,
    GPULEDGER_QUESTDB_REQUEST_TIMEOUT: '10m',
  };
  try {
    const value = await seconds(async () => {
      const child = spawn(process.execPath, ['bin/gpuledger.js', 'report', ...parameters], {
        env,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const status = await new Promise((resolve) => child.once('close', resolve));
      if (status !== 0) throw new Error(`report ${parameters.join(' ')} ended with ${String(status)}`);
    });
    return {
      name: figures.name.replace('_seconds', '_cli_seconds'),
      value,
      unit: 's',
      baseline: figures.value,
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What the rollups cost, beside what it costs to write the samples. */
function rollupCost(name: string, { rows, fillSeconds, rollupSeconds }: FilledStore): Measurement {
  const perRow = (total: number): number => (total / rows) * 1e6;
  return { name, value: perRow(rollupSeconds), unit: 'µs/row', baseline: perRow(fillSeconds) };
}

/** `report job` of one job, alone or among others. */
async function measureJob(
  name: string,
  secondsMax: number,
  fleet: Omit<Fleet, 'jobIdSql'>,
  gpus: number,
): Promise<Measurement[]> {
  const { lane, startUs, ticks } = fleet;
  say(`${name}: ${fleet.gpus} GPUs, ${((fleet.gpus * ticks) / 1e6).toFixed(2)} million rows`);
  const { jobIdSql, jobs } = jobOnFirst(gpus, fleet.gpus, startUs);
  const store = await fillStore({ ...fleet, jobIdSql }, jobs, say);
  const { db } = store.server;
  const endUs = startUs + ticks * lane.intervalMs * 1000;
  const { rows } = await db.exec(
    `SELECT ${Array.from({ length: gpus }, (_, n) => gpuSql(String(n))).join(', ')}`,
  );
  const names = rows[0]!.map((gpu) => `'${String(gpu)}'`).join(', ');
  const plain = async (): Promise<unknown> =>
    await db.exec(
      `SELECT gpu, sum(dt_us) FROM ${lane.table} WHERE gpu IN (${names}) AND ts > ${quoteTime(startUs)} AND ts <= ${quoteTime(endUs)} GROUP BY gpu`,
    );
  try {
    const figures = await measureFigures(`${name}_seconds`, secondsMax, db, {
      figures: async (asked) => await accountOf(asked, [lane], JOB_ID, { nowUs: Date.now() * 1000 }),
      plain,
    });
    return [
      figures,
      await measureCommand(figures, store, lane, ['job', JOB_ID]),
      rollupCost(`${name}_rollups`, store),
    ];
  } finally {
    await store.close();
  }
}

/** A year of a fleet of which each device has jobs of its own, one sample an hour, which is what is left of any lane in its rollup by hour. */
async function measureYear(): Promise<Measurement[]> {
  const lane = laneEvery(3600e3, YEAR_FIELDS);
  const days = Math.max(YEAR_DAYS_MIN, Math.round(365 * PART));
  const startUs = END_US - days * DAY_US;
  const jobsPerGpu = Math.floor((days * 24) / JOB_EVERY_HOURS);
  const stays = YEAR_GPUS * jobsPerGpu;
  const tasksFrom = stays - 2 * ARRAY_TASKS;
  const turn = `(i / ${YEAR_GPUS})`;
  const jobs: Jobs = {
    stays,
    jobs: stays,
    gpuNumberSql: `i % ${YEAR_GPUS}`,
    jobIdSql: `${FIRST_YEAR_ID} + i`,
    startUsSql: `${startUs} + ${turn} * ${JOB_EVERY_HOURS * HOUR_US}`,
    endUsSql: `${startUs} + ${turn} * ${JOB_EVERY_HOURS * HOUR_US} + ${JOB_HOURS * HOUR_US}`,
    submitUsSql: String(startUs),
    accountSql: `concat('account', i % ${ACCOUNTS})`,
    // All tasks of an array are of one user.
    userSql: `CASE WHEN i < ${tasksFrom} THEN concat('user', i % ${USERS}) ELSE 'ada' END`,
    arrayJobIdSql: `CASE WHEN i >= ${tasksFrom + ARRAY_TASKS} THEN ${ARRAY_ID} WHEN i >= ${tasksFrom} THEN ${KEPT_ARRAY_ID} END`,
    arrayTaskIdSql: `CASE WHEN i >= ${tasksFrom} THEN (i - ${tasksFrom}) % ${ARRAY_TASKS} END`,
  };
  const jobIdSql = `CASE WHEN k % ${JOB_EVERY_HOURS} < ${JOB_HOURS} AND k / ${JOB_EVERY_HOURS} < ${jobsPerGpu} THEN ${FIRST_YEAR_ID} + k / ${JOB_EVERY_HOURS} * ${YEAR_GPUS} + n END`;
  say(`reports_year: ${YEAR_GPUS} GPUs, ${days} days, ${jobs.jobs} jobs`);
  const store = await fillStore({ lane, gpus: YEAR_GPUS, startUs, ticks: days * 24, jobIdSql }, [jobs], say);
  const { db } = store.server;
  const plain = async (): Promise<unknown> =>
    await db.exec(
      `SELECT gpu, sum(dt_us) FROM ${lane.table} WHERE ts > ${quoteTime(startUs)} AND ts <= ${quoteTime(END_US)} GROUP BY gpu`,
    );
  const measured = async (what: string, figures: Questions['figures']): Promise<Measurement> =>
    await measureFigures(`reports_${what}_seconds`, YEAR_SECONDS_MAX, db, { figures, plain });
  const capacity = (rows: Pick<CapacityQueryOptions, 'by' | 'every'>) => async (asked: Asked) =>
    await capacityFigures(asked, [lane], { fromUs: startUs, toUs: END_US, ...rows });
  const array = (id: string) => async (asked: Asked) =>
    await accountOf(asked, [lane], id, { nowUs: Date.now() * 1000 });
  // The time in which the tasks run whose figures were kept: as many jobs, and those that reach into it.
  const turnsFrom = Math.ceil(tasksFrom / YEAR_GPUS);
  const turnUs = (n: number): number => startUs + n * JOB_EVERY_HOURS * HOUR_US;
  const tasksTime = { fromUs: turnUs(turnsFrom), toUs: turnUs(turnsFrom + ARRAY_TASKS / YEAR_GPUS) };
  const jobsTable = async (asked: Asked): Promise<unknown> =>
    await jobsFigures(asked, [lane], {
      ...tasksTime,
      filters: {},
      order: 'wasted',
      nowUs: Date.now() * 1000,
    });
  try {
    const firstKept = FIRST_YEAR_ID + tasksFrom;
    await keepFigures(db, firstKept, firstKept + ARRAY_TASKS - 1, JOB_HOURS * HOUR_US);
    const account = await measured('year_by_account', capacity({ by: 'account' }));
    const monthly = await measured('year_by_account_month', capacity({ by: 'account', every: 'month' }));
    const flags = ['--from', isoMicroseconds(startUs), '--to', isoMicroseconds(END_US)];
    return [
      account,
      await measureCommand(account, store, lane, ['capacity', '--by', 'account', ...flags]),
      monthly,
      await measureCommand(monthly, store, lane, ['capacity', '--by', 'account,month', ...flags]),
      await measured('year_by_user', capacity({ by: 'user' })),
      await measured('array_kept', array(KEPT_ARRAY_ID)),
      await measured('array', array(ARRAY_ID)),
      await measured('jobs', jobsTable),
      rollupCost('reports_year_rollups', store),
    ];
  } finally {
    await store.close();
  }
}

/** The same year of jobs that own eight devices each, as on most fleets: an eighth as many jobs. */
async function measureYearOfNodes(): Promise<Measurement[]> {
  const lane = laneEvery(3600e3, YEAR_FIELDS);
  const days = Math.max(YEAR_DAYS_MIN, Math.round(365 * PART));
  const startUs = END_US - days * DAY_US;
  const turns = Math.floor((days * 24) / JOB_EVERY_HOURS);
  const perTurn = YEAR_GPUS / GPUS_OF_JOB;
  const count = turns * perTurn;
  const startUsSql = `${startUs} + i % ${count} / ${perTurn} * ${JOB_EVERY_HOURS * HOUR_US}`;
  const jobs: Jobs = {
    ...noArray,
    stays: count * GPUS_OF_JOB,
    jobs: count,
    gpuNumberSql: `(i % ${count} % ${perTurn} * ${GPUS_OF_JOB} + i / ${count})`,
    jobIdSql: `${FIRST_YEAR_ID} + i % ${count}`,
    startUsSql,
    endUsSql: `${startUsSql} + ${JOB_HOURS * HOUR_US}`,
    submitUsSql: String(startUs),
    accountSql: `concat('account', i % ${ACCOUNTS})`,
    userSql: `concat('user', i % ${USERS})`,
  };
  const jobIdSql = `CASE WHEN k % ${JOB_EVERY_HOURS} < ${JOB_HOURS} AND k / ${JOB_EVERY_HOURS} < ${turns} THEN ${FIRST_YEAR_ID} + k / ${JOB_EVERY_HOURS} * ${perTurn} + n / ${GPUS_OF_JOB} END`;
  say(`reports_year_of_nodes: ${YEAR_GPUS} GPUs, ${days} days, ${jobs.jobs} jobs`);
  const store = await fillStore({ lane, gpus: YEAR_GPUS, startUs, ticks: days * 24, jobIdSql }, [jobs], say);
  const { db } = store.server;
  const measured = async (
    what: string,
    rows: Pick<CapacityQueryOptions, 'by' | 'every'>,
  ): Promise<Measurement> =>
    await measureFigures(`reports_year_of_nodes_${what}_seconds`, YEAR_SECONDS_MAX, db, {
      figures: async (asked) =>
        await capacityFigures(asked, [lane], { fromUs: startUs, toUs: END_US, ...rows }),
      plain: async () =>
        await db.exec(
          `SELECT gpu, sum(dt_us) FROM ${lane.table} WHERE ts > ${quoteTime(startUs)} AND ts <= ${quoteTime(END_US)} GROUP BY gpu`,
        ),
    });
  try {
    return [
      await measured('by_account', { by: 'account' }),
      await measured('by_account_month', { by: 'account', every: 'month' }),
      await measured('by_user', { by: 'user' }),
    ];
  } finally {
    await store.close();
  }
}

async function measure(): Promise<Measurement[]> {
  const hours = Math.max(1, Math.round(24 * PART));
  const days = Math.max(1, Math.round(30 * PART));
  const fast = { lane: laneEvery(100), startUs: END_US - hours * HOUR_US, ticks: hours * 36_000 };
  const long = { lane: laneEvery(10_000), startUs: END_US - days * DAY_US, ticks: days * 8_640 };
  return [
    ...(await measureJob('reports_job_100ms', FAST_SECONDS_MAX, { ...fast, gpus: FAST_GPUS }, FAST_GPUS)),
    ...(await measureJob('reports_job_10s', LONG_SECONDS_MAX, { ...long, gpus: LONG_GPUS }, LONG_GPUS)),
    ...(await measureJob(
      'reports_job_among_others',
      LONG_SECONDS_MAX,
      { ...long, gpus: LONG_GPUS * (1 + OTHERS) },
      LONG_GPUS,
    )),
    ...(await measureYear()),
    ...(await measureYearOfNodes()),
  ];
}

export const reportsBench: Bench = {
  name: 'reports',
  about: 'report job and report capacity of large stores, beside a plain sum of the same samples by GPU',
  measure,
};
