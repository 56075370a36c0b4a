import type { Device } from '../devices/device.ts';
import { sliceRatioOf } from '../devices/mig-slices.ts';
import type { Chip, Part } from './cast.ts';
import { joulesUntil, prepareEnergy, type RankEnergy } from './energy.ts';
import { activityPart, type Fault, type Plan } from './plan.ts';

/** What one job does to one device during a segment. */
export interface Load {
  readonly energy: RankEnergy;
  /** Start of the job, µs since the plan's origin. */
  readonly jobStartUs: number;
  /** Part of the device's time that is the job's. */
  readonly part: number;
  /** Part of the shape's activity that reaches the device: less while it is throttled. */
  readonly activity: number;
  /** Part of the shape's power that this very chip draws. */
  readonly wattsPart: number;
  /** Part of the job's memory that lies here (throttling does not move memory). */
  readonly memoryPart: number;
  /** Joules of the shape from the job's start until the segment's. */
  readonly joulesBefore: number;
}

/** A stretch of one device's time, (startUs, start of the next], in which the same jobs run in the same conditions. */
interface Segment {
  readonly startUs: number;
  readonly joulesAtStart: number;
  readonly loads: readonly Load[];
  readonly isThrottled: boolean;
}

/** All of one device's time, with its energy as a closed form. */
export interface Timeline {
  readonly segments: readonly Segment[];
  readonly idleWatts: number;
  readonly cycleUs: number;
  readonly cycleJoules: number;
}

/** What is left of a device's activity while it is too hot. */
const THROTTLED_SPEED = 0.58;

export type Throttle = Extract<Fault, { kind: 'throttle' }>;

interface Stay {
  /** Where it is: on a GPU that is cut, which of its instances. */
  readonly device: number;
  /** The part of the GPU that this device is. */
  readonly ratio: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly share: number;
  readonly energy: RankEnergy;
}

/**
 * A GPU that is cut does what its instances do, each by its slices.
 * @param cast the parts of `plan.jobs`, in their order
 */
export function buildTimelines(
  plan: Plan,
  cast: readonly (readonly Part[])[],
  devices: readonly Device[],
  chips: readonly Chip[],
): readonly Timeline[] {
  const stays: Stay[][] = Array.from(devices, () => []);
  const indexOf = new Map(devices.map(({ uuid }, index) => [uuid, index]));
  for (const [index, { startUs, endUs }] of plan.jobs.entries()) {
    for (const { share: own, rhythm, rank } of cast[index]!) {
      const { device, share } = own;
      const stay = { device, ratio: 1, startUs, endUs, share, energy: prepareEnergy(rhythm, rank) };
      stays[device]!.push(stay);
      const { parentUuid, migProfile, model } = devices[device]!;
      const parent = parentUuid === undefined ? undefined : indexOf.get(parentUuid);
      if (parent !== undefined) stays[parent]!.push({ ...stay, ratio: sliceRatioOf(migProfile, model)! });
    }
  }
  const hot = plan.faults.filter((fault): fault is Throttle => fault.kind === 'throttle');
  const throttles = Map.groupBy(hot, (fault) => fault.device);
  return stays.map((own, device) =>
    buildTimeline(own, throttles.get(device) ?? [], chips[device]!, plan.cycleUs),
  );
}

function buildTimeline(
  stays: readonly Stay[],
  throttles: readonly Throttle[],
  { idleWatts, wattsFactor, memoryPart }: Chip,
  cycleUs: number,
): Timeline {
  const edges = new Set<number>([0]);
  for (const stay of stays) edges.add(stay.startUs).add(stay.endUs);
  for (const throttle of throttles) edges.add(throttle.fromUs).add(throttle.toUs);
  const segments: Segment[] = [];
  let joules = 0;
  for (const startUs of [...edges].sort((a, b) => a - b)) {
    const last = segments.at(-1);
    if (last !== undefined) joules = joulesWithin(last, idleWatts, startUs);
    const isThrottled = throttles.some((throttle) => throttle.fromUs <= startUs && startUs < throttle.toUs);
    const here = stays.filter((stay) => stay.startUs <= startUs && startUs < stay.endUs);
    const loads = here.map((stay) => {
      const partners = here.filter(({ device }) => device === stay.device).length;
      const part = stay.ratio * activityPart(stay.share, partners);
      const activity = part * (isThrottled ? THROTTLED_SPEED : 1);
      return {
        energy: stay.energy,
        jobStartUs: stay.startUs,
        part,
        activity,
        wattsPart: activity * wattsFactor,
        memoryPart: part * memoryPart,
        joulesBefore: joulesUntil(stay.energy, startUs - stay.startUs),
      };
    });
    segments.push({ startUs, joulesAtStart: joules, loads, isThrottled });
  }
  const end = segments.at(-1)!;
  const cycleJoules = Number.isFinite(cycleUs) ? joulesWithin(end, idleWatts, cycleUs) : 0;
  return { segments, idleWatts, cycleUs, cycleJoules };
}

function joulesWithin(segment: Segment, idleWatts: number, atUs: number): number {
  let joules = segment.joulesAtStart + idleWatts * (atUs - segment.startUs) * 1e-6;
  for (const load of segment.loads)
    joules += load.wattsPart * (joulesUntil(load.energy, atUs - load.jobStartUs) - load.joulesBefore);
  return joules;
}

/** µs since the beginning of the cycle that `atUs` (since the origin) lies in; a cycle is (start, end] like a job. */
export function withinCycle(cycleUs: number, atUs: number): number {
  if (!Number.isFinite(cycleUs)) return atUs;
  return atUs - cycleUs * (Math.ceil(atUs / cycleUs) - 1);
}

/** Position of the segment that a time within the cycle lies in. Before the first one: the first. */
export function segmentIndexAt({ segments }: Timeline, withinUs: number): number {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (segments[middle]!.startUs < withinUs) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Joules since the origin (negative before it): strictly rising in `atUs`, for it holds the idle power at least. */
export function joulesAt(timeline: Timeline, atUs: number): number {
  const withinUs = withinCycle(timeline.cycleUs, atUs);
  const segment = timeline.segments[segmentIndexAt(timeline, withinUs)]!;
  const joules = joulesWithin(segment, timeline.idleWatts, withinUs);
  if (!Number.isFinite(timeline.cycleUs)) return joules;
  return joules + timeline.cycleJoules * Math.round((atUs - withinUs) / timeline.cycleUs);
}
