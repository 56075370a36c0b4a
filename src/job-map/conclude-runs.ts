import { messageOf, OperatingError } from '../core/base/errors.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Tell } from '../core/base/notice.ts';
import { concludeRun } from '../figures/job/kept/conclude.ts';
import { figuresKeyOf, type DeviceRun } from '../questdb/reads/owned-device-runs.ts';
import type { QuestDb } from '../questdb/http.ts';
import type { Concluded } from './encode-conclusions.ts';

/** Says of ended runs what their reports say, one after the other. */
export interface RunConcluder {
  /**
   * What cannot be concluded is no reason to lose the sums: then it is told, and the next collector that looks tries again.
   * @param runs what one run had of each device of this node
   */
  readonly conclude: (runs: readonly DeviceRun[]) => Promise<Concluded | undefined>;
  /** The store refused to say it: it is not asked again. */
  readonly isRefused: (run: DeviceRun) => boolean;
}

interface RunConcluderOptions {
  readonly db: QuestDb;
  readonly lanes: readonly Lane[];
  readonly nowUs: () => number;
  readonly tell: Tell;
}

/** Runs that are remembered as refused: of more the oldest are tried once more. */
const REFUSED_MAX = 10_000;

export function createRunConcluder({ db, lanes, nowUs, tell }: RunConcluderOptions): RunConcluder {
  /** By `figuresKeyOf`. */
  const refused = new Set<string>();

  function refuse(runs: readonly DeviceRun[]): void {
    for (const run of runs) refused.add(figuresKeyOf(run));
    for (const key of refused) {
      if (refused.size <= REFUSED_MAX) return;
      refused.delete(key);
    }
  }

  return {
    isRefused: (run) => refused.has(figuresKeyOf(run)),
    async conclude(runs) {
      const run = runs.find(({ ownedUs }) => ownedUs > 0);
      if (run === undefined) return undefined;
      try {
        return await concludeRun(db, lanes, run, nowUs());
      } catch (thrown) {
        if (!(thrown instanceof OperatingError)) throw thrown;
        refuse(runs);
        const sentence = `where the time of job ${run.jobId} went is not kept: ${messageOf(thrown)}`;
        tell({ level: 'warn', code: 'job_figures.inconclusive', sentence });
        return undefined;
      }
    },
  };
}
