import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { createFakeEngines, type FakeEngines } from '../helpers/fake-engines.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT } from '../helpers/run-process.ts';

/**
 * A drain every 5 s for two minutes: killed at random instants, two at once at random, while the store and an engine are
 * restarted. Nearly all of it is waiting.
 */

const ENGINES = ['gpu1:5555', 'gpu2:5555'];
const GPUS = 2;
const DURATION_MS = 120_000;
const EVERY_MS = 5_000;
/** A drain is over in about so much time. */
const KILL_MS_MAX = 2_000;
const SECOND = 1_000_000;

let server: TestQuestdb;
let db: QuestDb;
let engines: FakeEngines;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 20_000 });
  engines = createFakeEngines();
  for (const [index, engine] of ENGINES.entries()) engines.start(engine, { serial: index + 1, gpus: GPUS });
});
afterAll(async () => {
  engines.close();
  await db.close();
  await server.stop();
});

/** @param killMs when it is killed; absent: never. @returns the exit code, null when it was killed. */
async function drain(killMs?: number): Promise<number | null> {
  const args = [
    'drain',
    '--config',
    'test/fixtures/drain.yaml',
    ...ENGINES.flatMap((engine) => ['-r', engine]),
  ];
  const child = spawn(process.execPath, [join(ROOT, 'bin/gpuledger.js'), ...args], {
    cwd: ROOT,
    stdio: 'ignore',
    env: {
      ...process.env,
      ...engines.env,
      QDB_CLIENT_CONF: server.conf,
      GPULEDGER_JOBS_JOURNAL_DIR: join(engines.directory, 'none'),
    },
  });
  const timer = killMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killMs);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  return code;
}

/** A fixed sequence, so that a failure can be had again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const uuidOf = (serial: number, gpu: number): string =>
  `GPU-${String(serial).padStart(8, '0')}-fade-4000-8000-${String(gpu).padStart(12, '0')}`;

/** Stamp k of a series of 1 Hz since then: the fake's clock runs 0.04 % slow. */
const stampAt = (sinceUs: number, k: number): number =>
  k === 0 ? sinceUs : sinceUs + SECOND - 1 + (k - 1) * 1_000_400;

it('has every sample that an engine kept exactly once, and a gap where it was restarted', async () => {
  const random = randomFrom(20_261_121);
  expect(await drain()).toBe(0);
  const firstLives = ENGINES.map((engine) => engines.sampledSinceUs(engine, 0, 1001)!);
  const startMs = performance.now();
  const codes: Promise<number | null>[] = [];
  let hasRestartedStore = false;
  let hasRestartedEngine = false;
  for (let atMs = EVERY_MS; atMs < DURATION_MS; atMs += EVERY_MS) {
    // One that takes longer than the pause meets the next one, as with a timer.
    await sleep(Math.max(0, startMs + atMs - performance.now()));
    codes.push(drain(random() < 0.6 ? random() * KILL_MS_MAX : undefined));
    if (random() < 0.3) codes.push(drain(random() < 0.5 ? random() * KILL_MS_MAX : undefined));
    if (!hasRestartedStore && atMs > DURATION_MS / 3) {
      hasRestartedStore = true;
      await sleep(random() * KILL_MS_MAX);
      await server.kill9();
      await server.restart();
    }
    if (!hasRestartedEngine && atMs > DURATION_MS / 2) {
      hasRestartedEngine = true;
      engines.start(ENGINES[1]!, { serial: 2, gpus: GPUS });
    }
  }
  const ended = await Promise.all(codes);
  const killed = ended.filter((code) => code === null).length;
  expect({ hasRestartedStore, hasRestartedEngine }).toEqual({
    hasRestartedStore: true,
    hasRestartedEngine: true,
  });
  expect(ended.length).toBeGreaterThan(DURATION_MS / EVERY_MS);
  expect(killed).toBeGreaterThan(1);
  expect(killed).toBeLessThan(ended.length);
  await sleep(4_000);
  expect(await drain()).toBe(0);
  process.stderr.write(`drain: ${ended.length} drains, ${killed} killed\n`);

  for (const table of ['gpu_profiling', 'gpu_events']) await waitForVisible(db, table);
  for (const [index, firstUs] of firstLives.entries()) {
    const secondUs = engines.sampledSinceUs(ENGINES[index]!, 0, 1001)!;
    for (let gpu = 0; gpu < GPUS; gpu += 1) {
      const uuid = uuidOf(index + 1, gpu);
      const rows = await db.exec(
        `SELECT cast(ts AS long) FROM gpu_profiling WHERE gpu = '${uuid}' ORDER BY ts`,
      );
      const stamps = rows.rows.map(([us]) => Number(us));
      const lives =
        index === 0
          ? [stamps]
          : [stamps.filter((us) => us < secondUs), stamps.filter((us) => us >= secondUs)];
      // What the engine says that it sampled, from its first sample on, without a hole and without a repeat.
      for (const [life, own] of lives.entries()) {
        const sinceUs = life === 0 ? firstUs : secondUs;
        expect(own).toEqual(own.map((_, k) => stampAt(sinceUs, k)));
        // How long a life is depends on how busy the machine is; that there are some is all that is meant.
        expect(own.length).toBeGreaterThan(lives.length === 1 ? 60 : 5);
      }
      const gaps = await db.exec(
        `SELECT cast(ts AS long), cast(end_ts AS long) FROM gpu_events WHERE kind = 'gap' AND gpu = '${uuid}' AND subject = 'profiling'`,
      );
      const border = lives.length === 1 ? [] : [[lives[0]!.at(-1), secondUs]];
      expect(gaps.rows.map(([from, to]) => [Number(from), Number(to)])).toEqual(border);
    }
  }
});
