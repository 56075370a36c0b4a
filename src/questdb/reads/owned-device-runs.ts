import { quoteText } from '../../../schemas/tables.ts';
import { joinStays, partsOf, partsWithin, type DevicePart } from '../../core/jobs/device-parts.ts';
import { jobsOf, type Run } from '../../core/jobs/job-runs.ts';
import type { MeasuredUse } from '../../core/jobs/measured-use.ts';
import type { QuestDb } from '../http.ts';

/** A row of `gpu_ownership`, as far as figures of a job depend on it. Epoch µs; `endUs` is Infinity while it is open. */
export interface OwnedInterval {
  readonly cluster?: string;
  readonly node: string;
  readonly gpu: string;
  readonly jobId: string;
  /** NaN when nobody counted. */
  readonly run: number;
  readonly startUs: number;
  readonly endUs: number;
  /** Undefined when nobody told. */
  readonly share?: number;
  readonly source: string;
}

/** What one run of a job had of one device. */
export interface DeviceRun extends Omit<OwnedInterval, 'share' | 'source'> {
  /** Mean part of the device that was the run's own: it changes with the shares of the others. Undefined over no time. */
  readonly share: number | undefined;
  /** Its part in each stretch of its time. */
  readonly spans: readonly DevicePart[];
  readonly ownedUs: number;
  /** Σ over other owners of the time that they had the device meanwhile: a late one changes everybody's part. */
  readonly sharedUs: number;
}

/**
 * Intervals on these devices that reach back to the start of every run there that ended after `sinceUs` (epoch µs).
 * @param untilUs runs that began later are left out: those of old times are asked for by the day
 */
export async function readOwnedIntervals(
  db: QuestDb,
  gpus: readonly string[],
  sinceUs: number,
  untilUs = Infinity,
): Promise<OwnedInterval[]> {
  const before = untilUs === Infinity ? '' : ` AND ts < cast(${Math.floor(untilUs)} AS TIMESTAMP)`;
  const here = `gpu IN (${gpus.map(quoteText).join(', ')})${before}`;
  const ended = await db.exec(
    `SELECT DISTINCT job_id FROM gpu_ownership WHERE ${here} AND end_ts > cast(${Math.floor(sinceUs)} AS TIMESTAMP)`,
  );
  if (ended.rows.length === 0) return [];
  const jobIds = ended.rows.map(([jobId]) => quoteText(String(jobId))).join(', ');
  const first = await db.exec(
    `SELECT cast(min(ts) AS LONG) FROM gpu_ownership WHERE ${here} AND job_id IN (${jobIds})`,
  );
  const { rows } = await db.exec(
    'SELECT cluster, node, gpu, job_id, run, cast(ts AS LONG), cast(end_ts AS LONG), share, source FROM gpu_ownership' +
      ` WHERE ${here} AND (end_ts IS NULL OR end_ts >= cast(${Number(first.rows[0]![0])} AS TIMESTAMP)) ORDER BY ts`,
  );
  return rows.map(([cluster, node, gpu, jobId, run, startUs, endUs, share, source]) => ({
    ...(typeof cluster === 'string' ? { cluster } : {}),
    node: String(node),
    gpu: String(gpu),
    jobId: String(jobId),
    run: typeof run === 'number' ? run : NaN,
    startUs: Number(startUs),
    endUs: endUs === null ? Infinity : Number(endUs),
    ...(share === null ? {} : { share: Number(share) }),
    source: String(source),
  }));
}

/**
 * @param intervals everybody's on these devices, ascending by start
 * @param uses what was measured of these devices
 * @returns a list for each run, of the devices that it had
 */
export function deviceRunsOf(
  intervals: readonly OwnedInterval[],
  uses: readonly MeasuredUse[] = [],
): DeviceRun[][] {
  const onDevice = Map.groupBy(intervals, ({ gpu }) => gpu);
  const parts = Map.groupBy(partsOf(intervals, uses), ({ gpu, jobId }) => JSON.stringify([gpu, jobId]));
  // An empty interval only overwrites a start that was corrected: it is of no run.
  const runs = jobsOf(intervals.filter(ownsTime)).flatMap((job) => job.runs);
  const empty = intervals.filter((interval) => !ownsTime(interval));
  return [
    ...runs.map((run) =>
      [...Map.groupBy(run.members, ({ gpu }) => gpu)].map(([gpu, own]) =>
        deviceRunOf(run, own, {
          onDevice: onDevice.get(gpu)!,
          parts: parts.get(JSON.stringify([gpu, run.told.jobId])) ?? [],
        }),
      ),
    ),
    ...empty.map((one) => [deviceRunOf({ told: one, members: [one] }, [one], { onDevice: [], parts: [] })]),
  ];
}

function ownsTime({ startUs, endUs }: OwnedInterval): boolean {
  return endUs > startUs;
}

function deviceRunOf(
  { told, members }: Run<OwnedInterval>,
  stays: readonly OwnedInterval[],
  { onDevice, parts }: { readonly onDevice: readonly OwnedInterval[]; readonly parts: readonly DevicePart[] },
): DeviceRun {
  const own = joinStays(stays);
  const { cluster, node, gpu, jobId, startUs } = own[0]!;
  const spans = partsWithin(parts, own);
  const ownedUs = own.reduce((sum, each) => sum + each.endUs - each.startUs, 0);
  const partUs = spans.reduce((sum, span) => sum + (span.endUs - span.startUs) * span.part, 0);
  const others = onDevice.filter((other) => !members.includes(other));
  return {
    ...(cluster === undefined ? {} : { cluster }),
    ...{ node, gpu, jobId, run: told.run ?? NaN, startUs },
    endUs: Math.max(...own.map(({ endUs }) => endUs)),
    share: ownedUs > 0 ? partUs / ownedUs : undefined,
    spans,
    ownedUs,
    sharedUs: own.reduce(
      (sum, each) => sum + others.reduce((inner, other) => inner + overlapUs(each, other), 0),
      0,
    ),
  };
}

function overlapUs(a: OwnedInterval, b: OwnedInterval): number {
  return Math.max(0, Math.min(a.endUs, b.endUs) - Math.max(a.startUs, b.startUs));
}

/** What the figures of a run were computed over; other figures are needed when it changes. */
export function stampOf(
  run: Pick<DeviceRun, 'startUs' | 'endUs' | 'ownedUs' | 'sharedUs' | 'share'>,
): string {
  return [run.startUs, run.endUs, run.ownedUs, run.sharedUs, run.share?.toFixed(9) ?? ''].join(' ');
}

/** The row of `job_figures` that a run has: its key. */
export function figuresKeyOf({ startUs, cluster, jobId, gpu }: DeviceRun): string {
  return JSON.stringify([startUs, cluster ?? null, jobId, gpu]);
}

/** What is written of a run. */
export interface FiguresStamp {
  /** Of `stampOf`. */
  readonly text: string;
  /** It holds more than the sums. */
  readonly isConcluded: boolean;
}

/** The stamps of the newest figures of these runs, by `figuresKeyOf`. */
export async function readStamps(
  db: QuestDb,
  runs: readonly DeviceRun[],
): Promise<Map<string, FiguresStamp>> {
  const stamps = new Map<string, FiguresStamp>();
  if (runs.length === 0) return stamps;
  const gpus = [...new Set(runs.map(({ gpu }) => quoteText(gpu)))].join(', ');
  const jobIds = [...new Set(runs.map(({ jobId }) => quoteText(jobId)))].join(', ');
  const { rows } = await db.exec(
    'SELECT cluster, job_id, gpu, cast(ts AS LONG), cast(end_ts AS LONG), owned_us, shared_us, share, causes_origin FROM job_figures' +
      ` WHERE gpu IN (${gpus}) AND job_id IN (${jobIds}) ORDER BY written_ts`,
  );
  for (const [cluster, jobId, gpu, startUs, endUs, ownedUs, sharedUs, share, origin] of rows) {
    const stamp = {
      startUs: Number(startUs),
      endUs: Number(endUs),
      ownedUs: Number(ownedUs),
      sharedUs: Number(sharedUs),
      share: share === null ? undefined : Number(share),
    };
    const key = JSON.stringify([stamp.startUs, cluster, jobId, gpu]);
    stamps.set(key, { text: stampOf(stamp), isConcluded: origin !== null });
  }
  return stamps;
}
