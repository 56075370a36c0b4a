import { UNRESOLVED, type Fleet, type FleetRun } from '../draw/fleet.ts';
import type { CapacityQuestion } from './capacity.ts';
import { bucketAt, type Left } from './left.ts';

/** What becomes of the time of jobs that had one id, one after the other, where only buckets are left. */

interface JobTime {
  readonly run: FleetRun;
  /** From the start of its first run to the end of the last. */
  readonly startUs: number;
  readonly endUs: number;
}

const TIMES = new WeakMap<Fleet, readonly JobTime[]>();

/** The jobs of a fleet, each with one of its runs, ascending by start. */
function jobTimes(fleet: Fleet): readonly JobTime[] {
  const known = TIMES.get(fleet);
  if (known !== undefined) return known;
  const times = [...Map.groupBy(fleet.runs, ({ job }) => job).values()]
    .map((own): JobTime => {
      const stays = own.flatMap((run) => run.stays);
      return {
        run: own[0]!,
        startUs: Math.min(...stays.map(({ startUs }) => startUs)),
        endUs: Math.max(...stays.map(({ endUs }) => endUs)),
      };
    })
    .sort((a, b) => a.startUs - b.startUs);
  TIMES.set(fleet, times);
  return times;
}

function haveOneId(a: FleetRun, b: FleetRun): boolean {
  return a.jobId === b.jobId && a.cluster === b.cluster && a.jobId !== UNRESOLVED;
}

/** With whom time of a run is shown: where all that is left is a bucket in which the next job of its id begins, that is with the next. */
export function shownRun(left: Left, fleet: Fleet, run: FleetRun, tsUs: number): FleetRun {
  const bucket = bucketAt(tsUs, left, 'sums');
  if (bucket === undefined) return run;
  const next = jobTimes(fleet).findLast(
    (one) => haveOneId(one.run, run) && one.startUs > tsUs && one.startUs < bucket.toUs,
  );
  return next?.run ?? run;
}

/**
 * How many ids were given again within a bucket that is left: all of that is with the later job. A job of which nobody told the
 * cluster may be any cluster's.
 */
export function mixedIds(
  fleets: Iterable<Fleet>,
  { fromUs, toUs, left, cluster }: Pick<CapacityQuestion, 'fromUs' | 'toUs' | 'left' | 'cluster'>,
): number {
  const ids = new Set<string>();
  for (const fleet of fleets)
    for (const { run, startUs } of jobTimes(fleet)) {
      const bucket = bucketAt(startUs, left, 'sums');
      const isMeant = cluster === undefined || (run.cluster ?? cluster) === cluster;
      if (bucket === undefined || !isMeant || startUs <= fromUs || startUs >= toUs) continue;
      const isWithTheLast = jobTimes(fleet).some(
        (one) => haveOneId(one.run, run) && one.startUs < startUs && one.endUs >= bucket.fromUs,
      );
      if (isWithTheLast) ids.add(JSON.stringify([run.jobId, run.cluster]));
    }
  return ids.size;
}
