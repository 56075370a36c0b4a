import { quoteText } from '../../../schemas/tables.ts';
import { differ, type Job, type NumberedRun, type Run, type RunTold } from '../../core/jobs/job-runs.ts';
import { isInstanceName } from '../../core/devices/mig-slices.ts';
import { floorTo, STEP_US } from '../levels.ts';
import { ratioIn, readCutInventory, type CutInventory } from '../mig-energy.ts';
import type { JobEvent } from './figures.ts';
import { joinStays } from '../../core/jobs/device-parts.ts';
import { DEVICES_PER_QUERY_MAX } from '../stays.ts';
import type { Stay } from './rows/job-segments.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { recordTogether, type JobCells, type Told } from './told-runs.ts';

/** One stay of the job on one device, (startUs, endUs]; those of one device do not overlap. */
export interface JobInterval {
  readonly gpu: string;
  readonly node: string;
  readonly startUs: number;
  /** The time up to which the report looks, when the interval is open. */
  readonly endUs: number;
  readonly isOpen: boolean;
}

/** The job's time from the first start to the last end, and its intervals in it. Epoch µs. */
export interface JobWindow {
  readonly startUs: number;
  readonly endUs: number;
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
  /** Stays of other runs and jobs of this id on its devices, and the time that is not looked at. */
  readonly foreign: readonly Stay[];
  /** Ascending. */
  readonly otherRuns: readonly number[];
}

/**
 * What is known of one run of a job.
 * @param jobs all that bear one of the ids that were looked at
 * @param nowUs up to where an open interval is looked at.
 * @param record of `recordTogether`, where that is known
 */
export function runOf(
  job: Job<Told>,
  chosen: NumberedRun<Told>,
  jobs: readonly Job<Told>[],
  nowUs: number,
  record = recordTogether(chosen.members),
): JobRun {
  const others = job.runs.filter((other) => other !== chosen);
  const intervals = intervalsOf(chosen, nowUs);
  return {
    jobId: chosen.told.jobId,
    run: chosen.number,
    told: chosen.told,
    record,
    intervals,
    foreign: foreignOf(chosen, jobs, intervals),
    otherRuns: others.map(({ number }) => number),
  };
}

function foreignOf(
  chosen: NumberedRun<Told>,
  jobs: readonly Job<Told>[],
  intervals: readonly JobInterval[],
): Stay[] {
  const open = intervals
    .filter(({ isOpen }) => isOpen)
    .map(({ gpu, endUs }): Stay => ({ gpu, startUs: endUs, endUs: Infinity }));
  const others = jobs.flatMap(({ runs }) => runs.filter((run) => run !== chosen));
  if (others.length === 0) return open;
  const gpus = new Set(intervals.map(({ gpu }) => gpu));
  return [
    ...others.flatMap(({ members }) =>
      members.flatMap(({ jobId, stay, startUs, endUs = Infinity }): Stay[] =>
        jobId === chosen.told.jobId && stay !== undefined && gpus.has(stay.gpu) && endUs > startUs
          ? [{ gpu: stay.gpu, startUs, endUs }]
          : [],
      ),
    ),
    ...open,
  ];
}

/** Several rows of the same time on a device are one stay. */
function intervalsOf({ members }: Run<Told>, nowUs: number): JobInterval[] {
  const intervals = members.flatMap(({ stay, startUs, endUs }) =>
    stay === undefined
      ? []
      : [{ ...stay, startUs, endUs: endUs ?? Math.max(startUs, nowUs), isOpen: endUs === undefined }],
  );
  if (intervals.length <= 1) return intervals;
  const open = intervals.filter(({ isOpen }) => isOpen);
  return joinStays(intervals).map((stay) => ({
    ...stay,
    isOpen: open.some(({ gpu, endUs }) => gpu === stay.gpu && endUs === stay.endUs),
  }));
}

/** By device: 1, or the part of a GPU that a MIG instance is by slices; undefined where those are not known. */
export type SliceRatios = ReadonlyMap<string, number | undefined>;

/**
 * How large the instances were when the job had them: in the hour in which its time ends.
 * @param cut of `cutInventoryOf`
 */
export function sliceRatiosOf(
  cut: CutInventory | undefined,
  { endUs, intervals }: Pick<JobWindow, 'endUs' | 'intervals'>,
): SliceRatios {
  return new Map(
    intervals.map(({ gpu }) => {
      const isWhole = cut?.instances.has(gpu) !== true && !isInstanceName(gpu);
      return [gpu, isWhole || cut === undefined ? 1 : ratioIn(cut, gpu, floorTo(endUs, '1h'))];
    }),
  );
}

/** How GPUs are cut; undefined where the job has no instance. @param inventory of `inventoryOf` @throws what `ask` throws */
export async function cutInventoryOf(
  db: Asked,
  inventory: ReadonlyMap<string, Cells>,
  intervals: readonly JobInterval[],
): Promise<CutInventory | undefined> {
  const isInstance = ({ gpu }: JobInterval): boolean =>
    isInstanceName(gpu) || (inventory.get(gpu)?.text('mig_profile') ?? '') !== '';
  return intervals.some(isInstance) ? await readCutInventory(db) : undefined;
}

/**
 * What the inventory last said of each device up to the hour in which the job's time ends, by UUID; of one that was told of later
 * only, what it said first. @throws what `ask` throws
 */
export async function inventoryOf(
  db: Asked,
  { endUs, intervals }: Pick<JobWindow, 'endUs' | 'intervals'>,
): Promise<Map<string, Cells>> {
  const gpus = [...new Set(intervals.map(({ gpu }) => gpu))];
  const known = new Map<string, Cells>();
  const read = async (some: readonly string[], which: string): Promise<void> => {
    if (some.length === 0) return;
    const rows = await ask(
      db,
      'SELECT gpu, gpu_index, model, memory_bytes, mig_profile, source FROM gpu_inventory' +
        ` WHERE gpu IN (${some.map(quoteText).join(', ')}) ${which}`,
    );
    for (const row of rows) known.set(row.text('gpu') ?? '', row);
  };
  const untilUs = floorTo(endUs, '1h') + STEP_US['1h'];
  for (let from = 0; from < gpus.length; from += DEVICES_PER_QUERY_MAX) {
    const some = gpus.slice(from, from + DEVICES_PER_QUERY_MAX);
    await read(some, `AND ts < ${quoteTime(untilUs)} LATEST ON ts PARTITION BY gpu`);
    const later = some.filter((gpu) => !known.has(gpu));
    await read(later, 'ORDER BY ts DESC');
  }
  return known;
}

/**
 * Events of the job's devices, and of its nodes as a whole, that touch the window. A node of the same name in another cluster
 * is another one.
 * @param cluster of the job; undefined where nobody knows
 */
export async function eventsOf(
  db: Asked,
  cluster: string | undefined,
  { startUs, endUs, intervals }: JobWindow,
): Promise<JobEvent[]> {
  const nodes = [...new Set(intervals.map((interval) => interval.node))];
  const rows = await ask(
    db,
    'SELECT cast(ts AS LONG) AS ts_us, cast(end_ts AS LONG) AS end_us, cluster, node, gpu, kind, code, subject, text FROM gpu_events' +
      ` WHERE ts > ${quoteTime(startUs - EVENT_REACH_US_MAX)} AND ts <= ${quoteTime(endUs)}` +
      ` AND (ts > ${quoteTime(startUs)} OR end_ts > ${quoteTime(startUs)} OR (end_ts IS NULL AND kind IN ('throttle', 'paused')))` +
      ` AND node IN (${nodes.map(quoteText).join(', ')}) ORDER BY ts`,
  );
  return rows
    .filter((row) => (row.text('gpu') ?? '') !== '' || !differ(row.text('cluster'), cluster))
    .map((row) => asEvent(row))
    .filter((event) => isOfJob(event, intervals));
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
