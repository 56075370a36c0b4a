import { join } from 'node:path';
import type { Config } from '../../schemas/config/config.ts';
import type { Status } from '../../schemas/status.ts';
import { residentJobs } from '../../jobs/resident.ts';
import { sampleLaneJobs } from '../../jobs/sample-lane.ts';
import { scheduleJobs, type Schedule } from '../../jobs/schedule.ts';
import { openCollector, type Collector } from '../collector/collector.ts';
import type { Device } from '../core/devices/device.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import type { Tell } from '../core/base/notice.ts';
import { createScenario } from '../core/synthetic/create-scenario.ts';
import type { LaneDisk } from '../delivery/delivery-place.ts';
import { intakeAfter, type Intake, type NextIntake } from '../collector/intake.ts';
import type { LaneAccount } from '../delivery/lane-accounts.ts';
import { VERSION } from '../config/package-version.ts';
import { JOURNAL_DIRECTORY, loadJobInputs } from '../ownership/open-inputs.ts';
import { createSyntheticJobs } from '../ownership/synthetic-jobs.ts';
import type { SourceSpec } from '../source/open-source.ts';
import type { ClockOrder } from '../sampler/sampler-protocol.ts';
import { openDeadLetters, type DeadLetters } from '../disk/dead-letter.ts';
import { realDisk } from '../disk/disk.ts';
import { openQuestDb, type QuestDb } from '../questdb/http.ts';
import { newestSamplesOf } from '../questdb/reads/newest-sample.ts';
import { applySchema } from '../questdb/schema/apply.ts';
import { lockDirectory } from '../disk/state-lock.ts';
import { statusPath, writeStatus } from '../disk/status-file.ts';
import { sourceSpecOf } from './source-spec.ts';

/** A collector at work with its cron jobs, as `run` and `collect` drive it. */
export interface Collection {
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

/** How long the shutdown may take: systemd's own patience is 90 s, Slurm's and Kubernetes' 30 s. */
const SHUTDOWN_DEADLINE_MS = 15_000;
/** A store that takes nothing for so long is left to the next run, when all rows are on disk. */
const STORE_PATIENCE_MS = 3_000;
/** A tick that is under way has this long to end; a native call can hang for a minute. */
export const SAMPLER_PATIENCE_MS = 2_000;

/**
 * Opens store and source and starts collecting.
 * @param isStoreNeeded true: a store that does not answer is an error now; false: sampling begins, the store may come.
 * @param former takes its place, sampling all the while. When that fails while
 * `former.isAtWork`, the former one goes on as if nothing had been.
 */
export async function startCollection(
  config: Config,
  clock: ClockOrder,
  isStoreNeeded: boolean,
  tell: Tell,
  former?: Collection,
): Promise<Collection> {
  const db = await openQuestDb(config.questdb.clientConf, {
    requestTimeoutMs: config.questdb.requestTimeoutMs,
    gzip: config.questdb.gzip,
  });
  const startMs = Date.now();
  let disk: CollectionDisk | undefined;
  let intake: Intake | undefined;
  try {
    const prepareStore = async (): Promise<void> => {
      await db.checkServer();
      await applySchema(db, config.lanes, config.retention);
    };
    if (isStoreNeeded) await prepareStore();
    // The same directory is free once the former one has retired.
    if (former?.stateDir !== config.stateDir) disk = await openDisk(config, isStoreNeeded, tell);
    const source = await resumed(sourceSpecOf(config), config, db, tell);
    const jobInputs = await jobInputsOf(config, source);
    let ticks: Schedule | undefined;
    if (former !== undefined) {
      intake = await intakeAfter(former.collector.intake, nextIntake(config, source));
      ticks = tickByCron(intake, tell);
      await former.retire();
    }
    disk ??= await openDisk(config, isStoreNeeded, tell);
    const collector = await openCollector({
      lanes: config.lanes,
      source,
      clock,
      ...(intake === undefined ? {} : { intake }),
      jobInputs,
      db,
      prepareStore,
      batchRows: config.flush.batchRows,
      version: VERSION,
      confirm: config.delivery.confirm,
      ...disk?.options,
      onStats: (own) => {
        if (disk !== undefined)
          keepStatus(config.stateDir, collector, { startMs, store: db.where, ...own }, tell);
      },
      tell,
    });
    const cronTicks = ticks ?? tickByCron(collector.intake, tell);
    const schedule = scheduleJobs(residentJobs(collector, config.flush.intervalMs), tell);
    let isRetired = false;
    return {
      collector,
      db,
      get isAtWork() {
        return !isRetired && !collector.intake.sampler.control.shouldStop;
      },
      stateDir: config.stateDir,
      ticks: cronTicks,
      async close() {
        if (isRetired) return true;
        await cronTicks.stop();
        await schedule.stop();
        const isAllWritten = await shutDown(collector, tell);
        const own = { startMs, store: db.where, rssBytes: process.memoryUsage.rss() };
        if (disk !== undefined) keepStatus(config.stateDir, collector, own, tell);
        collector.close();
        disk?.release();
        await db.close();
        return isAllWritten;
      },
      async retire() {
        isRetired = true;
        await cronTicks.stop();
        await schedule.stop();
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

function nextIntake(config: Config, source: SourceSpec): NextIntake {
  return {
    lanes: config.lanes,
    source,
    disk: { directory: deliveryDirectory(config), hasJournal: config.delivery.hasJournal },
    nowMs: Date.now(),
    patienceMs: SAMPLER_PATIENCE_MS,
  };
}

function tickByCron({ lanes, sampler }: Intake, tell: Tell): Schedule {
  const requestTick = (laneIndex: number): void => {
    sampler.control.requestTick(laneIndex);
  };
  return scheduleJobs(sampleLaneJobs(lanes, requestTick), tell);
}

/** A host engine kept on sampling while no collector ran; it is told from where on what it kept is wanted. */
async function resumed(source: SourceSpec, config: Config, db: QuestDb, tell: Tell): Promise<SourceSpec> {
  if (source.name !== 'dcgm' || source.engine === undefined || source.engine === 'embedded') return source;
  const tables = config.lanes.map(({ table }) => table);
  return { ...source, resumeFromUs: await newestSamplesOf(db, tables, config.node, tell) };
}

/**
 * Flushes until the store has everything; until the deadline while it takes rows or some are in memory only; a little
 * while otherwise. Then what is left is on the disk.
 */
async function shutDown(collector: Collector, tell: Tell): Promise<boolean> {
  const endMs = performance.now() + SHUTDOWN_DEADLINE_MS;
  const giveUp = setTimeout(collector.stopSending, SHUTDOWN_DEADLINE_MS);
  const sum = (amount: (lane: LaneAccount) => number): number =>
    collector.account().reduce((total, lane) => total + amount(lane), 0);
  await collector.stopSampling(SAMPLER_PATIENCE_MS);
  const callMs = collector.callMs();
  if (callMs >= SAMPLER_PATIENCE_MS) {
    const sentence = `the source has not answered for ${(callMs / 1000).toFixed(1)} s: going without what it holds`;
    tell({ level: 'warn', code: 'source.silent', sentence, data: { callMs } });
  }
  collector.noteStats();
  let isAllWritten = await collector.flush();
  let acknowledgedRows = sum((lane) => lane.acknowledgedRows);
  let lastMoveMs = performance.now();
  while (!isAllWritten && performance.now() < endMs) {
    const isIdle = performance.now() - lastMoveMs > STORE_PATIENCE_MS;
    if (isIdle && sum((lane) => lane.heldRows) === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
    isAllWritten = await collector.flush();
    const rows = sum((lane) => lane.acknowledgedRows);
    if (rows > acknowledgedRows) lastMoveMs = performance.now();
    acknowledgedRows = rows;
  }
  clearTimeout(giveUp);
  if (isAllWritten) return true;
  const spooledRows = sum((lane) => lane.spooledRows);
  const heldRows = sum((lane) => lane.heldRows);
  const lost = heldRows === 0 ? '' : `; ${heldRows} could not be spooled`;
  const sentence = `the store did not take everything: ${spooledRows} rows are spooled and will be sent by the next run${lost}`;
  tell({
    level: heldRows === 0 ? 'warn' : 'error',
    code: 'shutdown.unsent',
    sentence,
    data: { spooledRows, heldRows },
  });
  return false;
}

/** For `gpuledger status`. One that cannot be written is no reason to stop. */
function keepStatus(
  stateDir: string,
  collector: Collector,
  own: Pick<Status, 'startMs' | 'store' | 'cpuRatio' | 'rssBytes'>,
  tell: Tell,
): void {
  const { description, devices, source } = collector;
  try {
    writeStatus(statusPath(stateDir), {
      ...own,
      pid: process.pid,
      atMs: Date.now(),
      node: devices[0]!.node,
      source,
      description,
      deviceCount: devices.length,
      lanes: [...collector.account()],
    });
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    tell({ level: 'warn', code: thrown.code, sentence: thrown.message });
  }
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
      nowMs: Date.now,
    };
    return {
      options: {
        disk,
        deadLetters: openDeadLetters(realDisk, join(config.stateDir, 'dead-letter'), tell, Date.now),
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

/** Directories that the user names are believed; without any, synthetic GPUs bring the jobs of their own scenario. */
async function jobInputsOf(
  config: Config,
  source: SourceSpec,
): Promise<(devices: readonly Device[]) => readonly JobInput[]> {
  const { hpcJobMappingDir, journalDir, gpustatDir } = config.jobs;
  if ((hpcJobMappingDir ?? journalDir ?? gpustatDir) !== undefined) return await loadJobInputs(config.jobs);
  if (source.name === 'synthetic') return () => [createSyntheticJobs(createScenario(source.scenario))];
  return await loadJobInputs({ ...config.jobs, journalDir: JOURNAL_DIRECTORY });
}
