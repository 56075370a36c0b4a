import { availableParallelism } from 'node:os';
import type { Config } from '../config/config.ts';
import { realDisk } from '../disk/disk.ts';
import { deadLetterDirectory, openDeadLetters } from '../disk/dead-letter.ts';
import { requireDeadline } from './check-request.ts';
import { drain, type DrainSummary } from './drain.ts';
import { parseEngineTask, withoutRepeats, type EngineTask } from './engines.ts';
import type { WarmSlots } from './slot.ts';
import type { Tell } from '../core/base/notice.ts';
import { JOURNAL_DIRECTORY } from '../ownership/open-inputs.ts';
import type { QuestDb } from '../questdb/http.ts';

/** What a person, a timer or a function platform may ask for. Durations in ms; what is absent has its default. */
export interface DrainRequest {
  readonly engines: readonly EngineTask[];
  readonly keepMs?: number | undefined;
  readonly windowMs?: number | undefined;
  /** Where a device begins that has no row yet, ms before now. */
  readonly sinceMs?: number | undefined;
  readonly deadlineMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly isDryRun?: boolean | undefined;
  /** A directory with one journal folder per node. */
  readonly journals?: string | undefined;
}

const DRAIN_KEEP_MS = 600_000;
export const DRAIN_DEADLINE_MS = 50_000;
const CONCURRENCY_MAX = 64;

/** Engines asked at once: their answers cost this machine CPU, so more than there are cores would only cost memory. */
export function defaultConcurrency(): number {
  return Math.max(2, availableParallelism());
}

/** Runs one drain as the configuration and the request say. @throws OperatingError as `drain` does. */
export async function drainAsAsked(
  config: Config,
  request: DrainRequest,
  means: {
    readonly db: QuestDb;
    /** Of gpuledger, for `collector_stats`. */
    readonly version: string;
    readonly tell: Tell;
    readonly warm?: WarmSlots;
  },
): Promise<DrainSummary> {
  const { version, ...rest } = means;
  const deadlineMs = request.deadlineMs ?? DRAIN_DEADLINE_MS;
  requireDeadline(deadlineMs);
  const { windowMs, sinceMs, journals } = request;
  const { cluster } = config;
  const { library } = config.dcgm;
  const tasks =
    request.engines.length > 0 ? request.engines : [parseEngineTask('localhost:5555', config.node)];
  return await drain({
    tasks: withoutRepeats(tasks),
    settings: {
      lanes: config.lanes,
      keepMs: request.keepMs ?? DRAIN_KEEP_MS,
      batchRows: config.flush.batchRows,
      isDryRun: request.isDryRun === true,
      devices: config.devices,
      version,
      jobs: {
        local: { journalDir: JOURNAL_DIRECTORY, ...config.jobs },
        localNode: config.node,
        ...(journals === undefined ? {} : { journals }),
      },
      ...(cluster === undefined ? {} : { cluster }),
      ...(windowMs === undefined ? {} : { windowMs }),
      ...(sinceMs === undefined ? {} : { sinceUs: (Date.now() - sinceMs) * 1000 }),
      ...(library === undefined ? {} : { library }),
    },
    ...rest,
    deadLetters: openDeadLetters(realDisk, deadLetterDirectory(config.stateDir), means.tell, Date.now),
    retention: config.retention,
    deadlineMs,
    concurrency: Math.min(CONCURRENCY_MAX, request.concurrency ?? defaultConcurrency()),
  });
}
