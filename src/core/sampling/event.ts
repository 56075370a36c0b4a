/** One row of `gpu_events`: something that happened to a device or to the collection of it. */
export interface GpuEvent {
  /** Epoch microseconds. For a span (a gap, a pause), its beginning. */
  readonly tsUs: number;
  /** Epoch microseconds at which a span ended; absent for an instant or while it is open. */
  readonly endUs?: number;
  readonly node: string;
  /** Device UUID; absent when the event concerns the whole node or collector. */
  readonly gpu?: string;
  readonly kind: EventKind;
  /** XID number, throttle bit, DCGM error code …; absent where the kind has none. */
  readonly code?: number;
  /** Field column, lane or engine that the event is about; empty when none. */
  readonly subject: string;
  /** One sentence for people. */
  readonly text: string;
}

export type EventKind =
  | 'xid'
  | 'throttle'
  | 'ecc'
  | 'remap'
  | 'health'
  | 'blank_begin'
  | 'blank_end'
  | 'paused'
  | 'gap'
  | 'drop'
  | 'clock_step'
  | 'engine_lost'
  | 'engine_found'
  | 'rewatched'
  | 'route_changed'
  | 'frozen_stamps'
  | 'mig_changed'
  | 'unresolved'
  | 'implausible'
  | 'pause_refused';
