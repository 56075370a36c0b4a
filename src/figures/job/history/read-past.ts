import type { IdleLimits } from '../../../core/fields/idle-limits.ts';
import type { Lane } from '../../../core/fields/lane.ts';
import type { Job } from '../../../core/jobs/job-runs.ts';
import type { Asked } from '../../query-cells.ts';
import { seeRuns, type MemberRun, type SeenRun } from '../seen-runs.ts';
import type { Told } from '../told-runs.ts';
import { runsAlike } from './alike.ts';
import { failuresBefore, hasEndedSoon, isShort } from './failed-runs.ts';
import { earlierRuns, type EarlierRun } from './past-runs.ts';

/** An earlier run with what was measured of it. */
type AlikeRun = EarlierRun & SeenRun;

/** What is known of a job's earlier runs. Both newest first. */
export interface Past {
  /** Those that it can be held against. */
  readonly alike: readonly AlikeRun[];
  /** Those that failed soon, one after the other, up to this one, if it failed. */
  readonly failures: readonly EarlierRun[];
}

interface How {
  /** All jobs that bear the id of the run that is looked at. */
  readonly jobs: readonly Job<Told>[];
  readonly nowUs: number;
  readonly idleLimits?: IdleLimits | undefined;
}

/** What the runs before this one did. A job without any costs one question. @throws what `ask` throws */
export async function readPast(
  db: Asked,
  lanes: readonly Lane[],
  own: MemberRun,
  { jobs, nowUs, idleLimits }: How,
): Promise<Past> {
  const earlier = await earlierRuns(db, own, jobs, nowUs);
  const alike = await runsAlike(db, own, earlier);
  const failed = own.run.record.state === 'FAILED' ? failuresBefore(earlier, own.window.startUs) : [];
  // Of a short one it need not be known when it was first active.
  const long = failed.filter(({ window }) => !isShort(window));
  const runs = [...alike, ...long];
  if (runs.length === 0) return { alike: [], failures: failed };
  const ids = [...new Set(runs.map(({ run }) => run.jobId))];
  const asked = { ids, apart: [], sql: undefined };
  const { seen } = await seeRuns(db, lanes, runs, { asked, idleLimits });
  const firstLightUs = new Map(
    long.map((one, at) => [one, seen[alike.length + at]!.conclusions?.steps?.firstLightUs]),
  );
  const firstSlow = failed.findIndex((one) => !hasEndedSoon(one.window, firstLightUs.get(one)));
  return {
    alike: alike.map((one, at) => ({ ...one, ...seen[at]! })),
    failures: firstSlow === -1 ? failed : failed.slice(0, firstSlow),
  };
}
