import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { timestampUs } from '../../schemas/questdb-reply.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { startBenchServer, type BenchServer } from './bench-server.ts';
import { DEVICE_COUNT, FIELD_COUNT, fields } from './filled-ring.ts';
import { percentile, type Bench, type Measurement } from './measurement.ts';
import { builtPlay, roundLane, scenarioFrom } from './pipeline.ts';

/**
 * The collector as it runs on a node, in a process of its own: 8 GPUs, 40 fields, 10 Hz. Beside it a bare node process
 * whose `setInterval` ticks at the same rate: what the machine gives to anybody.
 */
const INTERVAL_MS = 100;
const SECONDS = 30;
const SPACING_GOAL_MS = 105;
const RSS_GOAL_MB = 130;
const HOUR_US = 3_600_000_000;

/** Prints the spacings of a plain timer as JSON when its time is over. */
const BARE_TIMER = `
  const at = [performance.now()];
  const timer = setInterval(() => at.push(performance.now()), ${INTERVAL_MS});
  setTimeout(() => {
    clearInterval(timer);
    console.log(JSON.stringify(at.slice(1).map((ms, i) => ms - at[i])));
  }, ${SECONDS * 1000});
`;

interface Run {
  /** Milliseconds between the ticks of the first GPU. */
  readonly spacingsMs: readonly number[];
  readonly bareSpacingsMs: readonly number[];
  readonly rssBytes: number;
  readonly bareRssBytes: number;
}

function configOf(lane: string): string {
  const names = fields.map(({ name }) => `      - ${name}`).join('\n');
  return [
    'source: synthetic',
    `synthetic: { nodes: 1, gpus: ${DEVICE_COUNT} }`,
    'lanes:',
    `  - name: ${lane}`,
    `    interval: ${INTERVAL_MS}ms`,
    '    schedule: continuous',
    '    fields:',
    `${names}\n`,
  ].join('\n');
}

/** Runs the collector and the bare timer for the time, and looks at their memory near the end. */
async function collect(server: BenchServer, lane: string): Promise<Run> {
  const dir = mkdtempSync(join(tmpdir(), 'gpuledger-bench-'));
  try {
    const config = join(dir, 'bench.yaml');
    writeFileSync(config, configOf(lane));
    const bare = start(['-e', BARE_TIMER]);
    const args = ['collect', '--for', `${SECONDS}s`, '--config', config, '--state-dir', dir];
    const collector = start(['bin/gpuledger.js', ...args], { QDB_CLIENT_CONF: server.conf });
    await sleep((SECONDS - 2) * 1000);
    const [rssBytes, bareRssBytes] = [rssOf(collector.child), rssOf(bare.child)];
    const bareText = await bare.output;
    await collector.output;
    const first = await server.db.exec(`SELECT gpu FROM gpu_${lane} LIMIT 1`);
    const gpu = String(first.rows[0]![0]);
    const { rows } = await server.db.exec(`SELECT ts FROM gpu_${lane} WHERE gpu = '${gpu}' ORDER BY ts`);
    const timesMs = rows.map(([ts]) => timestampUs(String(ts)) / 1000);
    return {
      spacingsMs: timesMs.slice(1).map((ms, at) => ms - timesMs[at]!),
      bareSpacingsMs: JSON.parse(bareText) as number[],
      rssBytes,
      bareRssBytes,
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function start(
  args: readonly string[],
  env: Record<string, string> = {},
): { child: ChildProcess; output: Promise<string> } {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const output = once(child, 'close').then(([status]) => {
    if (status !== 0) throw new Error(`${args[0]!} ended with ${String(status)}`);
    return text;
  });
  return { child, output };
}

function rssOf({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid!}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** Writes hour after hour of another table as fast as the server takes it, until told to stop. */
async function ingestUntil(server: BenchServer, isOver: () => boolean): Promise<number> {
  const playScenario = await builtPlay();
  const lane = roundLane('ingest');
  await applySchema(server.db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  let startUs = Math.floor(Date.now() / 3_600_000 - 10 * 24) * HOUR_US;
  let rows = 0;
  for (; !isOver(); startUs += HOUR_US) {
    const [account] = await playScenario({
      scenario: scenarioFrom(startUs),
      endUs: startUs + HOUR_US,
      lanes: [lane],
      batchRows: 10_000,
      db: server.db,
      tell: () => undefined,
    });
    rows += account!.acknowledgedRows;
  }
  return rows;
}

function spacingOf(name: string, run: Run): Measurement {
  const value = percentile(run.spacingsMs, 0.99);
  const baseline = percentile(run.bareSpacingsMs, 0.99);
  return {
    name,
    value,
    unit: 'ms',
    baseline,
    goal: { text: `≤ ${SPACING_GOAL_MS} ms`, isMet: value <= SPACING_GOAL_MS },
  };
}

async function measure(): Promise<Measurement[]> {
  const server = await startBenchServer();
  try {
    const idle = await collect(server, 'idle');
    const load = { isOver: false };
    const ingest = ingestUntil(server, () => load.isOver);
    const busy = await collect(server, 'busy');
    load.isOver = true;
    const rowsPerSecond = (await ingest) / SECONDS;
    process.stderr.write(
      `  beside an ingest of ${Math.round(rowsPerSecond).toLocaleString('en-US')} rows/s\n`,
    );
    const mb = (bytes: number): number => bytes / 1e6;
    const value = mb(idle.rssBytes);
    return [
      spacingOf('spacing_p99_idle_ms', idle),
      spacingOf('spacing_p99_ingest_ms', busy),
      {
        name: 'memory_rss_mb',
        value,
        unit: 'MB',
        baseline: mb(idle.bareRssBytes),
        goal: { text: `≤ ${RSS_GOAL_MB} MB`, isMet: value <= RSS_GOAL_MB },
      },
    ];
  } finally {
    await server.close();
  }
}

export const collectingBench: Bench = {
  name: 'collecting',
  about: `${DEVICE_COUNT} GPUs x ${FIELD_COUNT} fields at 10 Hz for ${SECONDS} s, alone and beside full ingest, against a bare node timer`,
  measure,
};
