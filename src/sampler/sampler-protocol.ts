import type { Device } from '../core/devices/device.ts';
import type { SelectableDevice } from '../core/devices/device-selector.ts';
import type { CarriedError } from '../core/base/carried-error.ts';
import type { GpuEvent } from '../core/sampling/event.ts';
import type { RingShape } from '../core/ring/ring.ts';
import type { SourceName } from '../core/sampling/source.ts';
import type { SourceSpec } from '../source/open-source.ts';

/** What the main thread tells the worker at its start. Plain data: it crosses a thread. */
export interface SamplerOrders {
  readonly source: SourceSpec;
  readonly lanes: readonly LaneOrder[];
  readonly clock: ClockOrder;
  readonly control: SharedArrayBuffer;
  /** The first tick comes when the control says so, and not at once. */
  readonly doesWait: boolean;
}

/** A ring that the main thread can look into. */
export interface SharedRing {
  readonly shape: RingShape;
  readonly memory: SharedArrayBuffer;
}

/** A source that is asked through a native library. */
export type ListedSource = Extract<SourceSpec, { name: 'dcgm' | 'nvml' }>;

/** Orders of a worker that lists devices and ends. */
export interface ListOrders {
  readonly list: ListedSource;
}

/** Orders of a worker that asks a host engine one thing and ends. */
export interface EngineCallOrders {
  readonly engineCall: {
    readonly engine: string;
    readonly library?: string;
    readonly call: 'profPause' | 'profResume';
  };
}

export interface Listing {
  readonly devices: readonly SelectableDevice[];
  /** Library and engine that were asked, for people. */
  readonly about: string;
  /** Of DCGM; the engine's where it tells. */
  readonly versions?: { readonly library: ListedVersion; readonly engine: ListedVersion | undefined };
  /** Of NVML: GPUs that are there and cannot be had, for people. */
  readonly refused?: readonly string[];
  /** Of NVML: indices of GPUs before Hopper, whose profiling counters one client has at a time, and only with rights. */
  readonly withoutGpm?: readonly number[];
}

interface ListedVersion {
  readonly major: number;
  readonly minor: number;
  /** `4.6.0` */
  readonly text: string;
}

export type ListNews = { readonly type: 'listed'; readonly listing: Listing } | FailedNews;
export type EngineCallNews = { readonly type: 'answered' } | FailedNews;

export interface LaneOrder {
  readonly name: string;
  readonly intervalMs: number;
  /** False for a lane that a cron schedule drives: it ticks on request only. */
  readonly isContinuous: boolean;
  readonly fieldIds: readonly number[];
  readonly capacityTicks: number;
  /** Where the ring's ticks are written as well, so that they survive a kill. */
  readonly journal?: { readonly id: number; readonly path: string; readonly table: string };
}

/**
 * The real clock, for ever or for a while; or a virtual one that runs from `startUs` to `endUs` as fast as the pipeline
 * takes the ticks, and never passes now.
 */
export type ClockOrder =
  | { readonly kind: 'real'; readonly forMs?: number }
  | { readonly kind: 'virtual'; readonly startUs: number; readonly endUs: number };

/** What the worker tells. */
export type SamplerNews =
  | {
      readonly type: 'ready';
      readonly source: SourceName;
      readonly description: string;
      readonly devices: readonly Device[];
      readonly rings: readonly SharedRing[];
    }
  /** From the next tick on these rings are filled; nothing more comes into the former ones. */
  | { readonly type: 'exchanged'; readonly rings: readonly SharedRing[] }
  | { readonly type: 'event'; readonly event: GpuEvent }
  | { readonly type: 'missed'; readonly lane: string; readonly ticks: number }
  /** The ring journal of a lane cannot be written: from now on a kill costs what is in the ring. */
  | { readonly type: 'journal_failed'; readonly lane: string; readonly message: string }
  | { readonly type: 'ended' }
  | FailedNews;

export interface FailedNews {
  readonly type: 'failed';
  readonly error: CarriedError;
}
