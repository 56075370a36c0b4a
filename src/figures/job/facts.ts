import { quoteText } from '../../../schemas/tables.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { JobEvent, JobIdentity } from './figures.ts';
import type { SampleWindow } from '../owned-samples.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

/** Characters. Slurm's ids have at most 20, free text of a map file is a line: longer is a mistake. */
const JOB_ID_LENGTH_MAX = 256;

/** Refuses what cannot be a job id before anything is asked. @throws OperatingError `report.job_id` (exit `usage`) */
function checkJobId(jobId: string): void {
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
}

/** One stay of the job on one device, (startUs, endUs]. */
export interface JobInterval {
  readonly gpu: string;
  readonly node: string;
  readonly startUs: number;
  /** The time up to which the report looks, when the interval is open. */
  readonly endUs: number;
  readonly isOpen: boolean;
  /** Undefined when nobody told: the owners of a moment then have equal parts. */
  readonly share: number | undefined;
}

/** The job's time from the first start to the last end, and its intervals in it. */
export interface JobWindow extends SampleWindow {
  readonly intervals: readonly JobInterval[];
}

/** One run of a job id, as the ownership intervals and the `jobs` table know it. */
export interface JobRun {
  readonly run: number;
  readonly startUs: number;
  readonly intervals: readonly JobInterval[];
  readonly otherRuns: readonly number[];
}

/**
 * The run of a job that a report is about: the one asked for, else the newest.
 * @param nowUs up to where an open interval is looked at.
 * @throws OperatingError `report.unknown_job`, `report.unknown_run` (exit `usage`)
 */
export async function findRun(
  db: Asked,
  jobId: string,
  run: number | undefined,
  nowUs: number,
): Promise<JobRun> {
  checkJobId(jobId);
  const owned = await ask(
    db,
    'SELECT run, node, gpu, cast(ts AS LONG) AS start_us, cast(end_ts AS LONG) AS end_us, share' +
      ` FROM gpu_ownership WHERE job_id = ${quoteText(jobId)} ORDER BY ts`,
  );
  const recorded = await ask(
    db,
    `SELECT run, cast(ts AS LONG) AS start_us FROM jobs WHERE job_id = ${quoteText(jobId)}`,
  );
  const startOf = new Map<number, number>();
  for (const row of [...recorded, ...owned]) startOf.set(row.number('run') ?? 0, row.number('start_us')!);
  const runs = [...startOf.keys()].sort((a, b) => a - b);
  if (runs.length === 0) throw await unknownJob(db, jobId);
  const chosen =
    run ?? runs.reduce((newest, next) => (startOf.get(next)! >= startOf.get(newest)! ? next : newest));
  if (!startOf.has(chosen))
    throw new OperatingError(`job ${jobId} has no run ${chosen}: its runs are ${runs.join(', ')}`, {
      code: 'report.unknown_run',
      exit: 'usage',
      where: `${db.where}, tables gpu_ownership and jobs`,
      hints: [`the newest: gpuledger report job ${jobId}`],
    });
  return {
    run: chosen,
    startUs: startOf.get(chosen)!,
    intervals: owned
      .filter((row) => (row.number('run') ?? 0) === chosen)
      .map((row) => asInterval(row, nowUs)),
    otherRuns: runs.filter((other) => other !== chosen),
  };
}

function asInterval(row: Cells, nowUs: number): JobInterval {
  const startUs = row.number('start_us')!;
  const endUs = row.number('end_us');
  return {
    gpu: row.text('gpu') ?? '',
    node: row.text('node') ?? '',
    startUs,
    endUs: endUs ?? Math.max(startUs, nowUs),
    isOpen: endUs === undefined,
    share: row.number('share'),
  };
}

async function unknownJob(db: Asked, jobId: string): Promise<OperatingError> {
  const newest = await ask(
    db,
    'SELECT job_id, max(ts) AS newest FROM gpu_ownership ORDER BY newest DESC LIMIT 5',
  );
  const ids = newest.map((row) => row.text('job_id') ?? '');
  return new OperatingError(`no job "${jobId}": it is neither in gpu_ownership nor in jobs`, {
    code: 'report.unknown_job',
    exit: 'usage',
    where: `${db.where}, looked for job_id = ${quoteText(jobId)}`,
    hints:
      ids.length === 0
        ? ['no job has been recorded there yet: is a job map configured? (gpuledger config print)']
        : [
            `the newest jobs there: ${ids.join(', ')}`,
            'for an array task give its own id (the raw one), not 123_4',
          ],
  });
}

/** What the scheduler told of one run, as far as the `jobs` table knows it. */
export async function identityOf(
  db: Asked,
  jobId: string,
  { run, otherRuns }: Pick<JobRun, 'run' | 'otherRuns'>,
): Promise<JobIdentity> {
  const rows = await ask(
    db,
    'SELECT name, "user", account, "partition", qos, state, exit_code' +
      ` FROM jobs WHERE job_id = ${quoteText(jobId)} AND run = ${run} ORDER BY ts DESC LIMIT 1`,
  );
  const record = rows[0];
  const told = (column: string): string | undefined => {
    const text = record?.text(column);
    return text === '' ? undefined : text;
  };
  return {
    jobId,
    run,
    otherRuns,
    name: told('name'),
    user: told('user'),
    account: told('account'),
    partition: told('partition'),
    qos: told('qos'),
    state: told('state'),
    exitCode: record?.number('exit_code'),
  };
}

/** What the inventory last said of each device that the job owned, by UUID. */
export async function inventoryOf(db: Asked, jobId: string, run: number): Promise<Map<string, Cells>> {
  const rows = await ask(
    db,
    `WITH o AS (SELECT DISTINCT gpu FROM gpu_ownership WHERE job_id = ${quoteText(jobId)} AND run = ${run}),` +
      ' i AS (SELECT * FROM gpu_inventory LATEST ON ts PARTITION BY gpu)' +
      ' SELECT i.gpu AS gpu, i.gpu_index AS gpu_index, i.model AS model, i.memory_bytes AS memory_bytes,' +
      ' i.mig_profile AS mig_profile, i.source AS source FROM i JOIN o ON i.gpu = o.gpu',
  );
  return new Map(rows.map((row) => [row.text('gpu') ?? '', row]));
}

/** Events of the job's devices, and of its nodes as a whole, that touch (startUs, endUs]. */
export async function eventsOf(
  db: Asked,
  intervals: readonly JobInterval[],
  startUs: number,
  endUs: number,
): Promise<JobEvent[]> {
  const nodes = [...new Set(intervals.map((interval) => interval.node))];
  const rows = await ask(
    db,
    'SELECT cast(ts AS LONG) AS ts_us, cast(end_ts AS LONG) AS end_us, node, gpu, kind, code, subject, text FROM gpu_events' +
      ` WHERE ts > ${quoteTime(startUs - EVENT_REACH_US_MAX)} AND ts <= ${quoteTime(endUs)}` +
      ` AND (ts > ${quoteTime(startUs)} OR end_ts > ${quoteTime(startUs)} OR (end_ts IS NULL AND kind IN ('throttle', 'paused')))` +
      ` AND node IN (${nodes.map(quoteText).join(', ')}) ORDER BY ts`,
  );
  return rows.map((row) => asEvent(row)).filter((event) => isOfJob(event, intervals));
}

/** Spans (a throttle, a pause) are looked for this long before the job's start: one week. */
const EVENT_REACH_US_MAX = 7 * 86_400e6;

function isOfJob(event: JobEvent, intervals: readonly JobInterval[]): boolean {
  return intervals.some(
    (interval) =>
      (event.gpu === undefined ? event.node === interval.node : event.gpu === interval.gpu) &&
      event.tsUs <= interval.endUs &&
      lastsUntilUs(event) > interval.startUs,
  );
}

/** A throttle or a pause without an end still lasts; other events without one are instants. */
export function lastsUntilUs(event: JobEvent): number {
  if (event.endUs !== undefined) return event.endUs;
  return event.kind === 'throttle' || event.kind === 'paused' ? Infinity : event.tsUs;
}

function asEvent(row: Cells): JobEvent {
  const endUs = row.number('end_us');
  const gpu = row.text('gpu');
  const code = row.number('code');
  return {
    tsUs: row.number('ts_us')!,
    ...(endUs === undefined ? {} : { endUs }),
    node: row.text('node') ?? '',
    ...(gpu === undefined || gpu === '' ? {} : { gpu }),
    kind: row.text('kind') ?? '',
    ...(code === undefined ? {} : { code }),
    subject: row.text('subject') ?? '',
    text: row.text('text') ?? '',
  };
}
