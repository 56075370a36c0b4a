import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DrainSummary } from '../../src/drain/drain.ts';
import { createFakeEngines, type FakeEngines } from '../helpers/fake-engines.ts';
import { FORTY_FIELDS } from '../helpers/lanes.ts';
import { startBenchServer } from './bench-server.ts';
import { interleave, type Bench, type Measurement } from './measurement.ts';

const ENGINES = Number(process.env['GPULEDGER_BENCH_ENGINES'] ?? 200);
const GPUS = 8;
const MINUTE_US = 60_000_000;
/** A pull of a minute of one node, 40 fields a second, costs the real client library 80 to 90 ms of CPU (docs/sources.md). */
const LIBRARY_MS = 85;
const RECORD_NS = Math.round((LIBRARY_MS * 1e6) / (GPUS * FORTY_FIELDS.length * 60));
const HANGING = Math.round(ENGINES / 20);
const ROUNDS = 7;
const UP_TO_DATE_MS_MAX = 400;
const FLEET_SECONDS_MAX = 45;
const OWN_SHARE_MAX = 1 / 3;
const PSS_MB_MAX = 300;

interface Finished {
  readonly seconds: number;
  /** Of the command and all processes that it started, without what the play of the engines cost. */
  readonly cpuSeconds: number;
  /** Of it, what the client library burnt. */
  readonly librarySeconds: number;
  /** Peak of the sum of the proportional set sizes, MB of 10⁶ bytes. */
  readonly pssMegabytes: number;
  readonly summary: DrainSummary;
}

/** Runs the built command, and measures it and its processes. */
async function drain(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Finished> {
  const spent = mkdtempSync(join(tmpdir(), 'gpuledger-cpu-'));
  const line = `TIMEFORMAT='%R %U %S'; time "$0" "$@"`;
  const child = spawn(
    'bash',
    ['-c', line, process.execPath, 'bin/gpuledger.js', 'drain', ...args, '--json'],
    {
      env: { ...process.env, ...env, GPULEDGER_FAKE_CPU: spent },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  let pssMegabytes = 0;
  const timer = setInterval(() => {
    pssMegabytes = Math.max(pssMegabytes, pssOf(child.pid!));
  }, 1_000);
  await new Promise((resolve) => child.once('close', resolve));
  clearInterval(timer);
  const times = /([\d.]+) ([\d.]+) ([\d.]+)\s*$/.exec(stderr);
  if (times === null || stdout === '') throw new Error(`drain ended without a summary: ${stderr}`);
  const [seconds, user, system] = times.slice(1).map(Number) as [number, number, number];
  const [librarySeconds, engineSeconds] = readSpent(spent);
  const cpuSeconds = user + system - engineSeconds;
  return {
    seconds,
    cpuSeconds,
    librarySeconds,
    pssMegabytes,
    summary: JSON.parse(stdout) as DrainSummary,
  };
}

/** What every process left of the CPU that it spent inside the library, and on playing engines, in seconds. */
function readSpent(directory: string): [number, number] {
  const told = readdirSync(directory).map((name) =>
    readFileSync(join(directory, name), 'utf8').split(' ').map(Number),
  );
  rmSync(directory, { recursive: true });
  const sum = (at: number): number => told.reduce((total, numbers) => total + numbers[at]!, 0) / 1e9;
  return [sum(0), sum(1)];
}

/** Of a process's descendants: the shell that measures is not counted. */
function pssOf(pid: number): number {
  let kilobytes = 0;
  const add = (parent: number): void => {
    for (const child of childrenOf(parent)) {
      kilobytes += Number(/^Pss: +(\d+)/m.exec(readOr(`/proc/${child}/smaps_rollup`))?.[1] ?? 0);
      add(child);
    }
  };
  add(pid);
  return (kilobytes * 1024) / 1e6;
}

function childrenOf(pid: number): number[] {
  const tasks = ((): string[] => {
    try {
      return readdirSync(`/proc/${pid}/task`);
    } catch {
      return []; // it has ended since
    }
  })();
  return tasks
    .flatMap((task) => readOr(`/proc/${pid}/task/${task}/children`).split(' '))
    .filter(Boolean)
    .map(Number);
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended since
  }
}

function configIn(engines: FakeEngines): string {
  const file = join(engines.directory, 'gpuledger.yaml');
  writeFileSync(
    file,
    `lanes:\n  - {name: profiling, interval: 1s, fields: [${FORTY_FIELDS.join(', ')}]}\njobs: {journal_dir: ${engines.directory}/none}\n`,
  );
  return file;
}

async function measureUpToDate(): Promise<Measurement[]> {
  const server = await startBenchServer();
  const engines = createFakeEngines();
  try {
    const env = { ...engines.env, QDB_CLIENT_CONF: server.conf };
    const args = ['--config', configIn(engines), '-r', 'gpu1:5555'];
    engines.start('gpu1:5555', { serial: 1, gpus: GPUS });
    await drain(args, env);
    engines.backdate('gpu1:5555', MINUTE_US);
    await drain(args, env);
    const empty = join(engines.directory, 'empty.mjs');
    writeFileSync(empty, '');
    const timeOf = async (command: readonly string[]): Promise<number> => {
      const startMs = performance.now();
      const child = spawn(process.execPath, command, { env: { ...process.env, ...env }, stdio: 'ignore' });
      await new Promise((resolve) => child.once('close', resolve));
      return performance.now() - startMs;
    };
    const times = await interleave(
      ROUNDS,
      () => timeOf(['bin/gpuledger.js', 'drain', ...args]),
      () => timeOf([empty]),
    );
    const isMet = times.value - times.baseline <= UP_TO_DATE_MS_MAX;
    const goal = { text: `≤ ${UP_TO_DATE_MS_MAX} ms beyond node`, isMet };
    return [{ name: 'drain_up_to_date_ms', ...times, unit: 'ms', goal }];
  } finally {
    engines.close();
    await server.close();
  }
}

async function measureFleet(): Promise<Measurement[]> {
  const server = await startBenchServer();
  const engines = createFakeEngines();
  try {
    const env = { ...engines.env, QDB_CLIENT_CONF: server.conf };
    const names = Array.from({ length: ENGINES }, (_, index) => `gpu${index + 1}:5555`);
    const list = join(engines.directory, 'engines.txt');
    writeFileSync(list, names.join('\n'));
    for (const [index, name] of names.entries()) engines.start(name, { serial: index + 1, gpus: GPUS });
    const args = ['--config', configIn(engines), '--engines', list, '--deadline', '9m'];
    await drain(args, env);
    for (const name of names) {
      engines.backdate(name, MINUTE_US);
      engines.set(name, 'burn_record_ns', RECORD_NS);
    }
    // A minute of each engine, whenever its turn comes: what goes back further is read by another call.
    const minute = [...args, '--window', '60s'];
    const whole = await drain(minute, env);
    for (const name of names.slice(0, HANGING)) {
      engines.set(name, 'hang_ms', 60_000);
      engines.set(name, 'hung', 1);
    }
    for (const name of names.slice(HANGING, 2 * HANGING)) engines.stop(name);
    const broken = await drain(minute, env);
    process.stderr.write(
      `${describe('all engines', whole)}\n${describe(`${HANGING} hang, ${HANGING} refuse`, broken)}\n`,
    );
    const ownShare = 1 - whole.librarySeconds / whole.cpuSeconds;
    return [
      figure('drain_fleet_seconds', whole.seconds, 's', whole.librarySeconds, FLEET_SECONDS_MAX),
      figure('drain_fleet_own_cpu_share', ownShare, '', 1, OWN_SHARE_MAX),
      figure('drain_fleet_pss_mb', whole.pssMegabytes, 'MB', 11, PSS_MB_MAX),
      {
        name: 'drain_fleet_rows_per_second',
        value: whole.summary.rows / whole.seconds,
        unit: '1/s',
        baseline: 1,
      },
      { name: 'drain_fleet_broken_seconds', value: broken.seconds, unit: 's', baseline: whole.seconds },
    ];
  } finally {
    engines.close();
    await server.close();
  }
}

function figure(name: string, value: number, unit: string, baseline: number, most: number): Measurement {
  const text = `≤ ${most < 1 ? most.toFixed(2) : most} ${unit}`.trim();
  return { name, value, unit, baseline, goal: { text, isMet: value <= most } };
}

function describe(what: string, finished: Finished): string {
  const { seconds, cpuSeconds, librarySeconds, pssMegabytes, summary } = finished;
  const { drained, failed } = summary.engines;
  return `${what}: ${drained} drained, ${failed} failed, ${summary.rows} rows in ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU (${librarySeconds.toFixed(1)} s the library's), ${pssMegabytes.toFixed(0)} MB`;
}

export const drainBench: Bench = {
  name: 'drain',
  about: 'an up-to-date drain of one engine from start to end, against node on an empty file',
  measure: measureUpToDate,
};

export const drainFleetBench: Bench = {
  name: 'drain-fleet',
  about: `${ENGINES} engines x ${GPUS} GPUs x 60 s x ${FORTY_FIELDS.length} fields, against what the client library alone burns`,
  measure: measureFleet,
};
