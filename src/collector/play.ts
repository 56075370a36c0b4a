import { setTimeout as sleep } from 'node:timers/promises';
import { openCollector, type Collector } from './collector.ts';
import type { LaneAccount } from '../delivery/lane-accounts.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Tell } from '../core/base/notice.ts';
import { createScenario } from '../core/synthetic/create-scenario.ts';
import type { ScenarioOptions } from '../core/synthetic/scenario.ts';
import { createSyntheticJobs } from '../ownership/synthetic-jobs.ts';
import type { QuestDb } from '../questdb/http.ts';

export interface PlayOptions {
  readonly scenario: ScenarioOptions;
  /** Epoch µs; the last tick lies before it. */
  readonly endUs: number;
  readonly lanes: readonly Lane[];
  readonly batchRows: number;
  /** Tables and rollups exist. */
  readonly db: QuestDb;
  readonly tell: Tell;
  readonly onProgress?: (acknowledgedRows: number) => void;
}

/** How often to look what the rings hold: a batch takes the store ten times as long. */
const LOOK_MS = 8;
const BATCHES_IN_RING = 8;
/**
 * Of what a flush has begun with, what it still has to send when the next one begins. That begins with queries and the small
 * tables; were no samples on their way meanwhile, the store would do its work in smaller, dearer pieces.
 */
const BATCHES_LEFT = 3;
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
    tell: options.tell,
  });
  const sampling = { isEnded: false };
  const ended = collector.ended.then(() => {
    sampling.isEnded = true;
  });
  // A failure is heard by the race below, and its end by the flag; until then nobody else may take it for unhandled.
  const failed = ended.then(() => new Promise<never>(() => undefined));
  failed.catch(() => undefined);
  const progress = watchProgress(options, () => collector.account());
  let flushing = begin(Promise.resolve(true));
  let flushedRows = 0;
  const isDue = (): boolean => {
    const { sampledRows, heldRows } = progress.look();
    const newRows = sampledRows - flushedRows;
    const isWorthIt = sampling.isEnded || newRows >= options.batchRows;
    return flushing.hasLeft() || (isWorthIt && heldRows - newRows <= BATCHES_LEFT * options.batchRows);
  };
  for (;;) {
    do {
      // A failure of the worker is heard here and not a minute later.
      await Promise.race([sleep(LOOK_MS), failed]);
      if (progress.isStuck()) throw await stuck(collector, db.where);
    } while (!isDue());
    const wasEnded = sampling.isEnded;
    flushedRows = progress.look().sampledRows;
    const before = flushing;
    flushing = begin(collector.flush());
    // Two at a time: while one sends its samples, the next learns of the jobs and writes the small tables.
    await before.isTaken;
    if (wasEnded && (await flushing.isTaken)) break;
  }
  await ended;
  return collector.account();
}

interface Flushing {
  readonly isTaken: Promise<boolean>;
  /** Whether it is over and the store has not taken everything. */
  hasLeft(): boolean;
}

/** A flush that is awaited later than it may fail. */
function begin(isTaken: Promise<boolean>): Flushing {
  let hasLeft = false;
  isTaken.then(
    (isAll) => {
      hasLeft = !isAll;
    },
    () => {
      hasLeft = true;
    },
  );
  return { isTaken, hasLeft: () => hasLeft };
}

async function stuck(collector: Collector, where: string): Promise<OperatingError> {
  await collector.stopSampling(1000);
  return new OperatingError('QuestDB has taken nothing for a minute', {
    code: 'play.stuck',
    exit: 'temporary',
    where,
  });
}

interface Progress {
  /** Rows of all lanes; what the store has taken since the last look is told. */
  look(): { readonly sampledRows: number; readonly heldRows: number };
  isStuck(): boolean;
}

function watchProgress({ onProgress }: PlayOptions, account: () => readonly LaneAccount[]): Progress {
  let lastRows = 0;
  let lastMoveMs = performance.now();
  return {
    look() {
      const lanes = account();
      const sampledRows = lanes.reduce((sum, lane) => sum + lane.sampledRows, 0);
      const acknowledgedRows = lanes.reduce((sum, lane) => sum + lane.acknowledgedRows, 0);
      if (acknowledgedRows > lastRows) {
        lastRows = acknowledgedRows;
        lastMoveMs = performance.now();
        onProgress?.(acknowledgedRows);
      }
      return { sampledRows, heldRows: lanes.reduce((sum, lane) => sum + lane.heldRows, 0) };
    },
    isStuck: () => performance.now() - lastMoveMs > STUCK_MS,
  };
}

/** Room for some batches; a real clock would not fill it. */
function roomier(lane: Lane, batchRows: number, { nodes, gpusPerNode }: ScenarioOptions): Lane {
  const batchTicks = Math.ceil(batchRows / (nodes * gpusPerNode));
  return { ...lane, capacityTicks: Math.max(lane.capacityTicks, BATCHES_IN_RING * batchTicks) };
}
