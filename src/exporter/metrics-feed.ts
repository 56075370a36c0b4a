import type { Device } from '../core/devices/device.ts';
import type { Lane } from '../core/fields/lane.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import type { NewestRows } from '../core/ring/newest-rows.ts';
import type { RecentValues } from '../core/ring/recent-values.ts';
import type { CollectorHealth } from './health-families.ts';

/** Sampling that is under way, as whoever serves metrics of it sees it. */
export interface MetricsFeed {
  readonly devices: readonly Device[];
  readonly lanes: readonly FedLane[];
  /** Epoch µs, of the clock that samples are stamped by. */
  readonly nowUs: () => number;
  readonly ownership: Ownership;
  /** Takes in what was told of jobs. */
  readonly refreshJobs: () => void;
  readonly health: () => CollectorHealth;
}

interface FedLane {
  readonly lane: Lane;
  /** Of the devices of the feed, in their order. */
  readonly newest: NewestRows;
  /** Of the reasons for which clocks are held down, where the lane has them. */
  readonly recent: RecentValues | undefined;
}

export function fedLane(lane: Lane, { newest, recent }: Pick<FedLane, 'newest' | 'recent'>): FedLane {
  return { lane, newest, recent };
}
