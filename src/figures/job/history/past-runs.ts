import { quoteText } from '../../../../schemas/tables.ts';
import { jobsOf, type Job } from '../../../core/jobs/job-runs.ts';
import { ask, type Asked } from '../../query-cells.ts';
import { quoteTime } from '../../sql-text.ts';
import { clusterOf, jobIdOf, memberOf, type Member } from '../bearers.ts';
import { memberRuns, type MemberRun } from '../seen-runs.ts';
import { readTold, type Told } from '../told-runs.ts';

/** Ids that are looked at: most of a name are of one shape, and few of them fail. */
const IDS_MAX = 200;

/** A run that has ended, with what may name it. */
export interface EarlierRun extends MemberRun {
  /** Nobody else bears its id, and it is the only run of its job. */
  readonly isOnlyOfId: boolean;
}

/**
 * The runs of the same user, name and cluster that had ended before this one began, newest end first. Without a user or a name there
 * are none: nobody knows whose job it is beside.
 * @param own the run that is looked at @param jobs all that bear its id
 * @throws what `ask` throws
 */
export async function earlierRuns(
  db: Asked,
  own: MemberRun,
  jobs: readonly Job<Told>[],
  nowUs: number,
): Promise<EarlierRun[]> {
  const { user, name } = whoOf(own);
  if (user === undefined || name === undefined) return [];
  const { jobId } = own.run;
  const cluster = clusterOf(own.member.job);
  const ids = await earlierIds(db, { user, name, cluster, jobId, startUs: own.window.startUs });
  const others = ids.length === 0 ? [] : jobsOf(await readTold(db, { ids, apart: [], sql: undefined }));
  const all = [...jobs.filter((job) => jobIdOf(job) === jobId), ...others];
  return [...Map.groupBy(all, jobIdOf).values()]
    .flatMap((bearers) => bearers.flatMap((job) => runsOf(memberOf(job), bearers, nowUs)))
    .filter(({ member, window }) => clusterOf(member.job) === cluster && hasEndedBefore(window, own))
    .filter((run) => whoOf(run).user === user && whoOf(run).name === name)
    .sort((a, b) => b.window.endUs - a.window.endUs);
}

function runsOf(member: Member, bearers: readonly Job<Told>[], nowUs: number): EarlierRun[] {
  const isOnlyOfId = bearers.length === 1 && member.job.runs.length === 1;
  return memberRuns(member, bearers, nowUs).map((run) => ({ ...run, isOnlyOfId }));
}

function hasEndedBefore({ startUs, endUs, intervals }: MemberRun['window'], own: MemberRun): boolean {
  const isOpen = intervals.some((interval) => interval.isOpen);
  return !isOpen && startUs < own.window.startUs && endUs <= own.window.startUs;
}

/** What was told of the run, else of other runs of its job. */
function whoOf({ member, run }: MemberRun): {
  readonly user: string | undefined;
  readonly name: string | undefined;
} {
  return { user: run.record.user ?? member.record.user, name: run.record.name ?? member.record.name };
}

interface Wanted {
  readonly user: string;
  readonly name: string;
  readonly cluster: string | undefined;
  /** Is known already. */
  readonly jobId: string;
  readonly startUs: number;
}

/** Newest first. What a row does not say of the cluster another one of the job may. */
async function earlierIds(db: Asked, { user, name, cluster, jobId, startUs }: Wanted): Promise<string[]> {
  const isOfCluster =
    cluster === undefined ? 'cluster IS NULL' : `(cluster = ${quoteText(cluster)} OR cluster IS NULL)`;
  const rows = await ask(
    db,
    `SELECT job_id, max(ts) AS newest FROM jobs WHERE ts < ${quoteTime(startUs)} AND "user" = ${quoteText(user)}` +
      ` AND name = ${quoteText(name)} AND ${isOfCluster} AND job_id != ${quoteText(jobId)}` +
      ` ORDER BY newest DESC LIMIT ${IDS_MAX}`,
  );
  return rows.map((row) => row.text('job_id') ?? '');
}
