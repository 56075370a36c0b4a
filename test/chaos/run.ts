/**
 * The chaos run: `npm run test:chaos -- --seed 1 --minutes 3`.
 *
 * A collector (synthetic source, 8 GPUs, 10 Hz) writes through a faulty proxy into a real QuestDB, while QuestDB is
 * killed ten times and the collector five times. At the end every tick that the source has witnessed must be in the
 * table exactly once, except one for each kill of the collector, and the collector's own account must add up.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { OperatingError } from '../../src/core/base/errors.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { readLedger } from '../../src/disk/ledger-file.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';
import { startFaultyProxy } from './faulty-proxy.ts';
import { seededRandom } from './random.ts';
import { judge, readWitness, type Found } from './verdict.ts';
import { WITNESSED_COLLECTOR } from './witnessed-collector.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '3' },
    'questdb-kills': { type: 'string', default: '10' },
    'collector-kills': { type: 'string', default: '5' },
    keep: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed);
const runMs = Number(values.minutes) * 60_000;
const REQUEST_TIMEOUT_MS = 2_000;
const RSS_BYTES_MAX = 260e6;

const random = seededRandom(seed);
const directory = mkdtempSync(join(tmpdir(), 'gpuledger-chaos-'));
const witnessFile = join(directory, 'witness');
const stateDir = join(directory, 'state');
const configFile = join(directory, 'gpuledger.yaml');
writeFileSync(
  configFile,
  `source: synthetic
synthetic: { gpus: 8, seed: ${seed} }
state_dir: ${stateDir}
questdb: { request_timeout: ${REQUEST_TIMEOUT_MS}ms }
flush: { interval: 1s }
lanes:
  - { name: chaos, interval: 100ms, fields: [155, 156, 252, 1002] }
log: { format: json }
`,
);

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

say(`chaos: seed ${seed}, ${values.minutes} minutes, in ${directory}`);
const server = await startTestQuestdb();
const proxy = await startFaultyProxy({
  target: () => server.httpUrl,
  random: seededRandom(seed + 1),
  faultRatio: 0.3,
  lateMs: REQUEST_TIMEOUT_MS + 1_000,
});

interface CollectorProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
}

const logFile = createWriteStream(join(directory, 'log'), { flags: 'a' });

function startCollector(): CollectorProcess {
  const child = spawn(process.execPath, [...WITNESSED_COLLECTOR, 'run', '--config', configFile], {
    env: {
      ...process.env,
      QDB_CLIENT_CONF: `http::addr=127.0.0.1:${proxy.port};`,
      GPULEDGER_WITNESS_FILE: witnessFile,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.pipe(logFile, { end: false });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, ended };
}

/** Three seconds of 8 GPUs at 10 Hz. */
const ROWS_BEHIND = 240;
const CATCH_UP_MS = 60_000;

/**
 * Waits until the table has all but the newest ticks. A QuestDB that was killed in the middle of a write may refuse queries
 * ("could not consistently read index header") until it has repaired its files, which was seen to take more than nine seconds.
 */
async function waitForCatchUp(): Promise<void> {
  const endMs = performance.now() + CATCH_UP_MS;
  const db = await openQuestDb(server.conf, { requestTimeoutMs: REQUEST_TIMEOUT_MS });
  while (performance.now() < endMs) {
    await sleep(500);
    try {
      const { rows } = await db.exec('SELECT count() FROM gpu_chaos');
      const witnessed = readWitness(readFileSync(witnessFile, 'latin1'));
      if (Number(rows[0]![0]) >= witnessed.reduce((sum, tick) => sum + tick.rows, 0) - ROWS_BEHIND) break;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError)) throw thrown;
      say(`  not yet: ${thrown.message}`);
    }
  }
  await db.close();
}

let rssBytesMax = 0;
function noteMemory({ child }: CollectorProcess): void {
  try {
    const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'));
    rssBytesMax = Math.max(rssBytesMax, Number(found?.[1] ?? 0) * 1024);
  } catch {
    return; // it was killed just now
  }
}

/** Seeded points in time, not in the first seconds and not in the last ones. */
function timesOf(
  count: number,
  what: 'questdb' | 'collector',
): { atMs: number; what: 'questdb' | 'collector' }[] {
  return Array.from({ length: count }, () => ({ atMs: 5_000 + random() * (runMs - 15_000), what }));
}

const collectorKills = Number(values['collector-kills']);
const kills = [
  ...timesOf(Number(values['questdb-kills']), 'questdb'),
  ...timesOf(collectorKills, 'collector'),
];
kills.sort((a, b) => a.atMs - b.atMs);
let collector = startCollector();
// Whatever goes wrong here, nothing is left running.
process.on('exit', () => collector.child.kill('SIGKILL'));
const startMs = performance.now();
for (const { atMs, what } of kills) {
  while (performance.now() - startMs < atMs) {
    noteMemory(collector);
    await sleep(Math.min(500, Math.max(1, atMs - (performance.now() - startMs))));
  }
  say(`  ${((performance.now() - startMs) / 1000).toFixed(1)} s: kill -9 of ${what}`);
  if (what === 'questdb') {
    await server.kill9();
    await sleep(random() * 3_000);
    await server.restart();
  } else {
    collector.child.kill('SIGKILL');
    await collector.ended;
    collector = startCollector();
  }
}
while (performance.now() - startMs < runMs) {
  noteMemory(collector);
  await sleep(500);
}
noteMemory(collector);
proxy.behave();
say('  the proxy behaves again');
await waitForCatchUp();
say('  the collector is told to stop');
collector.child.kill('SIGTERM');
const exitCode = await collector.ended;

const db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
await waitForVisible(db, 'gpu_chaos');
const { rows } = await db.exec(
  'SELECT fb_used_bytes, count(), count_distinct(gpu) FROM gpu_chaos GROUP BY fb_used_bytes',
);
const found: Found[] = rows.map(([sequence, count, gpus]) => ({
  sequence: Number(sequence),
  rows: Number(count),
  gpus: Number(gpus),
}));
const account = readLedger(realDisk, join(stateDir, 'delivery', 'gpu_chaos', 'account'));
if (account === undefined) throw new Error('the account is gone');
const verdict = judge({
  witnessed: readWitness(readFileSync(witnessFile, 'latin1')),
  found,
  account,
  collectorKills,
});
await db.close();
await proxy.close();
await server.stop();
logFile.end();

const problems = [
  ...verdict.problems,
  ...(exitCode === 0 ? [] : [`the collector ended with ${exitCode}, expected 0`]),
  ...(rssBytesMax <= RSS_BYTES_MAX
    ? []
    : [`resident memory reached ${rssBytesMax} bytes, expected ≤ ${RSS_BYTES_MAX}`]),
];
say(`  fates of requests: ${[...proxy.fates].map(([fate, count]) => `${fate} ${count}`).join(', ')}`);
say(`  ${verdict.text}`);
say(`  resident memory at most ${(rssBytesMax / 1e6).toFixed(0)} MB`);
for (const problem of problems) say(`  FAILED: ${problem}`);
if (problems.length > 0 || values.keep) say(`  everything is in ${directory}`);
else rmSync(directory, { recursive: true });
say(problems.length === 0 ? 'chaos: passed' : `chaos: failed, seed ${seed}`);
process.exitCode = problems.length === 0 ? 0 : 1;
