import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultLanes, type Lane } from '../../src/core/lane.ts';
import { PLAY_BATCH_ROWS } from '../../src/core/limits.ts';
import type { ScenarioOptions } from '../../src/core/synthetic/scenario.ts';
import { applySchema } from '../../src/store/schema-apply.ts';
import type { QuestDb } from '../../src/store/questdb-http.ts';
import { startBenchServer } from './bench-server.ts';
import { interleave, median, type Bench, type Measurement } from './measurement.ts';

const HOUR_US = 3_600_000_000;
/** Twice the demo: the sampling worker, which each round starts anew, needs as long as 40,000 rows for its start. */
const SPAN_US = 12 * HOUR_US;
const GPUS = 16;
/** One row per second and GPU: 691,200. */
const ROWS = (SPAN_US / 1_000_000) * GPUS;
const ROUNDS = 3;
const RATIO_GOAL = 0.9;
const VISIBLE_POLL_MS = 5;
const VISIBLE_DEADLINE_MS = 60_000;

/** No rollups would be a different server's work; both sides have the same tables and views. */
const RETENTION = { raw: '', rollup1m: '', rollup1h: '' };

/** The default lane of a node, under a name of its own for each round: fresh tables, whose bytes differ in the name only. */
export function roundLane(round: string): Lane {
  const lane = defaultLanes[0]!;
  return { ...lane, name: `bench_${round}`, table: `gpu_bench_${round}` };
}

export function scenarioFrom(startUs: number, gpus = GPUS): ScenarioOptions {
  return { kind: 'steady', seed: 1, nodes: 1, gpusPerNode: gpus, startUs };
}

/** The built code, as users run it: from the sources the worker would first have to strip their types. */
export async function builtPlay(): Promise<typeof import('../../src/play.ts').playScenario> {
  const url = new URL('../../dist/play.js', import.meta.url).href;
  const play = (await import(url)) as typeof import('../../src/play.ts');
  return play.playScenario;
}

/** Plays the span through source, ring, labels, encoder and HTTP. @returns rows per second until a query sees them all. */
async function playRound(db: QuestDb, lane: Lane, startUs: number): Promise<number> {
  const playScenario = await builtPlay();
  const startMs = performance.now();
  await playScenario({
    scenario: scenarioFrom(startUs),
    endUs: startUs + SPAN_US,
    lanes: [lane],
    batchRows: PLAY_BATCH_ROWS,
    db,
    log: () => undefined,
  });
  return await visibleRate(db, lane, startMs);
}

async function postRound(db: QuestDb, lane: Lane, bodies: readonly Uint8Array[]): Promise<number> {
  const startMs = performance.now();
  for (const body of bodies) {
    const reply = await db.write(body);
    if (reply.kind !== 'acknowledged') throw new Error(`a prebuilt body was not taken: ${reply.message}`);
  }
  return await visibleRate(db, lane, startMs);
}

async function visibleRate(db: QuestDb, lane: Lane, startMs: number): Promise<number> {
  for (;;) {
    const { rows } = await db.exec(`SELECT count() FROM ${lane.table}`);
    const tookMs = performance.now() - startMs;
    if (rows[0]![0] === ROWS) return (ROWS / tookMs) * 1000;
    if (tookMs > VISIBLE_DEADLINE_MS)
      throw new Error(`${lane.table} shows ${String(rows[0]![0])} rows of ${ROWS}`);
    await sleep(VISIBLE_POLL_MS);
  }
}

/** The store as the pipeline sees it, keeping a copy of everything that is sent: samples and small tables. */
function capturing(db: QuestDb, bodies: Uint8Array[]): QuestDb {
  return {
    ...db,
    write: async (body, options) => {
      bodies.push(body.slice());
      return await db.write(body, options);
    },
  };
}

/** Makes rows of one table rows of another whose name is as long, in place: copies would be half a gigabyte a round. */
function rename(bodies: readonly Uint8Array[], from: string, to: string): void {
  const [before, after] = [Buffer.from(`${from},node=`), Buffer.from(`${to},node=`)];
  for (const body of bodies) {
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

async function withCost(
  serverPid: number,
  round: () => Promise<number>,
): Promise<{ rate: number; cost: Cost }> {
  const server = cpuUsOf(serverPid);
  const own = process.cpuUsage();
  const rate = await round();
  const { user, system } = process.cpuUsage(own);
  return { rate, cost: { own: (user + system) / ROWS, server: (cpuUsOf(serverPid) - server) / ROWS } };
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
    const bodies: Uint8Array[] = [];
    const warm = await laneFor('warm_up_0');
    await playRound(capturing(db, bodies), warm, startUs);
    let { table } = warm;
    const post = async (name: string): Promise<number> => {
      const lane = await laneFor(name);
      rename(bodies, table, lane.table);
      ({ table } = lane);
      const { rate, cost } = await withCost(server.pid, () => postRound(db, lane, bodies));
      postCosts.push(cost);
      return rate;
    };
    const play = async (name: string): Promise<number> => {
      const lane = await laneFor(name);
      const { rate, cost } = await withCost(server.pid, () => playRound(db, lane, startUs));
      playCosts.push(cost);
      return rate;
    };
    const postCosts: Cost[] = [];
    const playCosts: Cost[] = [];
    await post('warm_up_1');
    await play('warm_up_2');
    postCosts.length = playCosts.length = 0;

    let round = 0;
    const { value, baseline } = await interleave(
      ROUNDS,
      () => play(`played_${round++}0`),
      () => post(`posted_${round}0`),
    );
    const goal = { text: `ratio ≥ ${RATIO_GOAL}`, isMet: value / baseline >= RATIO_GOAL };
    const costOf = (costs: readonly Cost[], whose: keyof Cost): number =>
      median(costs.map((cost) => cost[whose]));
    return [
      { name: 'pipeline_visible_rows_per_second', value, unit: 'rows/s', baseline, goal },
      {
        name: 'pipeline_own_cpu',
        value: costOf(playCosts, 'own'),
        unit: 'µs/row',
        baseline: costOf(postCosts, 'own'),
      },
      {
        name: 'pipeline_server_cpu',
        value: costOf(playCosts, 'server'),
        unit: 'µs/row',
        baseline: costOf(postCosts, 'server'),
      },
    ];
  } finally {
    await server.close();
  }
}

export const pipelineBench: Bench = {
  name: 'pipeline',
  about: `${ROWS.toLocaleString('en-US')} rows from sampling until a query sees them, against posting prebuilt bytes`,
  measure,
};
