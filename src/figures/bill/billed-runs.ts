import {
  partsOf,
  partsWithin,
  useQuestionOf,
  type DevicePart,
  type TellingOfStay,
} from '../../core/jobs/device-parts.ts';
import { jobsOf } from '../../core/jobs/job-runs.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { readSharedUse } from '../../questdb/reads/shared-use.ts';
import type { AskedIds } from '../job/asked-ids.ts';
import { clusterOf, jobIdOf, memberOf } from '../job/bearers.ts';
import { windowOf } from '../job/query.ts';
import { memberRuns, type MemberRun } from '../job/seen-runs.ts';
import { readTold } from '../job/told-runs.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

/** What of a run lies in the time of a bill. */
export interface BilledRun extends MemberRun {
  readonly cluster: string | undefined;
  readonly account: string | undefined;
  readonly user: string | undefined;
  /** It has ended in that time, and the scheduler or a hook has told so. */
  readonly hasEnded: boolean;
  readonly openStays: number;
  /** Which parts of its devices it had, and when. */
  readonly parts: readonly DevicePart[];
}

export interface BilledTime {
  readonly runs: readonly BilledRun[];
  /** By which the ids of the runs are found. */
  readonly asked: AskedIds;
  /** Time of devices that had an owner whom nobody could name. */
  readonly unresolvedUs: number;
}

/**
 * All runs that owned a device in a time, cut at its edges, with the parts of the devices that were theirs.
 * @param nowUs up to where a stay is owned that nobody told the end of
 * @throws what `ask` throws
 */
export async function billedTime(db: Asked, span: Span, nowUs: number): Promise<BilledTime> {
  const during = `ts < ${quoteTime(span.toUs)} AND (end_ts IS NULL OR end_ts > ${quoteTime(span.fromUs)})`;
  const stays = await readStays(db, during);
  const ids = [...new Set(stays.map(({ jobId }) => jobId))].filter((id) => id !== UNRESOLVED_JOB_ID);
  const sql = `SELECT DISTINCT job_id FROM gpu_ownership WHERE ${during} AND job_id != '${UNRESOLVED_JOB_ID}'`;
  const asked = { ids, apart: [], sql };
  const use = useQuestionOf(stays);
  const [told, uses] = await Promise.all([
    ids.length === 0 ? [] : readTold(db, asked),
    use === undefined ? [] : readSharedUse(db, use),
  ]);
  const parts = partsOf(stays, uses);
  const partsOfId = Map.groupBy(parts, ({ jobId }) => jobId);
  const jobs = jobsOf(told);
  const jobsOfId = Map.groupBy(jobs, jobIdOf);
  const runs = jobs.flatMap((job) =>
    memberRuns(memberOf(job), jobsOfId.get(jobIdOf(job))!, nowUs).flatMap((one): BilledRun[] => {
      const cut = cutAt(one, span);
      if (cut.window.intervals.length === 0) return [];
      const { member, run, window, whole } = cut;
      const openStays = one.window.intervals.filter(({ isOpen }) => isOpen).length;
      return [
        {
          ...{ member, run, window, whole },
          cluster: clusterOf(job),
          account: run.record.account ?? member.record.account,
          user: run.record.user ?? member.record.user,
          openStays,
          hasEnded: openStays === 0 && whole.endUs <= span.toUs,
          parts: partsWithin(partsOfId.get(run.jobId) ?? [], window.intervals),
        },
      ];
    }),
  );
  const nobodys = partsWithin(
    parts.filter(({ jobId }) => jobId === UNRESOLVED_JOB_ID),
    wholeOf(parts, span),
  );
  return { runs, asked, unresolvedUs: nobodys.reduce((sum, part) => sum + lengthUs(part), 0) };
}

/** By its part, µs. */
export function lengthUs({ startUs, endUs, part }: DevicePart): number {
  return Math.round((endUs - startUs) * part);
}

function wholeOf(
  parts: readonly DevicePart[],
  { fromUs, toUs }: Span,
): Pick<DevicePart, 'gpu' | 'startUs' | 'endUs'>[] {
  return [...new Set(parts.map(({ gpu }) => gpu))].map((gpu) => ({ gpu, startUs: fromUs, endUs: toUs }));
}

async function readStays(db: Asked, during: string): Promise<TellingOfStay[]> {
  const rows = await ask(
    db,
    `SELECT gpu, job_id, cast(ts AS LONG) AS start_us, cast(end_ts AS LONG) AS end_us, share FROM gpu_ownership WHERE ${during} ORDER BY ts`,
  );
  return rows.map((row) => ({
    gpu: row.text('gpu') ?? '',
    jobId: row.text('job_id') ?? '',
    startUs: row.number('start_us')!,
    endUs: row.number('end_us') ?? Infinity,
    share: row.number('share'),
  }));
}

/** What of its time lies outside is as another's: rows of it are not the cut run's. */
function cutAt(one: MemberRun, { fromUs, toUs }: Span): Required<MemberRun> {
  const { intervals } = one.window;
  // Nearly all: nothing of them is cut.
  if (intervals.every(({ startUs, endUs }) => startUs >= fromUs && endUs <= toUs))
    return { ...one, whole: one.window };
  const within = intervals
    .map((stay) => {
      const endUs = Math.min(stay.endUs, toUs);
      return { ...stay, startUs: Math.max(stay.startUs, fromUs), endUs, isOpen: stay.isOpen && endUs < toUs };
    })
    .filter(({ startUs, endUs }) => endUs > startUs);
  const outside = intervals
    .flatMap(({ gpu, startUs, endUs }) => [
      { gpu, startUs, endUs: Math.min(endUs, fromUs) },
      { gpu, startUs: Math.max(startUs, toUs), endUs },
    ])
    .filter(({ startUs, endUs }) => endUs > startUs);
  if (outside.length === 0) return { ...one, whole: one.window };
  const run = { ...one.run, intervals: within, foreign: [...one.run.foreign, ...outside] };
  return { ...one, run, window: windowOf(run), whole: one.window };
}
