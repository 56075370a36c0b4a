import { isInstanceName } from '../../core/devices/mig-slices.ts';
import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { readIdleLimits } from '../idle-limits.ts';
import { clusterOf, typedId } from '../job/bearers.ts';
import { sliceRatiosOf, type SliceRatios } from '../job/facts.ts';
import { jobCommand } from '../job/job-command.ts';
import { readCutInventory, type CutInventory } from '../mig-energy.ts';
import { ask, type Asked } from '../query-cells.ts';
import { deviceActivities, type ActivityOfLane } from './device-activity.ts';
import { idlenessOf, newestSampleUs } from './device-idleness.ts';
import type { IdleDevice, IdleJob, IdleWatchFigures, JobKey, NotSeenWhy } from './figures.ts';
import { runningJobs, type RunningJob } from './running-jobs.ts';

export interface IdleWatchOptions {
  /** Epoch µs, by the clock of whoever asks. */
  readonly nowUs: number;
  /** For how long a device must have been idle, as its samples tell; at most 12 h, so that it lies within what is looked at. */
  readonly afterUs: number;
  readonly idleLimits: IdleLimits;
  /** Only jobs of this user. */
  readonly user?: string;
  /** Only jobs whose first device is one of these. */
  readonly gpus?: readonly string[];
}

/**
 * Which running jobs idle, by a number of questions that does not grow with the jobs.
 * @throws OperatingError `report.no_tables` where there are jobs and no samples, and what `QuestDb.exec` throws
 */
export async function idleWatch(
  db: Asked,
  lanes: readonly Lane[],
  { nowUs: askedUs, afterUs, idleLimits, user, gpus }: IdleWatchOptions,
): Promise<IdleWatchFigures> {
  const all = await runningJobs(db, askedUs, gpus);
  const jobs = all.filter((job) => user === undefined || userOf(job) === user);
  const devices = [...new Set(jobs.flatMap((job) => job.devices.map(({ gpu }) => gpu)))];
  const none = { running: 0, idle: [], partlyIdle: [], working: [], notSeen: [], shared: [] };
  if (jobs.length === 0)
    return { ...none, nowUs: askedUs, afterUs, isSynthetic: false, idleLimits, invalidRollups: [] };
  // Of some jobs or one node the others' devices need not be read.
  const some = gpus === undefined && user === undefined ? {} : { gpus: devices };
  const idle = await readIdleLimits(db, idleLimits, some.gpus);
  const read = await deviceActivities(db, lanes, { idle, nowUs: askedUs, ...some });
  const nowUs = Math.max(askedUs, newestSampleUs(read.lanes));
  const cut = devices.some(isInstanceName) ? await readCutInventory(db) : undefined;
  const seen = jobs.map((job) => seenJob(job, read.lanes, { nowUs, afterUs, cut }));
  const idleJobs = (isWhole: boolean): IdleJob[] =>
    seen.flatMap((one) => (one.kind === 'idle' && one.isWhole === isWhole ? [one.job] : [])).sort(byLoss);
  const partlyIdle = idleJobs(false);
  return {
    nowUs,
    afterUs,
    isSynthetic: await isAnySynthetic(db),
    idleLimits: idle.told,
    running: jobs.length,
    idle: idleJobs(true),
    partlyIdle,
    working: [
      ...keysOf(seen, 'working'),
      ...partlyIdle.map(({ cluster, jobId, run }) => ({ cluster, jobId, run })),
    ],
    notSeen: seen.flatMap((one) => (one.kind === 'not_seen' ? [{ ...one.key, why: one.why }] : [])),
    shared: keysOf(seen, 'shared'),
    invalidRollups: read.invalidRollups,
  };
}

/** What is told of one job. */
type Seen =
  | { readonly kind: 'idle'; readonly isWhole: boolean; readonly job: IdleJob }
  | { readonly kind: 'working' | 'shared'; readonly key: JobKey }
  | { readonly kind: 'not_seen'; readonly key: JobKey; readonly why: NotSeenWhy };

interface Moment {
  readonly nowUs: number;
  readonly afterUs: number;
  readonly cut: CutInventory | undefined;
}

/** Of a device that nobody sees another one that works says enough, one that idles does not. */
function seenJob(job: RunningJob, lanes: readonly ActivityOfLane[], moment: Moment): Seen {
  const key = keyOf(job);
  if (job.isShared) return { kind: 'shared', key };
  const idleness = job.devices.map((device) => ({ ...device, ...idlenessOf(device.gpu, lanes, moment) }));
  const idle = idleness
    .filter((one) => one.kind === 'idle')
    .map(({ node, gpu, sinceUs, untilUs, isAtLeast }) => ({
      ...{ node, gpu, sinceUs, untilUs, isAtLeast },
    }));
  const isWorking = idleness.some(({ kind }) => kind === 'working');
  if (idle.length > 0 && isWorking) return { kind: 'idle', isWhole: false, job: idleJob(job, idle, moment) };
  if (isWorking) return { kind: 'working', key };
  const unseen =
    idleness.find(({ kind }) => kind === 'no_samples') ?? idleness.find(({ kind }) => kind === 'gaps');
  if (unseen !== undefined) return { kind: 'not_seen', key, why: unseen.kind as NotSeenWhy };
  if ((job.run.record.gpus ?? 0) > job.devices.length) return { kind: 'not_seen', key, why: 'unrecorded' };
  const all = idleJob(job, idle, moment);
  // Each device for long enough, and all of them together for less.
  return all.untilUs - all.sinceUs < moment.afterUs
    ? { kind: 'working', key }
    : { kind: 'idle', isWhole: true, job: all };
}

function keysOf(seen: readonly Seen[], kind: 'working' | 'shared'): JobKey[] {
  return seen.flatMap((one) => (one.kind === kind ? [one.key] : []));
}

function keyOf({ member, run }: RunningJob): JobKey {
  return { cluster: clusterOf(member.job), jobId: run.jobId, run: run.run };
}

function idleJob(job: RunningJob, idle: readonly IdleDevice[], { cut }: Moment): IdleJob {
  const { member, run, window, devices } = job;
  const { name, user, account, partition } = { ...member.record, ...run.record };
  const key = keyOf(job);
  const sinceUs = Math.max(...idle.map((device) => device.sinceUs));
  return {
    ...key,
    typedId: typedId(member, run.jobId),
    ...{ name, user, account, partition },
    startUs: window.startUs,
    gpus: devices.length,
    idle: idle.toSorted((a, b) => a.sinceUs - b.sinceUs),
    sinceUs,
    untilUs: Math.min(...idle.map(({ untilUs }) => untilUs)),
    isAtLeast: idle.some((device) => device.isAtLeast && device.sinceUs === sinceUs),
    lostGpuUs: lostGpuUs(idle, sliceRatiosOf(cut, window)),
    command: jobCommand(typedId(member, run.jobId), { cluster: key.cluster }),
  };
}

function lostGpuUs(idle: readonly IdleDevice[], ratios: SliceRatios): number | undefined {
  let lostUs = 0;
  for (const { gpu, sinceUs, untilUs } of idle) {
    const ratio = ratios.get(gpu);
    if (ratio === undefined) return undefined;
    lostUs += ratio * (untilUs - sinceUs);
  }
  return lostUs;
}

function byLoss(a: IdleJob, b: IdleJob): number {
  return (b.lostGpuUs ?? 0) - (a.lostGpuUs ?? 0) || a.sinceUs - b.sinceUs;
}

function userOf({ member, run }: RunningJob): string | undefined {
  return run.record.user ?? member.record.user;
}

/** Samples that are made up share a store with real ones only where somebody forced it. */
async function isAnySynthetic(db: Asked): Promise<boolean> {
  return (await ask(db, "SELECT gpu FROM gpu_inventory WHERE source = 'synthetic' LIMIT 1")).length > 0;
}
