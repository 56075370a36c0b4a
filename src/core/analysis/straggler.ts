/**
 * Which device of a job the others wait for, from means alone: a sample is a mean, so the time that a device waits, spinning
 * with little of its SMs, lowers its mean activity at any interval, and no common clock is needed. The slowest computes the
 * longest and has the highest mean SM activity; one that is fed too slowly has the lowest engine activity.
 */
import { medianOf } from './median.ts';

export interface DeviceMeans {
  readonly gpu: string;
  /** Mean SM activity in each slice of the job's active time, 0 to 1. NaN where nothing is known. */
  readonly smActive: readonly number[];
  /** Mean engine activity (field 1001), likewise. */
  readonly engineActive: readonly number[];
}

export type StragglerKind =
  /** The highest SM activity: it computes longer than the others. */
  | 'computes_longest'
  /** The lowest engine activity: it gets its work late. */
  | 'fed_late';

export interface Straggler {
  readonly gpu: string;
  readonly kind: StragglerKind;
  /** Distance of its mean from the median of the others, 0 to 1. */
  readonly gap: number;
  /** Part of the slices in which it is the farthest out. */
  readonly leads: number;
}

/** `too_few`: three devices have no median of others. `roles`: they do different work. `alike`: none is out of line. */
export type NoStraggler = 'too_few' | 'roles' | 'alike';

const DEVICES_MIN = 4;
const GAP_MIN = 0.03;
const GAP_MADS = 4;
/** Rounding of a mean; without it devices that are exactly alike would have a spread of 0. */
const MAD_FLOOR = 0.0005;
const LEADS_MIN = 0.9;
const ROLE_MADS = 3;
const ROLE_GAP_MIN = 0.03;

/** @param devices of one job, all with the same slices */
export function findStraggler(devices: readonly DeviceMeans[]): Straggler | { readonly none: NoStraggler } {
  if (devices.length < DEVICES_MIN) return { none: 'too_few' };
  const high = farthest(devices, (device) => device.smActive, 1);
  const low = farthest(devices, (device) => device.engineActive, -1);
  // A device that is fed late leaves its engine idle; then its SM activity says nothing of the others.
  if (low !== undefined && low !== 'roles') return { ...low, kind: 'fed_late' };
  if (high !== undefined && high !== 'roles') return { ...high, kind: 'computes_longest' };
  return { none: high === 'roles' || low === 'roles' ? 'roles' : 'alike' };
}

type Farthest = { gpu: string; gap: number; leads: number } | 'roles' | undefined;

function farthest(
  devices: readonly DeviceMeans[],
  read: (device: DeviceMeans) => readonly number[],
  sign: 1 | -1,
): Farthest {
  const means = devices.map((device) => sign * meanOf(read(device)));
  if (means.some((mean) => Number.isNaN(mean))) return undefined;
  const top = means.indexOf(Math.max(...means));
  const others = means.filter((_, at) => at !== top);
  const middle = medianOf(others);
  const mad = medianOf(others.map((mean) => Math.abs(mean - middle)));
  const gap = means[top]! - middle;
  if (gap < GAP_MIN || gap < GAP_MADS * (mad + MAD_FLOOR)) return undefined;
  if (areInGroups(others, mad)) return 'roles';
  const slices = read(devices[top]!).map((_, slice) => devices.map((device) => sign * read(device)[slice]!));
  const known = slices.filter((values) => values.every((value) => !Number.isNaN(value)));
  const leads = known.filter((values) => values[top] === Math.max(...values)).length / known.length;
  if (!(leads >= LEADS_MIN)) return undefined;
  return { gpu: devices[top]!.gpu, gap, leads };
}

/** Whether the means lie in two or more clusters: ranks that do different work. */
function areInGroups(means: readonly number[], mad: number): boolean {
  const sorted = means.toSorted((a, b) => a - b);
  const gaps = sorted.slice(1).map((mean, at) => mean - sorted[at]!);
  return Math.max(...gaps) >= Math.max(ROLE_GAP_MIN, ROLE_MADS * (mad + MAD_FLOOR));
}

function meanOf(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}
