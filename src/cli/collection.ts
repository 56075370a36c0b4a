import type { Config } from '../../schemas/config.ts';
import { residentJobs } from '../../jobs/resident.ts';
import { scheduleJobs } from '../../jobs/schedule.ts';
import { openCollector, type Collector } from '../collector.ts';
import type { Device } from '../core/device.ts';
import type { JobInput } from '../core/job-fact.ts';
import type { Log } from '../core/log-entry.ts';
import { createScenario } from '../core/synthetic/create-scenario.ts';
import { JOURNAL_DIRECTORY, openJobInputs } from '../ownership/open-inputs.ts';
import { createSyntheticJobs } from '../ownership/synthetic-jobs.ts';
import type { SourceSpec } from '../source/open-source.ts';
import type { ClockOrder } from '../source/sampler-protocol.ts';
import { openQuestDb, type QuestDb } from '../store/questdb-http.ts';
import { applySchema } from '../store/schema-apply.ts';

/** A collector at work with its cron jobs, as `run` and `collect` drive it. */
export interface Collection {
  readonly collector: Collector;
  readonly db: QuestDb;
  /** Stops ticking, writes what is left within the deadline, closes. @returns whether everything was acknowledged. */
  close(): Promise<boolean>;
}

/** How long the shutdown may take: systemd's own patience is 90 s, Slurm's and Kubernetes' 30 s. */
const SHUTDOWN_DEADLINE_MS = 15_000;
/** A tick that is under way has this long to end; a native call can hang for a minute. */
const SAMPLER_PATIENCE_MS = 2_000;

/**
 * Opens store and source and starts collecting.
 * @param isStoreNeeded true: a store that does not answer is an error now; false: sampling begins, the store may come.
 */
export async function startCollection(
  config: Config,
  clock: ClockOrder,
  isStoreNeeded: boolean,
  log: Log,
): Promise<Collection> {
  const db = await openQuestDb(config.questdb.clientConf, {
    requestTimeoutMs: config.questdb.requestTimeoutMs,
  });
  try {
    const prepareStore = async (): Promise<void> => {
      await db.checkServer();
      await applySchema(db, config.lanes, config.retention);
    };
    if (isStoreNeeded) await prepareStore();
    const source = sourceSpecOf(config);
    const collector = await openCollector({
      lanes: config.lanes,
      source,
      clock,
      jobInputs: (devices) => jobInputsOf(config, source, devices),
      db,
      prepareStore,
      batchRows: config.flush.batchRows,
      log,
    });
    const schedule = scheduleJobs(residentJobs(collector, config.flush.intervalMs), log);
    return {
      collector,
      db,
      async close() {
        await schedule.stop();
        const isAllWritten = await shutDown(collector, log);
        await db.close();
        return isAllWritten;
      },
    };
  } catch (thrown) {
    await db.close();
    throw thrown;
  }
}

async function shutDown(collector: Collector, log: Log): Promise<boolean> {
  const endMs = performance.now() + SHUTDOWN_DEADLINE_MS;
  await collector.stopSampling(SAMPLER_PATIENCE_MS);
  collector.noteStats();
  for (;;) {
    if (await collector.flush()) return true;
    if (performance.now() > endMs) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const heldRows = collector.account().reduce((sum, lane) => sum + lane.heldRows, 0);
  log({
    level: 'error',
    event: 'shutdown.unsent',
    text: `the store did not take ${heldRows} rows; they are lost`,
    data: { heldRows },
  });
  return false;
}

function sourceSpecOf(config: Config): SourceSpec {
  switch (config.source) {
    case 'synthetic': {
      const { nodes, gpus, seed, mig } = config.synthetic;
      const nodeNames = nodes === 1 ? { nodeNames: [config.node] } : {};
      return {
        name: 'synthetic',
        scenario: {
          kind: 'steady',
          seed,
          nodes,
          gpusPerNode: gpus,
          mig,
          startUs: Date.now() * 1000,
          ...nodeNames,
        },
      };
    }
    case 'recording':
      return { name: 'recording', file: config.recording.file ?? '' };
    case 'dcgm':
    case 'nvml':
      return { name: config.source };
  }
}

/** Directories that the user names are believed; without any, synthetic GPUs bring the jobs of their own scenario. */
function jobInputsOf(config: Config, source: SourceSpec, devices: readonly Device[]): JobInput[] {
  const { hpcJobMappingDir, journalDir, gpustatDir } = config.jobs;
  if ((hpcJobMappingDir ?? journalDir ?? gpustatDir) !== undefined)
    return openJobInputs(config.jobs, devices);
  if (source.name === 'synthetic') return [createSyntheticJobs(createScenario(source.scenario))];
  return openJobInputs({ journalDir: JOURNAL_DIRECTORY }, devices);
}
