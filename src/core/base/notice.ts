import type { GpuEvent } from '../sampling/event.ts';
import type { ErrorCode } from './error-codes.ts';
import type { NoticeCode } from './notice-codes.ts';

/** One thing that happened, told once: for the log, for `gpu_events`, and for whoever else listens. */
export interface Notice {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Stable: of the thing itself, or of the error that is told. */
  readonly code: NoticeCode | ErrorCode;
  /** For people. */
  readonly sentence: string;
  /** Name of the lane that it is about. */
  readonly lane?: string;
  /** UUID of the device that it is about. */
  readonly device?: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
  /** The rows of `gpu_events` that it is as well. */
  readonly events?: readonly NoticeEvent[];
}

/** A row whose node is not known yet belongs to the node of the one that tells. */
export type NoticeEvent = Omit<GpuEvent, 'node'> & Partial<Pick<GpuEvent, 'node'>>;

export type Tell = (notice: Notice) => void;

/** Tells each of them, in this order. */
export function toEach(listeners: readonly Tell[]): Tell {
  return (notice) => {
    for (const hear of listeners) hear(notice);
  };
}
