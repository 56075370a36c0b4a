import type { Batch } from '../../src/core/wire/sink.ts';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { viewsOf } from '../../schemas/views.ts';
import { defaultLanes, type Lane } from '../../src/core/fields/lane.ts';
import { PLAY_BATCH_ROWS } from '../../src/core/fields/limits.ts';
import type { ScenarioOptions } from '../../src/core/synthetic/scenario.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { startBenchServer } from './bench-server.ts';
import { median, ratioOf, type Bench, type Measurement } from './measurement.ts';

const HOUR_US = 3_600_000_000;
/** Twice the demo: what V8 compiles anew for the sampling worker of each round weighs half as much. */
const SPAN_US = 12 * HOUR_US;
const GPUS = 16;
/** One row per second and GPU: 691,200. */
const ROWS = (SPAN_US / 1_000_000) * GPUS;
const ROUNDS = 7;
const RATIO_GOAL = 0.9;
const VISIBLE_POLL_MS = 5;
const VISIBLE_DEADLINE_MS = 60_000;

/** No rollups would be a different server's work; both sides have the same tables and views. */
const RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };

/** The default lane of a node, under a name of its own for each round: fresh tables, whose bytes differ in the name only. */
export function roundLane(round: string): Lane {
  const lane = defaultLanes[0]!;
  return { ...lane, name: `bench_${round}`, table: `gpu_bench_${round}` };
}

export function scenarioFrom(startUs: number, gpus = GPUS): ScenarioOptions {
  return { kind: 'steady', seed: 1, nodes: 1, gpusPerNode: gpus, startUs };
}

/** The built code, as users run it: from the sources the worker would first have to strip their types. */
export async function builtPlay(): Promise<typeof import('../../src/collector/play.ts').playScenario> {
  const url = new URL('../../dist/play.js', import.meta.url).href;
  const play = (await import(url)) as typeof import('../../src/collector/play.ts');
  return play.playScenario;
}

interface Round {
  /** From the first acknowledged batch of samples until a query sees all rows; that batch counts for neither. */
  readonly rowsPerSecond: number;
  /** From the begin until then: threads that start, code that is compiled, the small tables. */
  readonly startMs: number;
}

/** Plays the span through source, ring, labels, encoder and HTTP. */
async function playRound(db: QuestDb, lane: Lane, startUs: number): Promise<Round> {
  const playScenario = await builtPlay();
  return await timed(db, lane, async (watched) => {
    await playScenario({
      scenario: scenarioFrom(startUs),
      endUs: startUs + SPAN_US,
      lanes: [lane],
      batchRows: PLAY_BATCH_ROWS,
      db: watched,
      tell: () => undefined,
    });
  });
}

async function postRound(db: QuestDb, lane: Lane, batches: readonly Batch[]): Promise<Round> {
  return await timed(db, lane, async (watched) => {
    for (const batch of batches) {
      const { unsent } = await watched.send(batch);
      if (unsent !== undefined) throw new Error(`a prebuilt body was not taken: ${unsent.reason}`);
    }
  });
}

/** Runs one side on a store that notes when it took the first samples, and waits until a query sees them all. */
async function timed(db: QuestDb, lane: Lane, run: (watched: QuestDb) => Promise<void>): Promise<Round> {
  let first: { readonly atMs: number; readonly rows: number } | undefined;
  const ofLane = Buffer.from(`${lane.table},`);
  const watched: QuestDb = {
    ...db,
    send: async (batch, signal) => {
      const fate = await db.send(batch, signal);
      const { body, rows } = batch;
      if (first === undefined && Buffer.from(body.buffer, body.byteOffset, ofLane.length).equals(ofLane))
        first = { atMs: performance.now(), rows };
      return fate;
    },
  };
  const beginMs = performance.now();
  await run(watched);
  const { atMs, rows } = first!;
  for (;;) {
    const { rows: answer } = await db.exec(`SELECT count() FROM ${lane.table}`);
    const tookMs = performance.now() - atMs;
    if (answer[0]![0] === ROWS)
      return { rowsPerSecond: ((ROWS - rows) / tookMs) * 1000, startMs: atMs - beginMs };
    if (tookMs > VISIBLE_DEADLINE_MS)
      throw new Error(`${lane.table} shows ${String(answer[0]![0])} rows of ${ROWS}`);
    await sleep(VISIBLE_POLL_MS);
  }
}

/** The store as the pipeline sees it, keeping a copy of everything that is sent: samples and small tables. */
function capturing(db: QuestDb, batches: Batch[]): QuestDb {
  return {
    ...db,
    send: async (batch, signal) => {
      batches.push({ ...batch, body: batch.body.slice() });
      return await db.send(batch, signal);
    },
  };
}

/** Makes rows of one table rows of another whose name is as long, in place: copies would be half a gigabyte a round. */
function rename(batches: readonly Batch[], from: string, to: string): void {
  const [before, after] = [Buffer.from(`${from},node=`), Buffer.from(`${to},node=`)];
  for (const { body } of batches) {
    const rows = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    for (let at = rows.indexOf(before); at >= 0; at = rows.indexOf(before, at + after.length))
      after.copy(rows, at);
  }
}

/** µs of CPU a row, all threads: of this process, and of the server. */
interface Cost {
  readonly own: number;
  readonly server: number;
}

interface CostedRound extends Round, Cost {}

/** A round leaves nothing behind: neither rollups that are still to be made nor half a gigabyte for the disk to write back. */
async function drop(db: QuestDb, lane: Lane): Promise<void> {
  for (const { name } of viewsOf(lane, RETENTION).toReversed())
    await db.exec(`DROP MATERIALIZED VIEW ${name}`);
  await db.exec(`DROP TABLE ${lane.table}`);
}

async function withCost(serverPid: number, run: () => Promise<Round>): Promise<CostedRound> {
  const server = cpuUsOf(serverPid);
  const own = process.cpuUsage();
  const round = await run();
  const { user, system } = process.cpuUsage(own);
  return { ...round, own: (user + system) / ROWS, server: (cpuUsOf(serverPid) - server) / ROWS };
}

/** A clock tick of /proc/PID/stat on Linux, everywhere that Node runs. */
const CLOCK_TICK_US = 10_000;

function cpuUsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // utime and stime are the fields 14 and 15; the name, in parentheses, is the second.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_US;
}

async function measure(): Promise<Measurement[]> {
  const server = await startBenchServer();
  try {
    const { db } = server;
    const startUs = Math.floor(Date.now() / 3_600_000 - 24) * HOUR_US;
    const laneFor = async (name: string): Promise<Lane> => {
      const lane = roundLane(name);
      await applySchema(db, [lane], RETENTION);
      return lane;
    };
    // The first rounds warm the server and this process, and give the bodies.
    const batches: Batch[] = [];
    const warm = await laneFor('warm_up_0');
    await playRound(capturing(db, batches), warm, startUs);
    let { table } = warm;
    const post = async (name: string): Promise<CostedRound> => {
      const lane = await laneFor(name);
      rename(batches, table, lane.table);
      ({ table } = lane);
      const round = await withCost(server.pid, () => postRound(db, lane, batches));
      await drop(db, lane);
      return round;
    };
    const play = async (name: string): Promise<CostedRound> => {
      const lane = await laneFor(name);
      const round = await withCost(server.pid, () => playRound(db, lane, startUs));
      await drop(db, lane);
      return round;
    };
    await post('warm_up_1');
    await play('warm_up_2');

    const played: CostedRound[] = [];
    const posted: CostedRound[] = [];
    // Turn by turn, so that whatever else the machine does meets both.
    for (let round = 0; round < ROUNDS; round += 1) {
      posted.push(await post(`posted_${round}0`));
      played.push(await play(`played_${round}0`));
    }
    const figure = (name: string, unit: string, of: keyof CostedRound): Measurement => ({
      name,
      value: median(played.map((round) => round[of])),
      unit,
      baseline: median(posted.map((round) => round[of])),
    });
    const rate = figure('pipeline_visible_rows_per_second', 'rows/s', 'rowsPerSecond');
    return [
      { ...rate, goal: { text: `ratio ≥ ${RATIO_GOAL}`, isMet: ratioOf(rate) >= RATIO_GOAL } },
      figure('pipeline_start_ms', 'ms', 'startMs'),
      figure('pipeline_own_cpu', 'µs/row', 'own'),
      figure('pipeline_server_cpu', 'µs/row', 'server'),
    ];
  } finally {
    await server.close();
  }
}

export const pipelineBench: Bench = {
  name: 'pipeline',
  about: `${ROWS.toLocaleString('en-US')} rows from sampling until a query sees them, once it runs, against posting prebuilt bytes`,
  measure,
};
