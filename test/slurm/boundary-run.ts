/**
 * The boundary run: a real Slurm, our hooks, the collector at 100 ms, a real QuestDB; then every stored sample is held
 * against what Slurm's own log and the jobs themselves say. Needs root and Debian's Slurm packages (installed by the
 * testbed where they are missing). `npm run test:slurm`.
 */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCollector } from '../../src/collector/collector.ts';
import type { Device } from '../../src/core/devices/device.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import { loadJobInputs } from '../../src/ownership/open-inputs.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { startServer } from '../../src/server/server.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { timestampUs } from '../../schemas/questdb-reply.ts';
import { startCluster, type Cluster } from './cluster.ts';
import { compare, compareShares, type LabelledSample, type ShareVerdict, type Verdict } from './compare.ts';
import { runHarmless } from './harmless-run.ts';
import { runLoad } from './load-run.ts';
import { marginsOf } from './margins.ts';
import { runReplies } from './replies-run.ts';
import { readTruth, type TrueStay } from './truth.ts';
import { runTwoClusters } from './two-clusters.ts';
import { runShardJobs, runWholeGpuJobs } from './workload.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const FLUSH_EVERY_MS = 5_000;
/** The jobs of this run are shorter than a real collector's second. */
const READ_JOBS_EVERY_MS = 200;
const SHARDS_OF_GPU = 4;
/** A busy machine's scontrol answers after the end of a short job. */
const SHARES_RIGHT_MIN = 8;
/** From here on the first cluster only waits for jobs that ran into their time limit, and for requeued ones. */
const QUIET_AFTER_MS = 80_000;

interface Outcome {
  readonly verdict: Verdict;
  readonly stays: readonly TrueStay[];
  readonly intervals: readonly Interval[];
}

async function oneRun(
  name: string,
  directory: string,
  db: QuestDb,
  options: readonly string[],
  work: (cluster: Cluster) => Promise<number>,
): Promise<Outcome> {
  const startMs = performance.now();
  const cluster = await startCluster(directory, options);
  try {
    const { devices, jobs, notices } = await collectWhile(name, db, cluster, work);
    const stays = readTruth(cluster.controllerLog, cluster.truthDir);
    const intervals = await readIntervals(db, new Set(devices.map((device) => device.uuid)));
    const samples = await readSamples(db, `gpu_${name}`, devices, intervals);
    const verdict = compare(samples, stays);
    say(`\n${name}: ${jobs} jobs, ${stays.length} stays of a job on a node, ${elapsed(startMs)}`);
    report(verdict, stays, intervals, devices);
    tellRecords(verdict, cluster.journalDir);
    const late = notices.filter((notice) => notice.code === 'lane.late').length;
    if (late > 0) say(`  ${late} times a tick was late: this machine was short of CPU`);
    for (const notice of notices) {
      if (!['debug', 'info'].includes(notice.level) && notice.code !== 'lane.late')
        say(`  ${notice.level}: ${notice.sentence}`);
    }
    return { verdict, stays, intervals };
  } finally {
    await cluster.stop();
  }
}

async function collectWhile(
  name: string,
  db: QuestDb,
  cluster: Cluster,
  work: (cluster: Cluster) => Promise<number>,
): Promise<{ devices: readonly Device[]; jobs: number; notices: Notice[] }> {
  const lane: Lane = {
    name,
    table: `gpu_${name}`,
    schedule: 'continuous',
    intervalMs: 100,
    fields: [1002, 155].map((id) => findField(id)!),
    capacityTicks: 4_000,
  };
  const retention = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };
  const notices: Notice[] = [];
  const seed = name.length;
  const scenario = {
    kind: 'steady',
    seed,
    nodes: 2,
    gpusPerNode: 8,
    startUs: 0,
    nodeNames: cluster.nodes,
  } as const;
  const collector = await openCollector({
    lanes: [lane],
    source: { name: 'synthetic', scenario },
    clock: { kind: 'real' },
    jobInputs: await loadJobInputs({ journalDir: cluster.journalDir }),
    db,
    prepareStore: async () => {
      await applySchema(db, [lane], retention);
    },
    batchRows: 10_000,
    tell: (notice) => notices.push(notice),
  });
  let flushing: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    flushing ??= collector.flush().finally(() => (flushing = undefined));
  }, FLUSH_EVERY_MS);
  const reading = setInterval(() => {
    collector.refreshJobs();
  }, READ_JOBS_EVERY_MS);
  const jobs = await work(cluster);
  clearInterval(timer);
  clearInterval(reading);
  await collector.stopSampling(2_000);
  await flushing;
  if (!(await collector.flush())) throw new Error('the last flush was not acknowledged');
  collector.close();
  return { devices: collector.devices, jobs, notices };
}

async function readIntervals(db: QuestDb, gpus: ReadonlySet<string>): Promise<Interval[]> {
  await waitForVisible(db, 'gpu_ownership');
  const { rows } = await db.exec(
    'SELECT ts, end_ts, node, gpu, job_id, run, share, source FROM gpu_ownership',
  );
  return rows
    .map(([ts, end, node, gpu, jobId, run, share, source]) => ({
      startUs: timestampUs(ts),
      endUs: end === null ? Infinity : timestampUs(end),
      node: String(node),
      gpu: String(gpu),
      jobId: String(jobId),
      run: Number(run),
      share: share === null ? NaN : Number(share),
      source: String(source),
    }))
    .filter((interval) => gpus.has(interval.gpu) && interval.endUs > interval.startUs);
}

async function readSamples(
  db: QuestDb,
  table: string,
  devices: readonly Device[],
  intervals: readonly Interval[],
): Promise<LabelledSample[]> {
  await waitForVisible(db, table);
  const byGpu = new Map(devices.map((device) => [device.uuid, device]));
  const owned = Map.groupBy(intervals, (interval) => interval.gpu);
  const { rows } = await db.exec(`SELECT ts, gpu, job_id, owners FROM ${table}`);
  return (rows as [string, string, string | null, number][]).map(([ts, gpu, jobId, owners]) => {
    const { node, index } = byGpu.get(gpu)!;
    const tsUs = timestampUs(ts);
    const byTable = (owned.get(gpu) ?? []).filter((one) => one.startUs < tsUs && tsUs <= one.endUs);
    return {
      node,
      index,
      tsUs,
      jobId,
      owners,
      byTable,
    };
  });
}

function report(
  verdict: Verdict,
  stays: readonly TrueStay[],
  intervals: readonly Interval[],
  devices: readonly Device[],
): void {
  const { samples, innerRight, marginLabelled, marginUnlabelled, freeUnlabelled } = verdict;
  const { outsideLabelled, innerWrong, disagreeing } = verdict;
  const rows: [string, number][] = [
    ['samples', samples],
    ['inside a job, labelled with it', innerRight],
    ['between allocation and epilog, labelled', marginLabelled],
    ['between allocation and epilog, unlabelled', marginUnlabelled],
    ['of no job, unlabelled', freeUnlabelled],
    ['inside a job without its label (0)', innerWrong.length],
    ['labelled outside the allocation (0)', outsideLabelled.length],
    ['label and gpu_ownership differ (0)', disagreeing.length],
  ];
  for (const [what, count] of rows) say(`  ${what.padEnd(44)}${String(count).padStart(8)}`);
  for (const lines of [innerWrong, outsideLabelled, disagreeing]) {
    for (const line of lines.slice(0, 10)) say(`  ! ${line}`);
  }
  for (const line of marginsOf(stays, intervals, devices)) say(`  ${line}`);
}

function tellShares({ right, unknown, wrong }: ShareVerdict): void {
  say(`  ${'shares that are the shards Slurm gave'.padEnd(44)}${String(right).padStart(8)}`);
  say(`  ${'unknown: the job had ended before'.padEnd(44)}${String(unknown).padStart(8)}`);
  say(`  ${'another share than Slurm gave (0)'.padEnd(44)}${String(wrong.length).padStart(8)}`);
  for (const line of wrong.slice(0, 10)) say(`  ! ${line}`);
}

/** A job whose prolog left no record ran into the hook's time limit, or slurmd never ran the hook. */
function tellRecords(verdict: Verdict, journalDir: string): void {
  const names = readdirSync(journalDir);
  const jobs = new Set(verdict.innerWrong.map((line) => /runs (\d+)/.exec(line)?.[1]));
  for (const job of jobs) {
    const own = names.filter((name) => name.startsWith(`${job}.`) || name.startsWith(`.${job}.`));
    say(`  records of job ${job}: ${own.join(' ')}`);
  }
}

function elapsed(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}

/** In a cluster and a store of its own, while the other one waits for its requeued jobs: a report reads all lanes that a store has. */
async function harmless(directory: string): Promise<{ lines: string[]; faults: string[] }> {
  await sleep(QUIET_AFTER_MS);
  const cluster = await startCluster(directory, [], 1);
  const server = await startServer({ dataDir: join(directory, 'questdb'), life: 'private', ports: 'free' });
  const lines: string[] = [];
  try {
    const faults = await runHarmless(cluster, cluster.hookDir, (line) => lines.push(line));
    lines.push('what squeue and scontrol say');
    faults.push(...(await runReplies(cluster, (line) => lines.push(line))));
    lines.push('what sinfo and squeue say of the cluster');
    const db = await openQuestDb(server.clientConf, { requestTimeoutMs: 30_000 });
    try {
      faults.push(...(await runLoad(cluster, db, (line) => lines.push(line))));
    } finally {
      await db.close();
    }
    return { lines, faults };
  } finally {
    await server.stop();
    await cluster.stop();
  }
}

async function main(): Promise<number> {
  const startMs = performance.now();
  // Unix sockets under it: the path has to be short.
  const directory = await mkdtemp(join(tmpdir(), 'gl-'));
  const server = await startServer({ dataDir: join(directory, 'questdb'), life: 'private', ports: 'free' });
  const db = await openQuestDb(server.clientConf, { requestTimeoutMs: 30_000 });
  try {
    const [whole, harms] = await Promise.all([
      oneRun('whole', join(directory, 'w'), db, [], runWholeGpuJobs),
      harmless(join(directory, 'h')),
    ]);
    const shards = await oneRun(
      'shards',
      join(directory, 's'),
      db,
      ['--shards', String(SHARDS_OF_GPU)],
      runShardJobs,
    );
    const shares = compareShares(shards.intervals, shards.stays, SHARDS_OF_GPU);
    tellShares(shares);
    const clusters = await runTwoClusters(join(directory, 't'), db, say);
    say('\nhooks under every harm');
    for (const line of [...harms.lines, ...harms.faults.map((fault) => `  ! ${fault}`)]) say(line);
    const wrong = [whole, shards].flatMap(({ verdict }) => [
      ...verdict.outsideLabelled,
      ...verdict.innerWrong,
      ...verdict.disagreeing,
    ]);
    wrong.push(...shares.wrong);
    const isProof =
      whole.verdict.innerRight > 500 && shards.verdict.innerRight > 100 && shares.right >= SHARES_RIGHT_MIN;
    if (!isProof) say('\ntoo few samples lay inside jobs: this run proves nothing');
    const isGood = [...wrong, ...clusters, ...harms.faults].length === 0 && isProof;
    say(`\n${isGood ? 'every label is right, and no hook did harm' : 'FAILED'}, ${elapsed(startMs)}`);
    return isGood ? 0 : 1;
  } finally {
    await db.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

process.exitCode = await main();
