import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { CostRates } from '../../core/costs/costs.ts';
import { USUAL_IDLE_LIMITS, type IdleLimits } from '../../core/fields/idle-limits.ts';
import { NOT_LOST } from '../../core/analysis/causes.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { jobsOf, type Job } from '../../core/jobs/job-runs.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { ask, type Asked } from '../query-cells.ts';
import { isSeen, seenSql, type Sight } from '../sight.ts';
import { quoteTime } from '../sql-text.ts';
import type { AskedIds } from './asked-ids.ts';
import { clusterOf, jobIdOf, memberOf, typedId } from './bearers.ts';
import type { CauseAmounts } from './causes/figures.ts';
import { jobCommand } from './job-command.ts';
import {
  JOB_FILTERS,
  type JobFilter,
  type JobOrder,
  type JobsFigures,
  type JobsRow,
} from './jobs-figures.ts';
import {
  amountsOf,
  costsOfAll,
  memberRuns,
  olderRun,
  seeRuns,
  type MemberRun,
  type SeenRun,
} from './seen-runs.ts';
import { readTold, type JobCells, type Told } from './told-runs.ts';

export interface JobsQueryOptions {
  /** Runs that were there at some time in [fromUs, toUs), epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Exactly so, but `name` anywhere in the name, and `state` in capitals or not. */
  readonly filters: Readonly<Partial<Record<JobFilter, string>>>;
  readonly order: JobOrder;
  /** Whose jobs may be told of; everybody's when absent. */
  readonly sight?: Sight | undefined;
  /** Only runs that had a device of this node; of all when absent. */
  readonly node?: string;
  /** Epoch µs up to which a running job is looked at. */
  readonly nowUs: number;
  /** Below which SM activity devices count as idle; the usual 5 % when absent. */
  readonly idleLimits?: IdleLimits;
  /** What GPU time and energy cost; nothing is told of it when absent. */
  readonly costs?: CostRates | undefined;
}

/**
 * Every run of every job that was there in the window and is as the filters say, each whole, also where it began before the window.
 * @throws OperatingError `report.no_costs`, and what `QuestDb.exec` throws
 */
export async function jobsFigures(
  db: Asked,
  lanes: readonly Lane[],
  options: JobsQueryOptions,
): Promise<JobsFigures> {
  const { fromUs, toUs, filters, order, idleLimits, costs } = options;
  if (order === 'cost' && costs?.gpuHour === undefined && costs?.kwhPrice === undefined) throw noPrices();
  const sql = idsSql(options);
  const asked: AskedIds = {
    ids: (await ask(db, sql)).map((row) => row.text('job_id') ?? ''),
    apart: [],
    sql,
  };
  const { runs, jobsOfId } = await runsOf(db, asked, options);
  const costBasis = costs && { rates: costs, missingHoursUs: [] };
  const told = { fromUs, toUs, filters, order, costBasis };
  if (runs.length === 0)
    return {
      ...told,
      isSynthetic: false,
      idleLimits: idleLimits ?? USUAL_IDLE_LIMITS,
      jobs: 0,
      rows: [],
      all: undefined,
      invalidRollups: [],
    };
  const { seen, idle, isSynthetic, invalidRollups } = await seeRuns(db, lanes, runs, {
    asked,
    idleLimits,
    costs,
  });
  const rows = seen.map((one) => rowOf(one, (jobsOfId.get(one.run.jobId)?.length ?? 0) > 1));
  return {
    ...told,
    isSynthetic,
    idleLimits: idle.told,
    jobs: new Set(runs.map(({ member }) => member.job)).size,
    rows: rows.sort((a, b) => weightOf(b, order) - weightOf(a, order) || b.startUs - a.startUs),
    all: {
      ...amountsOf(
        seen.flatMap(({ window }) => window.intervals),
        new Map(),
        seen.map(({ sums }) => sums),
      ),
      // An instance may have been of another size for another job.
      ownedGpuUs: rows.reduce((sum, { ownedGpuUs }) => sum + ownedGpuUs, 0),
      costs: costsOfAll(seen),
      lostUs: rows.reduce<number | undefined>(
        (sum, { lostUs }) => (sum === undefined || lostUs === undefined ? undefined : sum + lostUs),
        0,
      ),
    },
    invalidRollups,
  };
}

function noPrices(): OperatingError {
  return new OperatingError('--sort cost: expected prices in the configuration, came none', {
    code: 'report.no_costs',
    exit: 'usage',
    hints: ['give costs.gpu_hour or costs.kwh: docs/configuration.md', 'or sort by gpu-hours or energy'],
  });
}

/** Columns of `jobs` that name somebody or something: the others are looked at when all is known of a run. */
const TOLD_COLUMNS = ['user', 'account', 'partition', 'qos'] as const;

/** Ids of jobs of which somebody told that they were there; more of them where one row does not tell all. */
function idsSql({ fromUs, toUs, filters, sight, node }: JobsQueryOptions): string {
  const during = `ts < ${quoteTime(toUs)} AND (end_ts IS NULL OR end_ts > ${quoteTime(fromUs)})`;
  const like = TOLD_COLUMNS.flatMap((column) => {
    const wanted = filters[column];
    const name = quoteName(column);
    return wanted === undefined ? [] : [` AND (${name} = ${quoteText(wanted)} OR ${name} IS NULL)`];
  });
  // What one row does not tell another one may: only of a whole run it is known whose it is.
  const inJobs = `SELECT job_id FROM jobs WHERE ${during}${like.join('')}${sight === undefined ? '' : ` AND (${seenSql(sight)} OR "user" IS NULL OR account IS NULL)`}`;
  if (node !== undefined)
    return `SELECT DISTINCT job_id FROM gpu_ownership WHERE ${during} AND node = ${quoteText(node)} AND job_id != ${quoteText(UNRESOLVED_JOB_ID)}`;
  // Of a job that only its ownership tells of nothing is known by which it could be wanted.
  if (sight !== undefined || JOB_FILTERS.some((key) => key !== 'cluster' && filters[key] !== undefined))
    return `SELECT DISTINCT job_id FROM (${inJobs})`;
  return (
    `SELECT DISTINCT job_id FROM (${inJobs} UNION ALL SELECT job_id FROM gpu_ownership WHERE ${during}` +
    ` AND job_id != ${quoteText(UNRESOLVED_JOB_ID)})`
  );
}

interface WantedRuns {
  readonly runs: readonly MemberRun[];
  /** All that bear their ids, whether wanted or not. */
  readonly jobsOfId: ReadonlyMap<string, readonly Job<Told>[]>;
}

async function runsOf(
  db: Asked,
  asked: AskedIds,
  { fromUs, toUs, filters, sight, node, nowUs }: JobsQueryOptions,
): Promise<WantedRuns> {
  const jobs = asked.ids.length === 0 ? [] : jobsOf(await readTold(db, asked));
  const jobsOfId = Map.groupBy(jobs, jobIdOf);
  const runs = jobs
    .filter((job) => filters.cluster === undefined || clusterOf(job) === filters.cluster)
    .flatMap((job) => memberRuns(memberOf(job), jobsOfId.get(jobIdOf(job))!, nowUs))
    .filter(({ window }) => window.startUs < toUs && window.endUs > fromUs)
    .filter((run) => isWanted(run, filters))
    .filter((run) => isSeen(sight, recordOf(run)))
    .filter(({ window }) => node === undefined || window.intervals.some((stay) => stay.node === node));
  return { runs, jobsOfId };
}

function isWanted(run: MemberRun, filters: JobsQueryOptions['filters']): boolean {
  const record = recordOf(run);
  const { name, state } = filters;
  return (
    TOLD_COLUMNS.every((column) => filters[column] === undefined || record[column] === filters[column]) &&
    (name === undefined || record.name?.includes(name) === true) &&
    (state === undefined || stateOf(run)?.toUpperCase() === state.toUpperCase())
  );
}

/** What was told of the run; who runs it where, also what was told of its other runs. */
function recordOf({ member, run }: MemberRun): Partial<JobCells> {
  const { name, user, account, partition, qos } = member.record;
  return { name, user, account, partition, qos, ...run.record };
}

function stateOf({ run, window }: MemberRun): string | undefined {
  return run.record.state ?? (window.intervals.some(({ isOpen }) => isOpen) ? 'RUNNING' : undefined);
}

/** @param isIdAgain another job has the id, so that it takes more to name this one */
function rowOf(seen: SeenRun, isIdAgain: boolean): JobsRow {
  const { member, run, window, sums, sliceRatios } = seen;
  const { name, user, account, partition, qos, exitCode } = recordOf(seen);
  const cluster = clusterOf(member.job);
  const typed = typedId(member, run.jobId);
  const which = {
    ...(isIdAgain ? { cluster, submittedUs: run.told.submitUs ?? run.told.startUs } : {}),
    run: olderRun(seen),
  };
  return {
    typedId: typed,
    jobId: run.jobId,
    run: run.run,
    runCount: run.otherRuns.length + 1,
    cluster,
    name,
    user,
    account,
    partition,
    qos,
    state: stateOf(seen),
    exitCode,
    startUs: window.startUs,
    endUs: window.endUs,
    isOpen: window.intervals.some(({ isOpen }) => isOpen),
    nodes: new Set(window.intervals.map(({ node }) => node)).size,
    ...amountsOf(window.intervals, sliceRatios, [sums]),
    costs: seen.costs,
    ...conclusionsOf(seen),
    which,
    command: jobCommand(typed, which),
  };
}

function conclusionsOf({ conclusions, window }: SeenRun): Pick<JobsRow, 'lostUs' | 'causes' | 'rules'> {
  // A running job is not concluded of.
  if (conclusions === undefined || window.intervals.some(({ isOpen }) => isOpen))
    return { lostUs: undefined, causes: undefined, rules: undefined };
  const causes = 'why' in conclusions.causes ? undefined : conclusions.causes.causes;
  return { lostUs: causes && lostUsOf(causes), causes, rules: conclusions.rules };
}

function lostUsOf(causes: CauseAmounts): number {
  return [...causes].reduce((sum, [cause, { us }]) => (NOT_LOST.has(cause) ? sum : sum + us), 0);
}

function weightOf(
  { used, lostUs, idle, energy, ownedGpuUs, costs, startUs }: JobsRow,
  order: JobOrder,
): number {
  switch (order) {
    case 'wasted':
      return used === undefined ? -1 : used.knownUs - used.value;
    case 'lost':
      return lostUs ?? -1;
    case 'idle':
      return idle?.value ?? -1;
    case 'energy':
      return energy.best?.value ?? -1;
    case 'gpu-hours':
      return ownedGpuUs;
    case 'cost':
      return (costs?.gpuHours ?? costs?.energy)?.value ?? -1;
    case 'start':
      return startUs;
  }
}
