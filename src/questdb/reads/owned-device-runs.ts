import { quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';

/** A row of `gpu_ownership`, as far as figures of a job depend on it. Epoch µs; `endUs` is Infinity while it is open. */
export interface OwnedInterval {
  readonly node: string;
  readonly gpu: string;
  readonly jobId: string;
  readonly run: number;
  readonly startUs: number;
  readonly endUs: number;
  /** Undefined when nobody told. */
  readonly share?: number;
}

/** What one run of a job had of one device. */
export interface DeviceRun extends Omit<OwnedInterval, 'share'> {
  readonly share: number | undefined;
  readonly intervals: readonly OwnedInterval[];
  readonly ownedUs: number;
  /** Σ over other owners of the time that they had the device meanwhile: a late one changes everybody's part. */
  readonly sharedUs: number;
}

/** Intervals on these devices that reach back to the start of every run there that ended after `sinceUs` (epoch µs). */
export async function readOwnedIntervals(
  db: QuestDb,
  gpus: readonly string[],
  sinceUs: number,
): Promise<OwnedInterval[]> {
  const here = `gpu IN (${gpus.map(quoteText).join(', ')})`;
  const ended = await db.exec(
    `SELECT DISTINCT job_id FROM gpu_ownership WHERE ${here} AND end_ts > cast(${Math.floor(sinceUs)} AS TIMESTAMP)`,
  );
  if (ended.rows.length === 0) return [];
  const jobIds = ended.rows.map(([jobId]) => quoteText(String(jobId))).join(', ');
  const first = await db.exec(
    `SELECT cast(min(ts) AS LONG) FROM gpu_ownership WHERE ${here} AND job_id IN (${jobIds})`,
  );
  const { rows } = await db.exec(
    'SELECT node, gpu, job_id, run, cast(ts AS LONG), cast(end_ts AS LONG), share FROM gpu_ownership' +
      ` WHERE ${here} AND (end_ts IS NULL OR end_ts >= cast(${Number(first.rows[0]![0])} AS TIMESTAMP)) ORDER BY ts`,
  );
  return rows.map(([node, gpu, jobId, run, startUs, endUs, share]) => ({
    node: String(node),
    gpu: String(gpu),
    jobId: String(jobId),
    run: Number(run ?? 0),
    startUs: Number(startUs),
    endUs: endUs === null ? Infinity : Number(endUs),
    ...(share === null ? {} : { share: Number(share) }),
  }));
}

/** @param intervals ascending by start. */
export function deviceRunsOf(intervals: readonly OwnedInterval[]): DeviceRun[] {
  const groups = Map.groupBy(intervals, ({ jobId, run, gpu }) => `${jobId}\n${run}\n${gpu}`);
  const onDevice = Map.groupBy(intervals, ({ gpu }) => gpu);
  return [...groups.values()].map((all) => {
    // An empty interval only overwrites a start that was corrected.
    const owning = all.filter(({ startUs, endUs }) => endUs > startUs);
    const own = owning.length === 0 ? all : owning;
    const { node, gpu, jobId, run, startUs } = own[0]!;
    const others = onDevice.get(gpu)!.filter((other) => other.jobId !== jobId || other.run !== run);
    return {
      node,
      gpu,
      jobId,
      run,
      startUs,
      endUs: Math.max(...own.map(({ endUs }) => endUs)),
      share: own.at(-1)!.share,
      intervals: own,
      ownedUs: own.reduce((sum, each) => sum + each.endUs - each.startUs, 0),
      sharedUs: own.reduce(
        (sum, each) => sum + others.reduce((inner, other) => inner + overlapUs(each, other), 0),
        0,
      ),
    };
  });
}

function overlapUs(a: OwnedInterval, b: OwnedInterval): number {
  return Math.max(0, Math.min(a.endUs, b.endUs) - Math.max(a.startUs, b.startUs));
}

/** What the figures of a run were computed over; other figures are needed when it changes. */
export function stampOf(
  run: Pick<DeviceRun, 'startUs' | 'endUs' | 'ownedUs' | 'sharedUs' | 'share'>,
): string {
  return [run.startUs, run.endUs, run.ownedUs, run.sharedUs, run.share ?? ''].join(' ');
}

/** The stamps of the newest figures of these runs, by job id, run and device, a line each. */
export async function readStamps(db: QuestDb, runs: readonly DeviceRun[]): Promise<Map<string, string>> {
  const stamps = new Map<string, string>();
  if (runs.length === 0) return stamps;
  const gpus = [...new Set(runs.map(({ gpu }) => quoteText(gpu)))].join(', ');
  const jobIds = [...new Set(runs.map(({ jobId }) => quoteText(jobId)))].join(', ');
  const { rows } = await db.exec(
    'SELECT job_id, run, gpu, cast(ts AS LONG), cast(end_ts AS LONG), owned_us, shared_us, share FROM job_figures' +
      ` WHERE gpu IN (${gpus}) AND job_id IN (${jobIds}) ORDER BY written_ts`,
  );
  for (const [jobId, run, gpu, startUs, endUs, ownedUs, sharedUs, share] of rows) {
    const stamp = {
      startUs: Number(startUs),
      endUs: Number(endUs),
      ownedUs: Number(ownedUs),
      sharedUs: Number(sharedUs),
      share: share === null ? undefined : Number(share),
    };
    stamps.set(`${String(jobId)}\n${Number(run)}\n${String(gpu)}`, stampOf(stamp));
  }
  return stamps;
}
