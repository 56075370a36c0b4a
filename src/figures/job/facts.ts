import { quoteText } from '../../../schemas/tables.ts';
import type { Job, NumberedRun, Run, RunTold } from '../../core/jobs/job-runs.ts';
import type { JobEvent } from './figures.ts';
import type { OwnedRow } from '../owned-rows.ts';
import type { SampleWindow } from '../owned-samples.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { recordTogether, type JobCells, type Told } from './told-runs.ts';

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

/** One run of a job, as the ownership intervals and the `jobs` table know it. */
export interface JobRun {
  readonly jobId: string;
  /** Its number within the job: as told, else by order. */
  readonly run: number;
  readonly told: RunTold;
  readonly record: Partial<JobCells>;
  readonly intervals: readonly JobInterval[];
  /** Rows of `gpu_ownership` under the same id that are of other runs or jobs, as far as they were read. */
  readonly otherRows: readonly OwnedRow[];
  /** Ascending. */
  readonly otherRuns: readonly number[];
}

/**
 * What is known of one run of a job.
 * @param jobs all that were read under its id.
 * @param nowUs up to where an open interval is looked at.
 */
export function runOf(
  job: Job<Told>,
  chosen: NumberedRun<Told>,
  jobs: readonly Job<Told>[],
  nowUs: number,
): JobRun {
  const others = job.runs.filter((other) => other !== chosen);
  const rivals = jobs.flatMap(({ runs }) => runs).filter((other) => other !== chosen);
  return {
    jobId: chosen.told.jobId,
    run: chosen.number,
    told: chosen.told,
    record: recordTogether(chosen.members),
    intervals: intervalsOf(chosen, nowUs),
    otherRows: rivals.filter(({ told }) => told.jobId === chosen.told.jobId).flatMap(rowsOf),
    otherRuns: others.map(({ number }) => number),
  };
}

/** The rows of `gpu_ownership` that were taken together as one run. */
function rowsOf({ members }: Run<Told>): OwnedRow[] {
  return members.flatMap(({ stay, startUs }) => (stay === undefined ? [] : [{ gpu: stay.gpu, startUs }]));
}

function intervalsOf({ members }: Run<Told>, nowUs: number): JobInterval[] {
  return members.flatMap(({ stay, startUs, endUs }) =>
    stay === undefined
      ? []
      : [{ ...stay, startUs, endUs: endUs ?? Math.max(startUs, nowUs), isOpen: endUs === undefined }],
  );
}

/** What the inventory last said of each device that the job owned, by UUID. */
export async function inventoryOf(
  db: Asked,
  { ownedSql, intervals }: JobWindow,
): Promise<Map<string, Cells>> {
  if (intervals.length === 0) return new Map();
  const rows = await ask(
    db,
    `WITH o AS (SELECT DISTINCT gpu FROM gpu_ownership WHERE ${ownedSql}),` +
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
