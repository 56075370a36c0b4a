/**
 * Goal: what a job does on its node comes from its cgroup into `report job`, by the commands that people type. Method: `run` with made-up
 * GPUs and a made-up cgroup, in which somebody counts meanwhile, into a real QuestDB.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { jobReport } from '../../schemas/reports/job-report.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { writeV2 } from '../helpers/made-cgroups.ts';
import { ROOT, runCommand } from '../helpers/run-process.ts';

const JOB = `16${process.pid}`;
const CORES = 2;

test('run, then report job', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-host-jobs-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  const [root, jobMap] = ['cgroup', 'job-map'].map((name) => join(directory, name)) as [string, string];
  mkdirSync(jobMap);
  const node = `host-jobs-${process.pid}`;
  writeFileSync(
    join(directory, 'gpuledger.yaml'),
    `source: synthetic
node: ${node}
synthetic: { gpus: 1 }
state_dir: state
flush: { interval: 1s }
jobs: { hpc_job_mapping_dir: job-map }
host: { interval: 1s, cgroup_root: cgroup }
lanes: [{ name: host_jobs_${process.pid}, interval: 100ms, fields: [1001, 1002] }]
`,
  );
  const env = {
    QDB_CLIENT_CONF: inject('questdbConf'),
    GPULEDGER_CONFIG: join(directory, 'gpuledger.yaml'),
  };
  const counting = count(root);
  onTestFinished(counting);
  writeFileSync(join(jobMap, '0'), `${JOB}\n`);
  const run = spawn(process.execPath, [join(ROOT, 'bin/gpuledger.js'), 'run', '--force'], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  const ended = once(run, 'close');
  onTestFinished(async () => {
    run.kill('SIGKILL');
    await ended;
  });

  const db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  onTestFinished(() => db.close());
  const countOf = async (sql: string): Promise<number> =>
    Number((await db.exec(`SELECT count() FROM ${sql}`)).rows[0]?.[0]);
  await expect.poll(() => countOf(`host_jobs WHERE job_id = '${JOB}'`)).toBeGreaterThanOrEqual(3);
  rmSync(join(jobMap, '0'));
  await expect.poll(() => countOf(`gpu_ownership WHERE job_id = '${JOB}' AND end_ts IS NOT NULL`)).toBe(1);
  run.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);

  const json = await runCommand(['report', 'job', JOB, '--json'], { env });
  const { host, isOpen } = jobReport.parse(JSON.parse(json.stdout));
  expect(isOpen).toBe(false);
  expect(host).toMatchObject({ nodes: 1, memoryPeakBytes: 3 * 2 ** 30, writeBytesPerSecond: 0 });
  // Somebody counts ten times a second, or less often where others work: more than that is not known of the true values.
  expect(host!.cpuCores).toBeGreaterThan(0);
  expect(host!.ioWaitRatio).toBeGreaterThan(0);
  expect(host!.cpuCores! / host!.ioWaitRatio!).toBeGreaterThan(CORES);
  expect(host!.readBytesPerSecond).toBeGreaterThan(0);
  const text = await runCommand(['report', 'job', JOB], { env });
  expect(text.stdout).toMatch(
    /^ {2}host: [\d.]+ CPU cores busy \(at most [\d.]+\) · waits for storage \d+/mu,
  );
});

/** Two CPUs compute, some process waits for storage half of the time, and reads. @returns what stops it */
function count(root: string): () => void {
  const startMs = performance.now();
  const write = (): void => {
    const us = Math.round((performance.now() - startMs) * 1000);
    writeV2(root, `system.slice/slurmstepd.scope/job_${JOB}`, {
      ...{ cpuUs: CORES * us, ioWaitUs: Math.round(us / 2), readBytes: us, memoryBytes: 3 * 2 ** 30 },
    });
  };
  write();
  const timer = setInterval(write, 100);
  return () => {
    clearInterval(timer);
  };
}
