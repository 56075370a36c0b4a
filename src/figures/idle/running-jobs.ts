import { quoteText } from '../../../schemas/tables.ts';
import { jobsOf } from '../../core/jobs/job-runs.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { jobIdOf, memberOf } from '../job/bearers.ts';
import { memberRuns, type MemberRun } from '../job/seen-runs.ts';
import { readTold } from '../job/told-runs.ts';
import { ask, type Asked } from '../query-cells.ts';

/** A run that has not ended, with the devices that it has now. */
export interface RunningJob extends MemberRun {
  /** One at least, by node and UUID. */
  readonly devices: readonly { readonly node: string; readonly gpu: string; readonly startUs: number }[];
  /** Another job has one of them, too, or it has a part only. */
  readonly isShared: boolean;
}

/**
 * The jobs that have devices now, by a fixed number of questions. One whose end the scheduler has told has ended, whatever no epilog told.
 * @param gpus only jobs whose first device is one of these: of several who watch their own devices one tells of each job
 * @throws what `ask` throws
 */
export async function runningJobs(
  db: Asked,
  nowUs: number,
  gpus?: readonly string[],
): Promise<readonly RunningJob[]> {
  const sql = idsSql(gpus);
  const ids = (await ask(db, sql)).map((row) => row.text('job_id') ?? '');
  if (ids.length === 0) return [];
  const jobs = jobsOf(await readTold(db, { ids, apart: [], sql }));
  const jobsOfId = Map.groupBy(jobs, jobIdOf);
  const running = jobs
    .flatMap((job) => memberRuns(memberOf(job), jobsOfId.get(jobIdOf(job))!, nowUs))
    .filter(({ run: { told } }) => (told.endUs ?? Infinity) === Infinity)
    .map((one) => ({ ...one, devices: devicesOf(one) }))
    .filter(({ devices }) => devices.length > 0);
  const owners = Map.groupBy(
    running.flatMap(({ devices }) => devices),
    ({ gpu }) => gpu,
  );
  const partial = await partlyOwned(db);
  const isShared = (gpu: string): boolean => owners.get(gpu)!.length > 1 || partial.has(gpu);
  return running
    .filter(({ run }) => run.jobId !== UNRESOLVED_JOB_ID)
    .filter(({ devices }) => gpus === undefined || gpus.includes(devices[0]!.gpu))
    .map((one) => ({ ...one, isShared: one.devices.some(({ gpu }) => isShared(gpu)) }));
}

const OPEN = 'FROM gpu_ownership WHERE end_ts IS NULL';

/** With those with which they share devices. */
function idsSql(gpus: readonly string[] | undefined): string {
  if (gpus === undefined) return `SELECT DISTINCT job_id ${OPEN}`;
  const open = `(SELECT gpu, job_id ${OPEN})`;
  const own = `(SELECT DISTINCT job_id ${OPEN} AND gpu IN (${gpus.map(quoteText).join(', ')}))`;
  const theirs = `(SELECT DISTINCT s.gpu AS gpu FROM ${open} s JOIN ${own} j ON j.job_id = s.job_id)`;
  return `SELECT DISTINCT o.job_id AS job_id FROM ${open} o JOIN ${theirs} t ON t.gpu = o.gpu`;
}

/** Devices of which somebody was told to have a part. */
async function partlyOwned(db: Asked): Promise<Set<string>> {
  const rows = await ask(db, `SELECT DISTINCT gpu ${OPEN} AND share < 1`);
  return new Set(rows.map((row) => row.text('gpu') ?? ''));
}

function devicesOf({ window }: MemberRun): RunningJob['devices'] {
  return window.intervals
    .filter(({ isOpen }) => isOpen)
    .map(({ node, gpu, startUs }) => ({ node, gpu, startUs }))
    .sort((a, b) => compare(a.node, b.node) || compare(a.gpu, b.gpu));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
