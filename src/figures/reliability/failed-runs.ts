import { quoteText } from '../../../schemas/tables.ts';
import { joinStays } from '../../core/jobs/device-parts.ts';
import { jobsOf, type NumberedRun } from '../../core/jobs/job-runs.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import type { Happening } from '../../core/reliability/incidents.ts';
import { clusterOf } from '../job/bearers.ts';
import { readTold, recordTogether, type Told } from '../job/told-runs.ts';
import type { Span } from '../levels.ts';
import { ratioIn, type CutInventory } from '../mig-energy.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quotedLists, quoteTime } from '../sql-text.ts';
import { wholeGpuOf } from './seen.ts';

/** A fault of a GPU ends a job that ends so soon after it; clocks may be so far apart. */
const ENDS_US_MAX = 5 * 60e6;
const CLOCKS_US_MAX = 60e6;
const NODE_FAIL = 'NODE_FAIL';

/** A run that a failure ended. */
export interface FailedRun {
  readonly endUs: number;
  readonly isNodeFail: boolean;
  /** Where it had GPUs, as far as anybody recorded. */
  readonly nodes: readonly string[];
  readonly cluster: string | undefined;
  readonly isRequeued: boolean;
  /** Σ of its time on GPUs within the window. */
  readonly ownedUs: number;
}

/** A fault after which nothing goes on on a whole GPU. */
interface GpuFault extends Happening {
  readonly gpu: string;
}

interface AskedRuns extends Span {
  readonly cluster: string | undefined;
  readonly inventory: CutInventory;
  readonly faults: readonly GpuFault[];
}

/**
 * Runs that ended in a window as `NODE_FAIL`, or soon after a fault of one of their GPUs unless they completed.
 * @throws what `ask` throws
 */
export async function failedRuns(db: Asked, asked: AskedRuns): Promise<FailedRun[]> {
  const ids = new Set([...(await nodeFailIds(db, asked)), ...(await faultedIds(db, asked))]);
  const told = ids.size === 0 ? [] : await readTold(db, { ids: [...ids], apart: [], sql: undefined });
  return jobsOf(told)
    .filter((job) => asked.cluster === undefined || clusterOf(job) === asked.cluster)
    .flatMap((job) =>
      job.runs.flatMap((run, index) =>
        failedRun(run, asked, { cluster: clusterOf(job), isRequeued: index < job.runs.length - 1 }),
      ),
    );
}

async function nodeFailIds(db: Asked, { fromUs, toUs }: Span): Promise<string[]> {
  const rows = await ask(
    db,
    `SELECT DISTINCT cast(job_id AS STRING) AS id FROM jobs WHERE state = '${NODE_FAIL}' AND ts < ${quoteTime(toUs)}` +
      ` AND end_ts >= ${quoteTime(fromUs)} AND end_ts < ${quoteTime(toUs)}`,
  );
  return rows.flatMap((row) => row.text('id') ?? []);
}

/** Ids of what ended on a GPU soon after a fault of it. */
async function faultedIds(db: Asked, asked: AskedRuns): Promise<string[]> {
  const { inventory, faults } = asked;
  const whole = new Set(faults.map(({ gpu }) => gpu));
  const parts = [...inventory.instances.keys()].filter((gpu) => whole.has(wholeGpuOf(inventory, gpu)));
  const ids: string[] = [];
  for (const list of quotedLists([...whole, ...parts])) {
    const rows = await ask(
      db,
      `SELECT job_id, gpu, cast(end_ts AS LONG) AS end_us FROM gpu_ownership WHERE gpu IN (${list}) AND ts < ${quoteTime(asked.toUs)}` +
        ` AND end_ts >= ${quoteTime(asked.fromUs)} AND end_ts < ${quoteTime(asked.toUs)} AND job_id != ${quoteText(UNRESOLVED_JOB_ID)}`,
    );
    for (const row of rows)
      if (isFaulted(asked, row.text('gpu') ?? '', row.number('end_us')!)) ids.push(row.text('job_id') ?? '');
  }
  return ids;
}

function isFaulted({ inventory, faults }: AskedRuns, gpu: string, endUs: number): boolean {
  const whole = wholeGpuOf(inventory, gpu);
  return faults.some(
    (fault) =>
      fault.gpu === whole && fault.toUs >= endUs - ENDS_US_MAX && fault.fromUs <= endUs + CLOCKS_US_MAX,
  );
}

function failedRun(
  { told, members }: NumberedRun<Told>,
  asked: AskedRuns,
  known: Pick<FailedRun, 'cluster' | 'isRequeued'>,
): FailedRun[] {
  const { fromUs, toUs, inventory } = asked;
  const { endUs = Infinity } = told;
  if (endUs < fromUs || endUs >= toUs) return [];
  const { state, exitCode } = recordTogether(members);
  const stays = joinStays(
    members.flatMap(({ stay, startUs, endUs: stayEndUs }) =>
      stay === undefined || stayEndUs === undefined ? [] : [{ ...stay, startUs, endUs: stayEndUs }],
    ),
  );
  const isNodeFail = state === NODE_FAIL;
  const hasCompleted = state === 'COMPLETED' || (state === undefined && exitCode === 0);
  if (!isNodeFail && (hasCompleted || !stays.some((stay) => isFaulted(asked, stay.gpu, stay.endUs))))
    return [];
  const ownedUs = stays.reduce(
    (sum, stay) =>
      sum +
      Math.max(0, Math.min(stay.endUs, toUs) - Math.max(stay.startUs, fromUs)) *
        partOfGpu(inventory, stay.gpu),
    0,
  );
  return [{ ...known, endUs, isNodeFail, nodes: [...new Set(stays.map(({ node }) => node))], ownedUs }];
}

/** MIG instances by slices; 0 where those are not known. */
function partOfGpu(inventory: CutInventory, gpu: string): number {
  return inventory.instances.has(gpu) ? (ratioIn(inventory, gpu) ?? 0) : 1;
}

/**
 * Σ of the time in which jobs had GPUs within a window, by the same measure.
 * @param isAsked whether a device is asked about
 * @throws what `ask` throws
 */
export async function availableUs(
  db: Asked,
  { fromUs, toUs }: Span,
  inventory: CutInventory,
  isAsked: (gpu: string) => boolean,
): Promise<number> {
  const [from, to] = [quoteTime(fromUs), quoteTime(toUs)];
  const start = `CASE WHEN ts < ${from} THEN ${fromUs} ELSE cast(ts AS LONG) END`;
  const end = `CASE WHEN end_ts IS NULL OR end_ts > ${to} THEN ${toUs} ELSE cast(end_ts AS LONG) END`;
  const rows = await ask(
    db,
    `SELECT gpu, sum(us) AS us FROM (SELECT gpu, ${end} - ${start} AS us FROM gpu_ownership WHERE ts < ${to}` +
      ` AND (end_ts IS NULL OR (end_ts > ${from} AND end_ts > ts)) AND job_id != ${quoteText(UNRESOLVED_JOB_ID)}) GROUP BY gpu`,
  );
  return rows.reduce((sum, row) => {
    const gpu = row.text('gpu') ?? '';
    return isAsked(gpu) ? sum + (row.number('us') ?? 0) * partOfGpu(inventory, gpu) : sum;
  }, 0);
}
