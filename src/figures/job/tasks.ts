import { USUAL_FINDING_LIMITS } from '../../core/analysis/finding-limits.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { Lane } from '../../core/fields/lane.ts';
import type { Asked } from '../query-cells.ts';
import { sideBySide } from '../side-by-side.ts';
import { clusterOf, jobIdOf, typedId, type Member } from './bearers.ts';
import { findJob, type Found } from './find-job.ts';
import type { JobFigures } from './figures.ts';
import { readPast } from './history/read-past.ts';
import { withHistory } from './history/with-history.ts';
import { jobCommand } from './job-command.ts';
import { chosenRun, memberFigures, windowOf, type JobQueryOptions } from './query.ts';
import {
  amountsOf,
  costsOfAll,
  memberRuns,
  olderRun,
  seeRuns,
  type MemberRun,
  type SeenRun,
} from './seen-runs.ts';
import type { TaskFigures, TasksFigures } from './tasks-figures.ts';

/** What an id is answered with. */
export type Account =
  | { readonly of: 'job'; readonly figures: JobFigures }
  | { readonly of: 'tasks'; readonly figures: TasksFigures };

/**
 * The account of what somebody's id stands for: of a job, or of an array or heterogeneous job and its tasks.
 * @throws OperatingError `report.job_id`, `report.unknown_job`, `report.unknown_run`, and what `QuestDb.exec` throws
 */
export async function accountOf(
  db: Asked,
  lanes: readonly Lane[],
  jobId: string,
  options: JobQueryOptions,
): Promise<Account> {
  return await accountOfFound(db, lanes, await findJob(db, jobId, options), options);
}

/** The same of what has been found. @throws OperatingError `report.unknown_run`, and what `QuestDb.exec` throws */
export async function accountOfFound(
  db: Asked,
  lanes: readonly Lane[],
  found: Found,
  options: JobQueryOptions,
): Promise<Account> {
  const [member] = found.bearer.members;
  if (found.bearer.family !== undefined)
    return { of: 'tasks', figures: await tasksFigures(db, lanes, found, options) };
  return { of: 'job', figures: await figuresBesidePast(db, lanes, found, { ...options, member: member! }) };
}

/** One run of a job, and what its earlier runs say of it. */
async function figuresBesidePast(
  store: Asked,
  lanes: readonly Lane[],
  found: Found,
  options: JobQueryOptions & { readonly member: Member },
): Promise<JobFigures> {
  const { member, findingLimits = USUAL_FINDING_LIMITS } = options;
  const run = chosenRun(store, found, options);
  const db = sideBySide(store);
  const [figures, past] = await Promise.all([
    memberFigures(db, lanes, found, options),
    readPast(db, lanes, { member, run, window: windowOf(run) }, { ...options, jobs: found.jobs }),
  ]);
  return withHistory(figures, past, findingLimits);
}

async function tasksFigures(
  db: Asked,
  lanes: readonly Lane[],
  found: Found,
  { run, nowUs, idleLimits, costs }: JobQueryOptions,
): Promise<TasksFigures> {
  const { members, family } = found.bearer;
  const jobsOfId = Map.groupBy(found.jobs, jobIdOf);
  const runs = members
    .flatMap((member) => memberRuns(member, jobsOfId.get(jobIdOf(member.job)) ?? [], nowUs))
    .filter((one) => run === undefined || one.run.run === run);
  if (runs.length === 0)
    throw new OperatingError(`no task of ${found.typed.typed} has a run ${run!}`, {
      code: 'report.unknown_run',
      exit: 'usage',
      where: `${db.where}, tables gpu_ownership and jobs`,
      hints: [`all of their runs: ${jobCommand(found.typed.typed, {})}`],
    });
  const { seen, idle, isSynthetic, invalidRollups } = await seeRuns(db, lanes, runs, {
    asked: found.asked,
    idleLimits,
    costs,
  });
  const [{ record }] = members as [Member];
  const intervals = seen.flatMap(({ window }) => window.intervals);
  const tasks = seen.map((one) => taskFigures(one, found));
  return {
    family: family!,
    jobId: found.typed.typed,
    askedStep: found.typed.step,
    cluster: members.map(({ job }) => clusterOf(job)).find((cluster) => cluster !== undefined),
    name: record.name,
    user: record.user,
    account: record.account,
    partition: record.partition,
    isSynthetic,
    startUs: Math.min(...seen.map(({ window }) => window.startUs)),
    endUs: Math.max(...seen.map(({ window }) => window.endUs)),
    isOpen: intervals.some(({ isOpen }) => isOpen),
    idleLimits: idle.told,
    costBasis: costs && { rates: costs, missingHoursUs: [] },
    nodes: new Set(intervals.map(({ node }) => node)).size,
    tasks,
    all: {
      ...amountsOf(
        intervals,
        new Map(),
        seen.map(({ sums }) => sums),
      ),
      // An instance may have been of another size for another task.
      ownedGpuUs: tasks.reduce((sum, { ownedGpuUs }) => sum + ownedGpuUs, 0),
      costs: costsOfAll(seen),
    },
    otherJobs: found.otherJobs,
    invalidRollups,
  };
}

function taskFigures(seen: SeenRun, found: Found): TaskFigures {
  const { member, run, window, sums, sliceRatios, costs } = seen;
  return {
    task: member.task,
    jobId: run.jobId,
    run: run.run,
    runCount: run.otherRuns.length + 1,
    state: run.record.state,
    exitCode: run.record.exitCode,
    startUs: window.startUs,
    endUs: window.endUs,
    isOpen: window.intervals.some(({ isOpen }) => isOpen),
    ...amountsOf(window.intervals, sliceRatios, [sums]),
    costs,
    ...addressOf(seen, found),
  };
}

function addressOf(
  seen: MemberRun,
  { otherJobs }: Found,
): Pick<TaskFigures, 'typedId' | 'which' | 'command'> {
  const { member, run } = seen;
  const { jobId, told } = run;
  // Arrays of two clusters may be submitted in one second.
  const selector = { cluster: clusterOf(member.job), submittedUs: told.submitUs ?? told.startUs };
  const typed = typedId(member, jobId);
  const which = { ...(otherJobs.length === 0 ? {} : selector), run: olderRun(seen) };
  return { typedId: typed, which, command: jobCommand(typed, which) };
}
