import { setTimeout as sleep } from 'node:timers/promises';
import { openCollector } from './collector.ts';
import type { LaneAccount } from './lane-accounts.ts';
import { OperatingError } from './core/errors.ts';
import type { Lane } from './core/lane.ts';
import type { Log } from './core/log-entry.ts';
import { createScenario } from './core/synthetic/create-scenario.ts';
import type { ScenarioOptions } from './core/synthetic/scenario.ts';
import { createSyntheticJobs } from './ownership/synthetic-jobs.ts';
import type { QuestDb } from './store/questdb-http.ts';

export interface PlayOptions {
  readonly scenario: ScenarioOptions;
  /** Epoch µs; the last tick lies before it. */
  readonly endUs: number;
  readonly lanes: readonly Lane[];
  readonly batchRows: number;
  /** Tables and rollups exist. */
  readonly db: QuestDb;
  readonly log: Log;
  readonly onProgress?: (acknowledgedRows: number) => void;
}

/** When the rings are empty the worker needs a moment to fill them. */
const IDLE_MS = 2;
/**
 * What the ring holds when a flush begins is what it writes: each begins with the small tables, which cost the store as much
 * as some thousand samples.
 */
const BATCHES_IN_RING = 8;
/** A store that takes nothing for this long ends the play. */
const STUCK_MS = 60_000;

/**
 * Plays a synthetic scenario through the whole pipeline, ring to store, on a virtual clock as fast as the store takes it.
 * @returns what became of the rows of each lane
 * @throws OperatingError (75) when the store takes nothing for a minute
 */
export async function playScenario(options: PlayOptions): Promise<readonly LaneAccount[]> {
  const { scenario, endUs, db } = options;
  const collector = await openCollector({
    lanes: options.lanes.map((lane) => roomier(lane, options.batchRows, scenario)),
    source: { name: 'synthetic', scenario },
    clock: { kind: 'virtual', startUs: scenario.startUs, endUs },
    jobInputs: () => [createSyntheticJobs(createScenario(scenario))],
    db,
    prepareStore: async () => {},
    batchRows: options.batchRows,
    log: options.log,
  });
  const sampling = { isEnded: false };
  const ended = collector.ended.then(() => {
    sampling.isEnded = true;
  });
  // A failure is heard by the race below; until then nobody else may take it for unhandled.
  ended.catch(() => undefined);
  let lastRows = 0;
  let lastMoveMs = performance.now();
  for (;;) {
    const wasEnded = sampling.isEnded;
    const isTaken = await collector.flush();
    if (wasEnded && isTaken) break;
    const rows = collector.account().reduce((sum, lane) => sum + lane.acknowledgedRows, 0);
    options.onProgress?.(rows);
    if (rows > lastRows) {
      lastRows = rows;
      lastMoveMs = performance.now();
    } else if (performance.now() - lastMoveMs > STUCK_MS) {
      await collector.stopSampling(1000);
      throw new OperatingError('QuestDB has taken nothing for a minute', {
        code: 'play.stuck',
        exit: 'temporary',
        where: db.where,
      });
    }
    // The worker ends by itself; a failure of it is heard here and not a minute later.
    await Promise.race([sleep(IDLE_MS), ended]);
  }
  await ended;
  return collector.account();
}

/** Room for some batches; a real clock would not fill it. */
function roomier(lane: Lane, batchRows: number, { nodes, gpusPerNode }: ScenarioOptions): Lane {
  const batchTicks = Math.ceil(batchRows / (nodes * gpusPerNode));
  return { ...lane, capacityTicks: Math.max(lane.capacityTicks, BATCHES_IN_RING * batchTicks) };
}
