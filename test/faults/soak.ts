/**
 * A long soak: `node test/faults/soak.ts --minutes 60 --outage-minutes 5`.
 *
 * A resident collector (synthetic source, 8 GPUs, 100 ms) writes into a real QuestDB, which is away in the middle of it. Memory and
 * descriptors of the collector are printed all the while. At the end each sample must be in the table once, and neither may have grown.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { realDisk } from '../../src/disk/disk.ts';
import { readLedger } from '../../src/disk/ledger-file.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { startTestQuestdb } from '../helpers/questdb.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    'outage-minutes': { type: 'string', default: '5' },
    keep: { type: 'boolean', default: false },
  },
});
const runMs = Number(values.minutes) * 60_000;
const outageMs = Number(values['outage-minutes']) * 60_000;
const LOOK_EVERY_MS = Math.min(30_000, runMs / 20);
/** Memory of the last quarter may be so many times that of the quarter before the outage. */
const GROWTH_MAX = 1.15;

interface Look {
  readonly atMs: number;
  readonly rssBytes: number;
  readonly descriptors: number;
}

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-soak-'));
const stateDir = join(directory, 'state');
const configFile = join(directory, 'gpuledger.yaml');
writeFileSync(
  configFile,
  `source: synthetic
synthetic: { gpus: 8 }
state_dir: ${stateDir}
flush: { interval: 1s }
lanes:
  - { name: profiling, interval: 100ms, fields: [1001, 1002, 1003, 1004, 1005, 1009, 1010, 155, 156, 252, 100] }
log: { format: json }
`,
);
const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
say(`soak: ${values.minutes} minutes, QuestDB away for ${values['outage-minutes']} of them, in ${directory}`);
const server = await startTestQuestdb();
const child = spawn(process.execPath, ['bin/gpuledger.js', 'run', '--config', configFile], {
  env: { ...process.env, QDB_CLIENT_CONF: server.conf },
  stdio: ['ignore', 'ignore', 'pipe'],
});
// Whatever goes wrong here, nothing is left running.
process.on('exit', () => child.kill('SIGKILL'));
child.stderr.pipe(createWriteStream(join(directory, 'log')));
const ended = once(child, 'close').then(([code]) => code as number | null);

const startMs = performance.now();
const sinceStart = (): number => performance.now() - startMs;

function look(): Look {
  const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'latin1'));
  const descriptors = readdirSync(`/proc/${child.pid}/fd`).length;
  return { atMs: sinceStart(), rssBytes: Number(rss![1]) * 1024, descriptors };
}

const looks: Look[] = [];
async function lookUntil(untilMs: number): Promise<void> {
  while (sinceStart() < untilMs) {
    await sleep(Math.max(1, Math.min(LOOK_EVERY_MS, untilMs - sinceStart())));
    const one = look();
    looks.push(one);
    say(
      `  ${(one.atMs / 60_000).toFixed(1).padStart(6)} min  ${(one.rssBytes / 1e6).toFixed(0).padStart(4)} MB  ${String(one.descriptors).padStart(3)} descriptors`,
    );
  }
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;

const outageFromMs = (runMs - outageMs) / 2;
await lookUntil(outageFromMs);
say('  QuestDB is killed');
await server.kill9();
await lookUntil(outageFromMs + outageMs);
await server.restart();
say('  QuestDB is back');
await lookUntil(runMs);
child.kill('SIGTERM');
const exitCode = await ended;

const before = looks.filter(({ atMs }) => atMs > outageFromMs / 2 && atMs < outageFromMs);
const after = looks.filter(({ atMs }) => atMs > runMs - (runMs - outageMs - outageFromMs) / 2);
const [rssBefore, rssAfter] = [before, after].map((some) => median(some.map(({ rssBytes }) => rssBytes)));
const [descriptorsBefore, descriptorsAfter] = [before, after].map((some) =>
  median(some.map(({ descriptors }) => descriptors)),
);

const db = await openQuestDb(server.conf, { requestTimeoutMs: 600_000 });
const faults: string[] = [];
const tables = readdirSync(join(stateDir, 'delivery')).filter((name) => name.startsWith('gpu_'));
for (const table of tables) {
  await waitForVisible(db, table);
  const { rows } = await db.exec(
    `SELECT count(), sum(n) FROM (SELECT ts, gpu, count() AS n FROM ${table} GROUP BY ts, gpu)`,
  );
  const [distinct, stored] = rows[0]!.map(Number);
  const account = readLedger(realDisk, join(stateDir, 'delivery', table, 'account'));
  const sampled = account?.ledger.sampledRows;
  say(`${table}: ${sampled} sampled, ${stored} stored, ${distinct} distinct`);
  if (sampled !== stored || stored !== distinct) faults.push(`${table} has not each sample once`);
}
await db.close();
await server.stop();

say(
  `memory: ${(rssBefore! / 1e6).toFixed(0)} MB before the outage, ${(rssAfter! / 1e6).toFixed(0)} MB at the end; descriptors: ${descriptorsBefore}, ${descriptorsAfter}`,
);
if (exitCode !== 0) faults.push(`the collector ended with ${exitCode}`);
if (!(rssAfter! <= GROWTH_MAX * rssBefore!)) faults.push('memory has grown');
if (!(descriptorsAfter! <= descriptorsBefore!)) faults.push('descriptors have grown');
say(faults.length === 0 ? 'soak: nothing lost, nothing twice, nothing grown' : `soak: ${faults.join('; ')}`);
if (!values.keep && faults.length === 0) rmSync(directory, { recursive: true });
process.exitCode = faults.length === 0 ? 0 : 1;
