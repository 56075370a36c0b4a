import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { buildFake } from '../../helpers/fakes.ts';
import { FORTY_FIELDS } from '../../helpers/lanes.ts';
import { startBenchServer, type BenchServer } from '../bench-server.ts';
import { median, percentile, type Measurement } from '../measurement.ts';

/**
 * `gpuledger exporter` on a fake libdcgm that costs what the real one does, 8 GPUs x 40 fields at 100 ms, recording: how far apart its ticks
 * are, as the store has them, while nobody scrapes and while sixteen do. They take turns, so whatever else the machine does meets all.
 */
const INTERVAL_MS = 100;
const LANE = 'scraped';
const SCRAPERS = 16;
/** Prometheus' own default is a minute; nobody asks sooner than each second. */
const EVERY_MS = 1000;
const SECONDS = 20;
const ROUNDS = 3;
const FAKE = 'burn_us=650,burn_update_us=2050';
/** "As without": a millisecond is what a busy core may make of it. */
const SPACING_GOAL_MS = 1;

const KINDS = ['nobody', 'each_second', 'flat_out'] as const;
type Kind = (typeof KINDS)[number];

interface Phase {
  readonly kind: Kind;
  readonly fromMs: number;
  readonly toMs: number;
  readonly tookMs: readonly number[];
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

function configOf(directory: string): string {
  return JSON.stringify({
    source: 'dcgm',
    state_dir: directory,
    dcgm: { library: buildFake('dcgm') },
    flush: { interval: '1s' },
    lanes: [{ name: LANE, interval: `${INTERVAL_MS}ms`, schedule: 'continuous', fields: FORTY_FIELDS }],
  });
}

/** @returns where it serves */
async function served({ stderr }: ChildProcess): Promise<string> {
  const lines = createInterface({ input: stderr! });
  for await (const line of lines) {
    const [, address] = /metrics at (\S+)\/metrics/.exec(line) ?? [];
    if (address !== undefined) return address;
    process.stderr.write(`  ${line}\n`);
  }
  throw new Error('gpuledger exporter ended before it served');
}

async function scrapersOf(kind: Kind, address: string): Promise<readonly number[]> {
  if (kind === 'nobody') {
    await sleep(SECONDS * 1000);
    return [];
  }
  const args = [address, SCRAPERS, kind === 'flat_out' ? 0 : EVERY_MS, SECONDS].map(String);
  const path = fileURLToPath(new URL('scrapers.ts', import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`the scrapers ended with ${String(status)}`);
  return JSON.parse(text) as number[];
}

async function phasesOf(address: string): Promise<readonly Phase[]> {
  const phases: Phase[] = [];
  // The first compiles, and counts for nothing.
  await scrapersOf('each_second', address);
  for (let round = 0; round < ROUNDS; round += 1)
    for (const kind of KINDS) {
      const fromMs = Date.now();
      const tookMs = await scrapersOf(kind, address);
      phases.push({ kind, fromMs, toMs: Date.now(), tookMs });
    }
  return phases;
}

/** Epoch ms of the ticks of the first GPU, once all are there that were sampled before `untilMs`. */
async function ticksMs({ db }: BenchServer, untilMs: number): Promise<readonly number[]> {
  for (;;) {
    const { rows } = await db.exec(
      `SELECT ts FROM gpu_${LANE} WHERE gpu IN (SELECT min(gpu) FROM gpu_${LANE}) ORDER BY ts`,
    );
    const times = rows.map(([ts]) => timestampUs(String(ts)) / 1000);
    if ((times.at(-1) ?? 0) >= untilMs) return times;
    await sleep(500);
  }
}

async function record(server: BenchServer): Promise<{ phases: readonly Phase[]; ticks: readonly number[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-bench-'));
  const config = join(directory, 'bench.yaml');
  writeFileSync(config, configOf(directory));
  const child = spawn(
    process.execPath,
    ['bin/gpuledger.js', 'exporter', '--config', config, '--address', '127.0.0.1:0'],
    {
      cwd: ROOT,
      env: { ...process.env, QDB_CLIENT_CONF: server.conf, GPULEDGER_FAKE: FAKE },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const ended = once(child, 'close');
  try {
    const phases = await phasesOf(await served(child));
    // Further ticks tell that those before are all there.
    const ticks = await ticksMs(server, phases.at(-1)!.toMs);
    return { phases, ticks };
  } finally {
    child.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true });
  }
}

export async function measureTickSpacing(): Promise<Measurement[]> {
  const server = await startBenchServer();
  try {
    const { phases, ticks } = await record(server);
    const spacings = (kind: Kind): number[] =>
      phases
        .filter((phase) => phase.kind === kind)
        .flatMap(({ fromMs, toMs }) => {
          const within = ticks.filter((ms) => fromMs <= ms && ms <= toMs);
          return within.slice(1).map((ms, at) => ms - within[at]!);
        });
    const baseline = percentile(spacings('nobody'), 0.99);
    return KINDS.slice(1).map((kind) => {
      const value = percentile(spacings(kind), 0.99);
      const took = phases.filter((phase) => phase.kind === kind).flatMap(({ tookMs }) => tookMs);
      const perSecond = took.length / (ROUNDS * SECONDS);
      process.stderr.write(
        `  ${kind}: ${perSecond.toFixed(0)} scrapes/s, of which one took ${median(took).toFixed(1)} ms (p99 ${percentile(took, 0.99).toFixed(1)} ms)\n`,
      );
      const goal = { text: `≤ ${SPACING_GOAL_MS} ms more`, isMet: value <= baseline + SPACING_GOAL_MS };
      return { name: `exporter_spacing_p99_${kind}`, value, unit: 'ms', baseline, goal };
    });
  } finally {
    await server.close();
  }
}
