import { join } from 'node:path';
import { allTables } from '../../schemas/tables.ts';
import type { Config } from '../config/config.ts';
import type { Device } from '../core/devices/device.ts';
import type { Lane } from '../core/fields/lane.ts';
import { OperatingError } from '../core/base/errors.ts';
import { toEach, type Tell } from '../core/base/notice.ts';
import type { LaneDisk } from '../delivery/delivery-place.ts';
import { VERSION } from '../config/package-version.ts';
import type { SourceSpec } from '../source/open-source.ts';
import type { ClockOrder } from '../sampler/sampler-protocol.ts';
import { deadLetterDirectory, openDeadLetters, type DeadLetters } from '../disk/dead-letter.ts';
import { realDisk } from '../disk/disk.ts';
import { tellAutoCreationOnce } from '../questdb/auto-creation.ts';
import { openQuestDb, type QuestDb } from '../questdb/http.ts';
import { refuseBesideRealRows } from '../questdb/reads/real-devices.ts';
import { readNodeWatermarks } from '../questdb/reads/watermark.ts';
import { applySchema } from '../questdb/schema/apply.ts';
import { lockDirectory } from '../disk/state-lock.ts';
import { openProcessUse } from '../source/nvml/process-use-thread.ts';
import { sourceSpecOf } from '../source/source-spec.ts';
import { openCollector, type Collector } from './collector.ts';
import { clusterOf, jobInputsOf } from './job-inputs.ts';
import { intakeAfter, isOfEngine, type FormerSampling, type Intake, type NextIntake } from './intake.ts';
import { lookOnceMore, SAMPLER_PATIENCE_MS, shutDown } from './shut-down.ts';
import { createStatusKeeper } from './status-keeper.ts';

/** Jobs that go on by the clock until they are stopped. */
export interface Schedule {
  /** Begins no run any more; those that are under way go on. */
  stop(): Promise<void>;
  /** Resolves when no run is under way. */
  idle(): Promise<void>;
}

/** Tells of jobs that idle, beside a collector, which it never holds up. */
export interface IdleWatching {
  /** What keeps it from looking is told once. */
  look(): Promise<void>;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/** Asks the scheduler how its cluster is, beside a collector, which it never holds up. */
export interface ClusterPolling {
  readonly everyMs: number;
  /** What keeps it from asking is told once. */
  poll(): Promise<void>;
  /** Breaks off what is under way. */
  close(): void;
}

/** Writes the digest of each month, beside a collector, which it never holds up. */
export interface Digesting {
  /** Cron line. */
  readonly schedule: string;
  /** Of the last ended month. What keeps it from that is told, and tried again for some hours. */
  digest(): Promise<void>;
  /** Breaks off what is under way. */
  close(): void;
}

/** What a collector does by the clock, as far as that is not always the same. */
interface CollectingParts {
  readonly flushIntervalMs: number;
  /** How often the cgroups of jobs are read; undefined: never. */
  readonly hostIntervalMs: number | undefined;
  /** Where somebody wants to be told of jobs that idle. */
  readonly idleWatch: IdleWatching | undefined;
  /** Where this machine asks for its cluster. */
  readonly clusterPolling: ClusterPolling | undefined;
  /** Where this machine writes digests. */
  readonly digesting: Digesting | undefined;
}

/** What makes the schedules of a collection. */
export interface Scheduling {
  /** Everything that a collector does by the clock, beside sampling. */
  collecting(collector: Collector, parts: CollectingParts, tell: Tell): Schedule;
  /** The ticks of lanes that a cron line drives. */
  ticking(lanes: readonly Lane[], requestTick: (laneIndex: number) => void, tell: Tell): Schedule;
}

export interface CollectionOptions {
  readonly config: Config;
  readonly clock: ClockOrder;
  readonly scheduling: Scheduling;
  /** Makes what tells of jobs that idle; none where nobody wants to be told. @param devices of this node */
  readonly watchIdle?: (
    db: QuestDb,
    config: Config,
    devices: readonly Device[],
    tell: Tell,
  ) => IdleWatching | undefined;
  /** Makes what asks the scheduler; none where nobody wants it. */
  readonly pollCluster?: (db: QuestDb, config: Config, tell: Tell) => ClusterPolling | undefined;
  /** Makes what writes digests; none where nobody wants it. */
  readonly writeDigests?: (db: QuestDb, config: Config, tell: Tell) => Digesting | undefined;
  /** True: a store that does not answer is an error now; false: sampling begins, the store may come. */
  readonly isStoreNeeded: boolean;
  /** Whether made-up samples may go into a store that has real ones. */
  readonly isForced?: boolean;
  /**
   * The new one takes its place, sampling all the while. When that fails while the former one is at work, that goes on as if
   * nothing had been.
   */
  readonly former?: FormerSampling;
  readonly tell: Tell;
}

/** A collector at work with its cron jobs, as `run` and `collect` drive it. */
export interface Collection extends FormerSampling {
  readonly collector: Collector;
  readonly db: QuestDb;
  /** Stops ticking, writes what is left within the deadline, closes. @returns whether everything was acknowledged. */
  close(): Promise<boolean>;
  readonly stateDir: string;
  /** It samples and writes: no other has taken its place. */
  readonly isAtWork: boolean;
  /**
   * Ends as fast as it can, since another collection has taken its sampling over: what the rings hold goes to the spool,
   * and the next one sends it.
   */
  retire(): Promise<void>;
  /** Asks for the ticks of the lanes that a cron schedule drives. */
  readonly ticks: Schedule;
}

/** Opens store and source and starts collecting. @throws OperatingError when the source, or a store that is needed, is not there */
export async function startCollection(options: CollectionOptions): Promise<Collection> {
  const { config, clock, scheduling, isStoreNeeded, former, tell } = options;
  const db = await openQuestDb(config.questdb.clientConf, {
    requestTimeoutMs: config.questdb.requestTimeoutMs,
    gzip: config.questdb.gzip,
  });
  const status = createStatusKeeper(config.stateDir, { startMs: Date.now(), store: db.where }, tell);
  let disk: CollectionDisk | undefined;
  let intake: Intake | undefined;
  try {
    const tellAutoCreation = tellAutoCreationOnce(db, tell);
    const prepareStore = async (): Promise<void> => {
      await db.checkServer();
      await tellAutoCreation();
      const changes = await applySchema(db, config.lanes, config.retention);
      for (const { object, detail } of changes.filter(({ action }) => action === 'kept'))
        tell({ level: 'warn', code: 'schema.kept', sentence: `${object}: ${detail}` });
      if (config.source === 'synthetic' && options.isForced !== true) await refuseBesideRealRows(db);
    };
    if (isStoreNeeded) await prepareStore();
    // The former one's own directory is free once that has retired.
    const isTakenOver = former?.stateDir === config.stateDir;
    if (!isTakenOver) disk = await openDisk(config, isStoreNeeded, tell);
    const cluster = await clusterOf(config);
    const spec = sourceSpecOf(config);
    const source = cluster === undefined ? spec : { ...spec, cluster };
    const jobInputs = await jobInputsOf(config, source);
    let ticks: Schedule | undefined;
    if (former !== undefined) {
      intake = await intakeAfter(former.intake, nextIntake(config, source));
      ticks = tickByCron(intake, scheduling, tell);
      await former.retire();
    }
    if (isTakenOver) disk = await openDisk(config, isStoreNeeded, tell);
    const collector = await openCollector({
      lanes: config.lanes,
      source,
      clock,
      ...(intake === undefined ? {} : { intake }),
      jobInputs,
      db,
      prepareStore,
      storeTables: allTables(config.lanes, config.retention),
      // A window of its own begins anew, unless an engine kept what came before.
      ...(isResident(clock) || isOfEngine(source)
        ? { storedRows: (lane) => readNodeWatermarks(db, lane, config.node, Date.now() * 1000) }
        : {}),
      batchRows: config.flush.batchRows,
      // Made-up GPUs have no processes. Libnvidia-ml comes with the driver, beside DCGM too.
      ...(source.name === 'dcgm' || source.name === 'nvml'
        ? { processUse: openProcessUse(config.nvml.library) }
        : {}),
      ...hostOf(config),
      version: VERSION,
      confirm: config.delivery.confirm,
      ...disk?.options,
      onStats: (own) => {
        if (disk !== undefined) status.write(collector, own);
      },
      tell: toEach([tell, status.hear]),
    });
    if (disk !== undefined) status.write(collector, { rssBytes: process.memoryUsage.rss() });
    const cronTicks = ticks ?? tickByCron(collector.intake, scheduling, tell);
    const idleWatch = options.watchIdle?.(db, config, collector.devices, tell);
    const clusterPolling = options.pollCluster?.(db, config, tell);
    const digesting = options.writeDigests?.(db, config, tell);
    const parts = partsOf(config, { idleWatch, clusterPolling, digesting });
    const schedule = scheduling.collecting(collector, parts, tell);
    let isRetired = false;
    return {
      ...{ collector, intake: collector.intake, db },
      get isAtWork() {
        return !isRetired && !collector.intake.sampler.control.shouldStop;
      },
      stateDir: config.stateDir,
      ticks: cronTicks,
      async close() {
        if (isRetired) return true;
        await cronTicks.stop();
        await schedule.stop();
        clusterPolling?.close();
        digesting?.close();
        await idleWatch?.close();
        const isAllWritten = await shutDown(collector, () => schedule.idle(), tell);
        if (disk !== undefined) status.write(collector, { rssBytes: process.memoryUsage.rss() });
        collector.close();
        disk?.release();
        await db.close();
        return isAllWritten;
      },
      async retire() {
        isRetired = true;
        await cronTicks.stop();
        await schedule.stop();
        clusterPolling?.close();
        digesting?.close();
        await idleWatch?.close();
        await lookOnceMore(collector);
        collector.stopSending();
        await collector.flush();
        await schedule.idle();
        collector.close();
        disk?.release();
        await db.close();
      },
    };
  } catch (thrown) {
    intake?.sampler.control.stop();
    disk?.release();
    await db.close();
    throw thrown;
  }
}

function partsOf(
  { flush, host }: Config,
  beside: Pick<CollectingParts, 'idleWatch' | 'clusterPolling' | 'digesting'>,
): CollectingParts {
  return { flushIntervalMs: flush.intervalMs, hostIntervalMs: host.intervalMs, ...beside };
}

/** Absent where nobody wants to know what jobs do on the node. */
function hostOf({ host }: Config): { readonly cgroupRoot?: string } {
  return host.intervalMs === undefined ? {} : { cgroupRoot: host.cgroupRoot };
}

function nextIntake(config: Config, source: SourceSpec): NextIntake {
  return {
    lanes: config.lanes,
    source,
    disk: { directory: deliveryDirectory(config), hasJournal: config.delivery.hasJournal },
    nowMs: steadyNowMs(),
    patienceMs: SAMPLER_PATIENCE_MS,
  };
}

/** Of the wall clock as it was when this process began: a clock that is set must not make what is kept look old. */
function steadyNowMs(): number {
  return performance.timeOrigin + performance.now();
}

function tickByCron({ lanes, sampler }: Intake, scheduling: Scheduling, tell: Tell): Schedule {
  const requestTick = (laneIndex: number): void => {
    sampler.control.requestTick(laneIndex);
  };
  return scheduling.ticking(lanes, requestTick, tell);
}

function isResident(clock: ClockOrder): boolean {
  return clock.kind === 'real' && clock.forMs === undefined;
}

function deliveryDirectory({ stateDir }: Config): string {
  return join(stateDir, 'delivery');
}

interface CollectionDisk {
  readonly options: { readonly disk: LaneDisk; readonly deadLetters: DeadLetters };
  release(): void;
}

/**
 * Claims the state directory. A short `collect` beside a resident `run` goes without it: its rows then wait in memory.
 * @throws OperatingError `state.locked`, `state.lock`, `state.disk` when the command is to live long
 */
async function openDisk(config: Config, isShort: boolean, tell: Tell): Promise<CollectionDisk | undefined> {
  const directory = deliveryDirectory(config);
  try {
    const release = await lockDirectory(directory);
    const disk: LaneDisk = {
      disk: realDisk,
      directory,
      ...config.delivery,
      nowMs: steadyNowMs,
    };
    return {
      options: {
        disk,
        deadLetters: openDeadLetters(realDisk, deadLetterDirectory(config.stateDir), tell, Date.now),
      },
      release,
    };
  } catch (thrown) {
    if (!isShort || !(thrown instanceof OperatingError)) throw thrown;
    const sentence = `${thrown.message}: rows that the store does not take are kept in memory only`;
    tell({ level: 'warn', code: thrown.code, sentence });
    return undefined;
  }
}
