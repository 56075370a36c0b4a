import { setTimeout as sleep } from 'node:timers/promises';
import { defaultLanes, type Lane } from '../../src/core/lane.ts';
import type { ScenarioOptions } from '../../src/core/synthetic/scenario.ts';
import { applySchema } from '../../src/store/schema-apply.ts';
import type { QuestDb } from '../../src/store/questdb-http.ts';
import { startBenchServer } from './bench-server.ts';
import { median, type Bench, type Measurement } from './measurement.ts';

const HOUR_US = 3_600_000_000;
/** That of the demo, long beside the start of the sampling worker. */
const SPAN_US = 6 * HOUR_US;
const GPUS = 16;
/** One row per second and GPU: 345,600. */
const ROWS = (SPAN_US / 1_000_000) * GPUS;
const BATCH_ROWS = 10_000;
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
    batchRows: BATCH_ROWS,
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

/** The same rows for another table whose name is as long. */
function renamed(bodies: readonly Uint8Array[], from: string, to: string): Uint8Array[] {
  const [before, after] = [Buffer.from(`${from},node=`), Buffer.from(`${to},node=`)];
  return bodies.map((body) => {
    const copy = Buffer.from(body);
    for (let at = copy.indexOf(before); at >= 0; at = copy.indexOf(before, at + after.length))
      after.copy(copy, at);
    return copy;
  });
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
    const again = await laneFor('warm_up_1');
    await postRound(db, again, renamed(bodies, warm.table, again.table));

    const played: number[] = [];
    const posted: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const postLane = await laneFor(`posted_${round}0`);
      const prebuilt = renamed(bodies, warm.table, postLane.table);
      posted.push(await postRound(db, postLane, prebuilt));
      played.push(await playRound(db, await laneFor(`played_${round}0`), startUs));
    }
    const [value, baseline] = [median(played), median(posted)];
    const goal = { text: `ratio ≥ ${RATIO_GOAL}`, isMet: value / baseline >= RATIO_GOAL };
    return [{ name: 'pipeline_visible_rows_per_second', value, unit: 'rows/s', baseline, goal }];
  } finally {
    await server.close();
  }
}

export const pipelineBench: Bench = {
  name: 'pipeline',
  about: `${ROWS.toLocaleString('en-US')} rows from sampling until a query sees them, against posting prebuilt bytes`,
  measure,
};
