import type { Config } from '../config/config.ts';
import { createFaultEpisode } from '../core/base/fault-episode.ts';
import type { Tell } from '../core/base/notice.ts';
import type { ClusterPolling } from '../collector/collection.ts';
import { findClusterLoad } from '../ownership/schedulers.ts';
import type { QuestDb } from '../questdb/http.ts';
import { pollCluster, type PollOptions, type PollOutcome } from './poll-cluster.ts';

/** A poll may come late, or fail once, without leaving a hole. As a lane's ticks. */
const INTERVALS_PER_GAP = 2.5;
/** Of `jobs sync`, which does not know how often it is called: often enough for a cron job that calls it every five or ten minutes. */
const ONE_SHOT_GAP_MS = 900_000;

const LOST = { nodes: 'how the nodes are', queue: 'who waits' } as const;

/** Up to which distance of two polls the later one speaks for the time between. */
function pollGapMs({ scheduler: { pollMs } }: Pick<Config, 'scheduler'>): number {
  return pollMs === undefined ? ONE_SHOT_GAP_MS : INTERVALS_PER_GAP * pollMs;
}

/** Asks the scheduler of this machine once. @returns undefined where there is none that can be asked */
export async function pollClusterOnce(
  db: QuestDb,
  config: Pick<Config, 'cluster' | 'scheduler'>,
  tell: Tell,
  resident: Pick<PollOptions, 'signal' | 'toldRefusals'> = {},
): Promise<readonly PollOutcome[] | undefined> {
  const found = await findClusterLoad();
  if (found === undefined) return undefined;
  return await pollCluster(db, found.load, {
    cluster: config.cluster ?? found.cluster,
    gapMsMax: pollGapMs(config),
    nowUs: Date.now() * 1000,
    ...resident,
    tell,
  });
}

/** Asks again and again, beside a collector. @returns undefined where nobody wants it */
export function pollClusterBeside(
  db: QuestDb,
  config: Pick<Config, 'cluster' | 'scheduler'>,
  tell: Tell,
): ClusterPolling | undefined {
  const { pollMs: everyMs } = config.scheduler;
  if (everyMs === undefined) return undefined;
  const faults = { nodes: createFaultEpisode(tell, 'warn'), queue: createFaultEpisode(tell, 'warn') };
  const closing = new AbortController();
  const resident = { signal: closing.signal, toldRefusals: new Set<string>() };
  return {
    everyMs,
    async poll() {
      const outcomes = await pollClusterOnce(db, config, tell, resident);
      for (const { what, failure } of outcomes ?? []) {
        if (failure === undefined) faults[what].end();
        // What is broken off at the end is no fault.
        else if (!closing.signal.aborted) faults[what].fail(failure, `${failure.message}: ${lossOf(what)}`);
      }
    },
    close() {
      closing.abort();
    },
  };
}

function lossOf(what: PollOutcome['what']): string {
  return `${LOST[what]} stays unknown until it answers`;
}
