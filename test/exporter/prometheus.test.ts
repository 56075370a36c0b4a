/**
 * Goal: what a site has on Prometheus goes on with `gpuledger exporter`. Method: a real Prometheus scrapes the built command, whose rows are in
 * a real QuestDB at the same time; the queries are those of board 12239.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from '../../src/figures/query-cells.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { createFakeEngines } from '../helpers/fake-engines.ts';
import { startExporter, startPrometheus, type PrometheusSeries } from '../helpers/prometheus.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';

function createDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-scraped-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

async function openStore(): Promise<{ db: QuestDb; conf: string }> {
  const server = await startTestQuestdb();
  const db = await openQuestDb(server.conf, { requestTimeoutMs: 30_000 });
  onTestFinished(async () => {
    await db.close();
    await server.stop();
  });
  return { db, conf: server.conf };
}

const textOf = async (address: string): Promise<string> =>
  await (await fetch(`http://${address}/metrics`)).text();

/** As the board has them, its variables filled in. */
const BOARD_12239 = [
  'DCGM_FI_DEV_GPU_TEMP{instance=~"(.+)", gpu=~"(.+)"}',
  'avg(DCGM_FI_DEV_GPU_TEMP{instance=~"(.+)", gpu=~"(.+)"})',
  'DCGM_FI_DEV_POWER_USAGE{instance=~"(.+)", gpu=~"(.+)"}',
  'sum(DCGM_FI_DEV_POWER_USAGE{instance=~"(.+)", gpu=~"(.+)"})',
  'DCGM_FI_DEV_SM_CLOCK{instance=~"(.+)", gpu=~"(.+)"} * 1000000',
  'DCGM_FI_DEV_GPU_UTIL{instance=~"(.+)", gpu=~"(.+)"}',
  'DCGM_FI_DEV_FB_USED{instance=~"(.+)", gpu=~"(.+)"}',
  'DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{instance=~"(.+)", gpu=~"(.+)"}',
];

test('a real Prometheus has the values of the rows in QuestDB, each with the job that the row has', async () => {
  const { db, conf } = await openStore();
  const [jobs, state] = [createDirectory(), createDirectory()];
  const { address } = await startExporter(
    ['--source', 'synthetic', '--gpus', '2', '--hpc-job-mapping-dir', jobs, '--state-dir', state],
    { QDB_CLIENT_CONF: conf, GPULEDGER_FLUSH_INTERVAL: '1s', GPULEDGER_CONFIG: undefined },
  );
  const prometheus = await startPrometheus(address);
  const seen = async (promql: string): Promise<readonly PrometheusSeries[]> => {
    let found: readonly PrometheusSeries[] = [];
    await expect.poll(async () => (found = await prometheus.query(promql)).length).toBeGreaterThan(0);
    return found;
  };
  await seen('DCGM_FI_DEV_POWER_USAGE{gpu="1"}');
  // It begins and ends while Prometheus looks on.
  writeFileSync(join(jobs, '0'), '4217\n');
  await seen('DCGM_FI_DEV_POWER_USAGE{gpu="0",hpc_job="4217"}');
  writeFileSync(join(jobs, '0'), '');
  await expect
    .poll(async () => (await prometheus.query('DCGM_FI_DEV_POWER_USAGE{gpu="0",hpc_job=""}')).length)
    .toBe(1);

  const answers = await Promise.all(BOARD_12239.map(seen));
  expect(answers.map((series) => series.length)).toEqual([2, 1, 2, 1, 2, 2, 2, 2]);

  await seen('sum(count_over_time(DCGM_FI_DEV_POWER_USAGE{gpu="0",hpc_job=""}[10m])) > 5');
  const series = await seen('DCGM_FI_DEV_POWER_USAGE[10m]');
  const rows = async () =>
    await ask(
      db,
      'SELECT cast(ts AS LONG) AS ts_us, gpu, job_id, power_watts FROM gpu_profiling WHERE power_watts IS NOT NULL ORDER BY ts',
    );
  const lastS = Math.max(...series.flatMap(({ values = [] }) => values.map(([atS]) => atS)));
  await expect.poll(async () => (await rows()).at(-1)!.number('ts_us')! / 1e6).toBeGreaterThan(lastS);
  const stored = await rows();
  const scraped = series.flatMap(({ metric, values = [] }) =>
    values.map(([atS, value]) => ({ metric, atS, value })),
  );
  expect(scraped.length).toBeGreaterThan(6);
  for (const { metric, atS, value } of scraped) {
    // The newest at the scrape, in six decimals; a scrape takes a moment.
    const row = stored.findLast(
      (one) =>
        one.text('gpu') === metric['UUID'] &&
        one.number('ts_us')! / 1e6 <= atS + 2 &&
        Number(one.number('power_watts')!.toFixed(6)) === Number(value),
    );
    expect(row, `${atS} ${value}`).toBeDefined();
    expect(atS - row!.number('ts_us')! / 1e6).toBeLessThan(2.5 + 2);
    expect(row!.text('job_id') ?? '').toBe(metric['hpc_job'] ?? '');
  }
  expect(new Set(scraped.map(({ metric }) => metric['hpc_job'] ?? ''))).toEqual(new Set(['', '4217']));
});

/** As `jobstats` 2026 asks, of a job of one minute, and as its Grafana board does. */
const JOBSTATS = [
  `max_over_time(nvidia_gpu_memory_total_bytes{cluster='c1',jobid='4217'}[60s:])`,
  `max_over_time(nvidia_gpu_memory_used_bytes{cluster='c1',jobid='4217'}[60s:])`,
  `avg_over_time((nvidia_gpu_duty_cycle{cluster='c1',jobid='4217'} or (nvidia_gpu_graphics_util_percent{cluster='c1',jobid='4217'} * 100))[60s:])`,
  ...['duty_cycle', 'memory_used_bytes', 'temperature_celsius', 'power_usage_milliwatts'].map(
    (name) => `label_replace(nvidia_gpu_${name}{jobid="4217"}, "shostname", "$1", "instance", "(.*):.*")`,
  ),
];

test("jobstats' questions are answered by the series of its job alone, whole GPUs and MIG instances", async () => {
  const [stat, state] = [createDirectory(), createDirectory()];
  const config = join(state, 'gpuledger.yaml');
  writeFileSync(config, `metrics: { jobstats: true }\njobs: { gpustat_dir: ${stat} }\n`);
  const answersOf = async (file: string, env: Readonly<Record<string, string | undefined>>) => {
    const { address } = await startExporter(
      ['--source', 'synthetic', '--gpus', '2', '-c', '1000', '--state-dir', state, '--config', config],
      { ...env, QDB_CLIENT_CONF: undefined },
    );
    writeFileSync(join(stat, file), '4217 331233\n');
    const prometheus = await startPrometheus(address);
    const lastOf = async (promql: string) => (await prometheus.query(promql)).at(-1)?.metric ?? {};
    await expect.poll(() => lastOf(JOBSTATS[2]!)).toMatchObject({ jobid: '4217', userid: '331233' });
    const answers = await Promise.all(JOBSTATS.map((promql) => prometheus.query(promql)));
    return answers.map((series) =>
      series.map(({ metric, value }) => ({ ...metric, value: Number(value![1]) })),
    );
  };
  const whole = await answersOf('1', {});
  const labels = { cluster: 'c1', ordinal: '1', jobid: '4217', userid: '331233' };
  for (const series of whole) expect(series).toEqual([expect.objectContaining(labels)]);
  const [total, used, , duty] = whole.map(([one]) => one!.value);
  expect(used).toBeGreaterThan(0);
  expect(used).toBeLessThan(total!);
  expect(Number.isInteger(duty) && duty! <= 100).toBe(true);

  rmSync(join(stat, '1'));
  const cut = await answersOf('0.3', { GPULEDGER_SYNTHETIC_MIG: 'true' });
  // A part of a GPU has no duty cycle: the board's first plot is empty, `jobstats` takes the engine.
  expect(cut.map((series) => series.length)).toEqual([1, 1, 1, 0, 1, 1, 1]);
  for (const one of cut.flat()) expect(one).toMatchObject({ ...labels, ordinal: '0', GPU_I_ID: '3' });
});

test('promtool has nothing to say of the metrics of a node of MIG instances and of jobs', async () => {
  const state = createDirectory();
  const { address } = await startExporter(
    [
      ...['--source', 'synthetic', '--gpus', '2', '--collect-interval', '1000', '--state-dir', state],
      ...['--config', emptyConfig(state)],
    ],
    { GPULEDGER_SYNTHETIC_MIG: 'true', QDB_CLIENT_CONF: undefined },
  );
  await expect.poll(async () => await textOf(address)).toContain('DCGM_FI_DEV_POWER_USAGE{');
  const text = await textOf(address);
  expect(text).toMatch(/GPU_I_PROFILE="\w+\.\w+",GPU_I_ID="\d+"/);
  // It judges names by the style of the day, which those of DCGM are not; what it cannot read ends with another code.
  const told = execFileSync('bash', ['-c', 'promtool check metrics 2>&1 || [[ $? == 3 ]]'], {
    input: text,
    encoding: 'utf8',
  });
  const style = /snake_case|should have "_total" suffix|should not include type 'counter'|abbreviated/;
  expect(told.split('\n').filter((line) => line !== '' && !style.test(line))).toEqual([]);
});

function emptyConfig(directory: string): string {
  const path = join(directory, 'empty.yaml');
  writeFileSync(path, '');
  return path;
}

test('an engine that dies leaves no series, and its return brings them back', async () => {
  const engines = createFakeEngines();
  onTestFinished(() => {
    engines.close();
  });
  engines.start('n1:5555');
  const state = createDirectory();
  mkdirSync(join(state, 'jobs'));
  const { address } = await startExporter(
    ['-r', 'n1:5555', '-c', '1000', '--state-dir', state, '--config', emptyConfig(state)],
    { ...engines.env, QDB_CLIENT_CONF: undefined },
  );
  await expect.poll(async () => await textOf(address)).toContain('DCGM_FI_DEV_GPU_TEMP{');
  // Of an engine elsewhere the host is its own.
  expect(await textOf(address)).toContain('hostname="n1"');
  engines.stop('n1:5555');
  await expect.poll(async () => await textOf(address)).toBe('');
  expect((await fetch(`http://${address}/health`)).status).toBe(200);
  engines.start('n1:5555');
  await expect.poll(async () => await textOf(address)).toContain('DCGM_FI_DEV_GPU_TEMP{');
});
