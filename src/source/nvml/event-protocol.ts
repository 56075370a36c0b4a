import type { MessagePort } from 'node:worker_threads';

/** What the worker that waits for NVML's events is told at its start. */
export interface NvmlEventOrders {
  readonly library: string;
  /** Where the kernel's log is read. */
  readonly kernelLog: string;
  /** Two words, see below. */
  readonly control: SharedArrayBuffer;
  /** Where the news go. */
  readonly port: MessagePort;
}

/** Word 0, set by the sampling thread: what the worker is to do. */
export const WANTED_WORD = 0;
export const wanted = { wait: 0, letGo: 1, end: 2 } as const;

/** Word 1, set by the worker: whether it holds an event set, which must be freed before the library is shut down. */
export const STATE_WORD = 1;
export const workerState = { busy: 0, free: 1, ended: 2 } as const;

/** An event, why there are none, or that there are some again. */
export type NvmlEventNews =
  | {
      readonly type: 'event';
      /** Epoch µs at which the event arrived; NVML gives it none. No two are equal. */
      readonly tsUs: number;
      /** UUID of the GPU; events come for whole GPUs only. */
      readonly gpu: string;
      /** A bit of `nvmlEventType`. */
      readonly eventType: number;
      /** The XID, for an XID event. */
      readonly data: number;
      /** Of the GPU instance that it happened in; absent when it is of none. */
      readonly gpuInstanceId?: number;
    }
  | { readonly type: 'unwatched'; readonly tsUs: number; readonly reason: string }
  /** The kernel's log cannot be read: some XIDs stand there only. */
  | { readonly type: 'no_kernel_log'; readonly tsUs: number; readonly reason: string }
  | { readonly type: 'watched' };
