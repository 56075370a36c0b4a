import { quoteText } from '../../../schemas/tables.ts';
import { OperatingError } from '../../core/base/errors.ts';
import {
  isTaskIn,
  JOB_ID_FORMS,
  readingText,
  readJobId,
  taskInBrackets,
  type JobIdReading,
  type TypedJobId,
} from '../../core/jobs/job-id.ts';
import { jobsOf, type Job } from '../../core/jobs/job-runs.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { ask, type Asked } from '../query-cells.ts';
import { isSeen, seenSql, type Sight } from '../sight.ts';
import { bearersOf, clusterOf, jobIdOf, selected, selectorOf, type Bearer } from './bearers.ts';
import type { OtherJob } from './figures.ts';
import { jobCommand, type JobSelector } from './job-command.ts';
import { readTold, type Told } from './told-runs.ts';
import type { AskedIds } from './asked-ids.ts';

/** Characters. Slurm's ids have at most 20, free text of a map file is a line: longer is a mistake. */
const JOB_ID_LENGTH_MAX = 256;

/** What bears the id that was asked for. */
export interface Found {
  readonly bearer: Bearer;
  /** The others that bear it, newest first. */
  readonly otherJobs: readonly OtherJob[];
  /** As it was typed. */
  readonly typed: TypedJobId;
  /** The raw ids that were looked at. */
  readonly asked: AskedIds;
  /** Every job under them, also those that are not meant. */
  readonly jobs: readonly Job<Told>[];
}

/** Which of the jobs that bear an id is meant, and whose jobs there are for whoever asks. */
interface Wanted extends JobSelector {
  readonly sight?: Sight | undefined;
}

/**
 * What an id stands for, as somebody typed it: of several jobs that bear it the newest that the selector fits. What is out of sight is
 * as if it was not there.
 * @throws OperatingError `report.job_id`, `report.unknown_job` (exit `usage`)
 */
export async function findJob(db: Asked, jobId: string, { sight, ...selector }: Wanted): Promise<Found> {
  checkJobId(jobId.trim());
  const typed = readJobId(jobId);
  for (const reading of typed.readings) {
    const asked = await rawIds(db, reading);
    const jobs = jobsOf(await readTold(db, asked));
    const meant = jobs.filter((job) => isMeant(job, reading));
    const bearers = bearersOf(meant, reading).filter(({ members }) =>
      members.every(({ record }) => isSeen(sight, record)),
    );
    if (bearers.length === 0) continue;
    const bearer = selected(bearers, selector);
    if (bearer === undefined) throw notSelected(db, jobId, selector, bearers);
    const others = bearers.filter((other) => other !== bearer).reverse();
    return {
      bearer,
      otherJobs: others.map((other) => otherJobOf(other, jobCommand(jobId, selectorOf(other, bearers)))),
      typed,
      asked,
      jobs,
    };
  }
  throw await unknownJob(db, typed, sight);
}

/** Of an array's tasks, as a shell that saw no quotes may leave it. */
const OPEN_BRACKET = /^\d+_?\[[^\]]*$/;

/**
 * Refuses what cannot be a job id before anything is asked.
 * @param jobId without blanks around it
 * @throws OperatingError `report.job_id` (exit `usage`)
 */
export function checkJobId(jobId: string): void {
  const refuse = (came: string): never => {
    throw new OperatingError(
      `expected a job id of 1 to ${JOB_ID_LENGTH_MAX} characters without control characters, came ${came}`,
      {
        code: 'report.job_id',
        exit: 'usage',
        hints: ['the id is what the scheduler prints: gpuledger report job 4217'],
      },
    );
  };
  if (jobId === '') refuse('nothing');
  if (jobId.length > JOB_ID_LENGTH_MAX) refuse(`${jobId.length} characters: "${jobId.slice(0, 20)}…"`);
  const control = /\p{Cc}/u.exec(jobId);
  if (control !== null)
    refuse(`${JSON.stringify(jobId)} (character ${control.index + 1} is a control character)`);
  if (OPEN_BRACKET.test(jobId))
    throw new OperatingError(`expected a closing bracket after the tasks, came "${jobId}"`, {
      code: 'report.job_id',
      exit: 'usage',
      hints: ["tasks of an array: gpuledger report job '4217_[1-4]'", JOB_ID_FORMS],
    });
}

async function rawIds(db: Asked, reading: JobIdReading): Promise<AskedIds> {
  const sql = rawIdsSql(reading);
  const ids = (await ask(db, sql)).map((row) => row.text('job_id') ?? '');
  const apart = reading.how === 'id' ? [reading.jobId] : [];
  return { ids: [...apart, ...ids], apart, sql };
}

/** Each id once; those of other jobs, where it is one. */
function rawIdsSql(reading: JobIdReading): string {
  const inJobs = (condition: string): string => `SELECT DISTINCT job_id FROM jobs WHERE ${condition}`;
  switch (reading.how) {
    case 'id': {
      const id = quoteText(reading.jobId);
      return inJobs(`(array_job_id = ${id} OR het_job_id = ${id}) AND job_id != ${id}`);
    }
    case 'sluid':
      return inJobs(`sluid = ${quoteText(reading.sluid)}`);
    case 'task':
      return inJobs(
        `array_job_id = ${quoteText(reading.arrayJobId)} AND array_task_id = ${quoteText(reading.taskId)}`,
      );
    case 'array':
      return inJobs(`array_job_id = ${quoteText(reading.arrayJobId)}`);
    case 'components':
      return inJobs(`het_job_id = ${quoteText(reading.hetJobId)}`);
    case 'beginning': {
      const like = `job_id LIKE ${quoteText(`${reading.text}%`)}`;
      return `SELECT DISTINCT job_id FROM (SELECT job_id FROM jobs WHERE ${like} UNION ALL SELECT job_id FROM gpu_ownership WHERE ${like})`;
    }
  }
}

/** Raw ids are given again: a job that has one of the ids may be another than the one that was read. */
function isMeant(job: Job<Told>, reading: JobIdReading): boolean {
  const records = job.runs.flatMap(({ members }) => members.flatMap(({ record }) => record ?? []));
  const jobId = jobIdOf(job);
  switch (reading.how) {
    case 'id':
      return (
        jobId === reading.jobId ||
        records.some((one) => one.arrayJobId === reading.jobId || one.hetJobId === reading.jobId)
      );
    case 'sluid':
      return job.runs.some(({ told }) => told.sluid === reading.sluid);
    case 'task':
      return records.some(
        (one) => one.arrayJobId === reading.arrayJobId && one.arrayTaskId === reading.taskId,
      );
    case 'array':
      return records.some(
        (one) =>
          one.arrayJobId === reading.arrayJobId &&
          (reading.tasks === undefined || isTaskIn(one.arrayTaskId, reading.tasks)),
      );
    case 'components':
      return (
        isTaskIn(String(Number(jobId) - Number(reading.hetJobId)), reading.offsets) &&
        records.some((one) => one.hetJobId === reading.hetJobId)
      );
    case 'beginning':
      return (
        jobId.startsWith(reading.text) &&
        (reading.tasks === undefined || isTaskIn(taskInBrackets(jobId), reading.tasks))
      );
  }
}

function otherJobOf({ family, members }: Bearer, command: string): OtherJob {
  const [first] = members;
  const runs = members.flatMap(({ job }) => job.runs);
  const newest = runs.reduce((a, b) => (b.told.startUs > a.told.startUs ? b : a));
  const endUs = Math.max(...runs.map(({ told }) => told.endUs ?? Infinity));
  return {
    cluster: clusterOf(first!.job),
    submitUs: newest.told.submitUs,
    startUs: Math.min(...runs.map(({ told }) => told.startUs)),
    endUs: endUs === Infinity ? undefined : endUs,
    user: first!.record.user,
    state: family === undefined ? first!.record.state : undefined,
    taskCount: family === undefined ? undefined : members.length,
    command,
  };
}

function notSelected(
  db: Asked,
  jobId: string,
  selector: JobSelector,
  bearers: readonly Bearer[],
): OperatingError {
  const asked = jobCommand(jobId, selector).replace(/^.* report job /, '');
  return new OperatingError(
    `no job ${asked}, but ${bearers.length === 1 ? 'another one' : `${bearers.length} others`} with that id`,
    {
      code: 'report.unknown_job',
      exit: 'usage',
      where: `${db.where}, tables gpu_ownership and jobs`,
      hints: bearers
        .toReversed()
        .slice(0, BEARERS_TOLD_MAX)
        .map((bearer) => jobCommand(jobId, selectorOf(bearer, bearers))),
    },
  );
}

/** Of many jobs that bear one id, so many are named in an error. */
const BEARERS_TOLD_MAX = 8;
const NEAREST_IDS_MAX = 5;

/** Whatever tells of a job. Time that nobody could give to a job is no job's. Whose a job is, stands in `jobs` alone. */
function allTold(sight: Sight | undefined): string {
  const tables = sight === undefined ? ['gpu_ownership', 'jobs', 'job_figures'] : ['jobs'];
  return `(${tables
    .map(
      (table) =>
        `SELECT ts, job_id FROM ${table} WHERE job_id != ${quoteText(UNRESOLVED_JOB_ID)} AND ${seenSql(sight)}`,
    )
    .join(' UNION ALL ')})`;
}

async function unknownJob(
  db: Asked,
  { typed, step, readings, isForm }: TypedJobId,
  sight: Sight | undefined,
): Promise<OperatingError> {
  const told = allTold(sight);
  const nearest = await nearestIds(db, typed, told);
  const newest = await ask(
    db,
    `SELECT job_id, max(ts) AS newest FROM ${told} ORDER BY newest DESC LIMIT ${NEAREST_IDS_MAX}`,
  );
  const ids = newest.map((row) => row.text('job_id') ?? '');
  const where =
    sight === undefined ? 'none of gpu_ownership, jobs and job_figures has it' : 'none that you may see';
  return new OperatingError(`no job "${typed}": ${where}`, {
    code: 'report.unknown_job',
    exit: 'usage',
    where: `${db.where}, looked for ${readings.map(readingText).join('; ')}`,
    hints: [
      ...(isForm ? [] : [`ids as schedulers print them: ${JOB_ID_FORMS}`]),
      ...(step === undefined ? [] : [`${step} is a step: steps are not kept apart, nor is their job there`]),
      ...(nearest.length === 0 ? [] : [`the nearest ids there: ${nearest.join(', ')}`]),
      ...(ids.length > 0 ? [`the newest jobs there: ${ids.join(', ')}`] : noJobs(sight)),
    ],
  });
}

function noJobs(sight: Sight | undefined): string[] {
  return sight === undefined
    ? ['no job has been recorded there yet: is a job map configured? (gpuledger config print)']
    : ['no job of yours has been recorded there yet'];
}

/** By number: who mistypes an id of a scheduler hits one near it. @param told of `allTold` */
async function nearestIds(db: Asked, typed: string, told: string): Promise<string[]> {
  const number = /^\d{1,15}/.exec(typed)?.[0];
  if (number === undefined) return [];
  const rows = await ask(
    db,
    `SELECT job_id, abs(cast(job_id AS LONG) - ${Number(number)}) AS distance FROM (SELECT DISTINCT job_id FROM ${told})` +
      ` WHERE cast(job_id AS LONG) IS NOT NULL ORDER BY distance, job_id LIMIT ${NEAREST_IDS_MAX}`,
  );
  return rows.map((row) => row.text('job_id') ?? '');
}
