import { setTimeout as sleep } from 'node:timers/promises';
import { EMPTY_LEDGER } from '../core/base/ledger.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Tell } from '../core/base/notice.ts';
import { REMEMBERED_US, type RelabelWindow } from '../core/jobs/relabel.ts';
import type { Interval } from '../core/jobs/interval.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import type { Sink } from '../core/wire/sink.ts';
import { withBisect } from '../delivery/with-bisect.ts';
import type { DeadLetters } from '../disk/dead-letter.ts';
import type { EngineStore } from './engine.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { OlderNews } from '../job-map/session.ts';
import { readOpenThrottles } from '../questdb/reads/open-throttles.ts';
import { sleepUntil } from '../questdb/gate.ts';
import type { QuestDb } from '../questdb/http.ts';
import { relabelSamples } from '../questdb/rows/relabel-samples.ts';
import { withRetries } from '../questdb/with-retries.ts';
import type { CollectorStat, SmallTables } from '../questdb/rows/small-tables.ts';
import { readStoredOwnership } from '../questdb/reads/stored-ownership.ts';
import { readOldWatermarks, readWatermarks, type Watermarks } from '../questdb/reads/watermark.ts';

const ATTEMPTS_MAX = 4;
/** With less time than this the figures of ended jobs are left to the next drain. */
const FIGURES_MS_MIN = 3_000;

export interface DrainStoreOptions {
  readonly db: QuestDb;
  readonly lanes: readonly Lane[];
  /** Resolves when the tables are there. */
  readonly ready: Promise<unknown>;
  /** Bounds the sending, ms of `performance.now()`. */
  readonly deadlineMs: number;
  /** Receives the rows that the server refuses. */
  readonly deadLetters: DeadLetters;
  readonly tell: Tell;
}

export interface DrainStore extends EngineStore {
  /** Writes the figures of jobs that have settled on the drained devices, as far as the time allows. */
  writeFigures(): Promise<void>;
  /** Writes what the drain tells of itself, in one request for all engines; what the store does not take is logged. */
  writeStats(): Promise<void>;
}

/** The store as the engines' processes see it. The watermarks of the whole fleet are read once, by one query a lane. */
export function createDrainStore(options: DrainStoreOptions): DrainStore {
  const { db, lanes, tell } = options;
  const startUs = Date.now() * 1000;
  const fleet = options.ready.then(() =>
    Promise.all(lanes.map((lane) => readWatermarks(db, lane, startUs, tell))),
  );
  // The error reaches the engines that ask for a plan. Without any, it must not count as an unhandled rejection.
  fleet.catch(() => undefined);

  const sink = sinkUntil(options);
  let heldError: OperatingError | undefined;
  const held: CollectorStat[] = [];
  const leftGpus = new Set<string>();
  const windows: RelabelWindow[] = [];
  let opened: Promise<SmallTables> | undefined;
  const openTables = async (): Promise<SmallTables> => {
    const [{ createSmallTables }, { withKnownSets }, { withPlacedEvents }] = await Promise.all([
      import('../questdb/rows/small-tables.ts'),
      import('../questdb/rows/known-sets.ts'),
      import('../questdb/rows/placed-events.ts'),
    ]);
    const remembered: Sink = {
      async send(batch) {
        const fate = await sink.send(batch);
        heldError = fate.unsent?.error ?? heldError;
        return fate;
      },
    };
    return withPlacedEvents(db, withKnownSets(db, createSmallTables(remembered, tell), tell), tell);
  };
  const tables = (): Promise<SmallTables> => (opened ??= openTables());
  /** Rows that are not taken now stay with the engine, and the watermark stays behind them. */
  const need = async (taken: Promise<boolean>): Promise<void> => {
    if (await taken) return;
    throw heldError ?? new OperatingError('QuestDB did not take the rows', HELD);
  };

  async function labelOlder(older: OlderNews): Promise<readonly Interval[]> {
    const { createLateWork, hearing } = await import('../job-map/late-work.ts');
    const corrected: Interval[] = [];
    const late = createLateWork({
      db,
      tables: lanes.map(({ table }) => table),
      areRowsLast: true,
      tell,
      // Whoever labelled the samples of this drain had not read what is stored of older times.
      session: hearing({ ...older, untilUs: Date.now() * 1000 }),
      storeSets: async (sets) => await (await tables()).writeOwnerSets(sets),
      onDone: (done) => {
        corrected.push(...done.corrected);
        windows.push(...done.windows);
      },
    });
    if (!(await late.finish())) throw new OperatingError('late facts wait for QuestDB', HELD);
    return corrected;
  }

  return {
    async plan(gpus) {
      const marks = await fleet;
      const before = await Promise.all(
        lanes.map(async (lane, index) => await rowsBefore(db, lane, marks[index]!, gpus)),
      );
      const oldestUs = Math.min(
        startUs,
        ...before.flatMap((rows) => [...rows.values()].map(({ tsUs }) => tsUs)),
      );
      const [ownership, throttled] = await Promise.all([
        readStoredOwnership(db, gpus, oldestUs - REMEMBERED_US),
        readOpenThrottles(db, gpus, oldestUs),
      ]);
      // The official client takes a while to load: while the engine's process pulls, it is not missed.
      setImmediate(() => void tables());
      return { before, behind: marks.map(({ behind }) => behind), ownership, throttled };
    },
    async writeSamples(batch) {
      const fate = await sink.send(batch);
      if (fate.unsent !== undefined) throw fate.unsent.error;
      return fate;
    },
    async writeBefore({ ownerSets, events, inventory }) {
      if (ownerSets.length + events.length + inventory.length === 0) return;
      const small = await tables();
      if (ownerSets.length > 0) await need(small.writeOwnerSets(ownerSets));
      await need(small.writeEvents(events));
      await need(small.writeInventory(inventory));
    },
    async writeAfter({ relabel, older, ownership, jobs, leftGpus: left, stats }, ledgers) {
      held.push(...stats.map((stat) => ({ ...stat, ...(ledgers.get(stat.lane) ?? EMPTY_LEDGER) })));
      if (relabel.length > 0) {
        for (const { table } of lanes) await relabelSamples(db, table, relabel);
      }
      const corrected = older === undefined ? [] : await labelOlder(older);
      if (jobs.length + ownership.length + corrected.length > 0) {
        const small = await tables();
        await need(small.writeJobs(jobs));
        await need(small.writeOwnership([...ownership, ...corrected]));
      }
      for (const gpu of left) leftGpus.add(gpu);
    },
    async writeFigures() {
      const leftMs = options.deadlineMs - performance.now();
      if (leftGpus.size + windows.length === 0 || leftMs < FIGURES_MS_MIN) return;
      const { createJobFiguresWriter } = await import('../job-map/job-figures.ts');
      const nowUs = (): number => Date.now() * 1000;
      const writer = createJobFiguresWriter({ db, lanes, gpus: [...leftGpus], nowUs, tell });
      writer.renew(windows, 0);
      // What is not written in time is written by the next drain.
      await Promise.race([writer.settle(nowUs()), sleep(leftMs, undefined, { ref: false })]);
    },
    async writeStats() {
      if (held.length === 0) return;
      await (await tables()).writeCollectorStats(held);
    },
  };
}

/** The way of all rows of a drain: the same as a collector's, but for the spool and with an end. */
function sinkUntil({ db, deadlineMs, deadLetters, tell }: DrainStoreOptions): Sink {
  const leftMs = Math.max(0, Math.floor(deadlineMs - performance.now()));
  const signal = AbortSignal.timeout(leftMs);
  const patient = withRetries(
    { send: (batch) => db.send(batch, signal) },
    {
      attemptsMax: ATTEMPTS_MAX,
      ageMsMax: leftMs,
      random: Math.random,
      nowMs: () => performance.now(),
      sleep: sleepUntil,
      signal,
    },
  );
  return withBisect(patient, deadLetters, tell);
}

const HELD = {
  code: 'drain.held',
  exit: 'temporary',
  hints: ['the engines keep their samples; the next drain writes them'],
} as const;

async function rowsBefore(
  db: QuestDb,
  lane: Lane,
  marks: Watermarks,
  gpus: readonly string[],
): Promise<ReadonlyMap<string, RowBefore>> {
  const silent = gpus.filter((gpu) => !marks.rows.has(gpu));
  const old = await readOldWatermarks(db, lane, silent);
  return new Map(
    gpus.flatMap((gpu) => {
      const row = marks.rows.get(gpu) ?? old.get(gpu);
      return row === undefined ? [] : [[gpu, row] as const];
    }),
  );
}
