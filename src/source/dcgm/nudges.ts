import { Worker } from 'node:worker_threads';
import { codeUrl } from '../../core/base/code-url.ts';
import type { DcgmHandle } from '../../../native/dcgm.ts';

/** What the worker is told at its start. */
export interface NudgeOrders {
  /** The library that the connection belongs to. */
  readonly library: string;
  readonly handle: DcgmHandle;
  /** Two words, see below. */
  readonly control: SharedArrayBuffer;
}

/** Word 0, set by the reading thread: 1 when the worker is to end. */
export const END_WORD = 0;
/** Word 1, set by the worker. */
export const STATE_WORD = 1;
export const nudgeState = { starting: 0, nudging: 1, ended: 2 } as const;

/** A thread starts within some 100 ms; if it does not, the read begins without it and is slow at first. */
const START_MS = 2_000;
/** A request to an engine that hangs cannot be cut short. */
const END_MS = 1_000;

/**
 * Small requests beside a long reply on the same TCP connection. The engine's end of it holds the second 16 KiB of a reply
 * back until the first are acknowledged, and this end acknowledges 40 ms later, or with whatever it sends next: with a
 * request a millisecond a reply of 48 KB takes 1.3 ms instead of 44. The caller's thread is blocked in its read, so they
 * come from a worker, which needs nothing of the caller's event loop.
 */
export interface Nudges {
  /** Returns once the worker sends nothing more, so that the connection may be closed. */
  stop(): void;
}

/** @param library path of the libdcgm that `handle` is a connection of */
export function startNudges(library: string, handle: DcgmHandle): Nudges {
  const control = new Int32Array(new SharedArrayBuffer(8));
  const orders: NudgeOrders = { library, handle, control: control.buffer };
  const worker = new Worker(codeUrl('./nudge-worker.ts', import.meta.url), { workerData: orders });
  worker.unref();
  // Without nudges a read is slow and none the worse: it is no reason to end a collector.
  worker.on('error', (error: Error) => {
    process.emitWarning(error);
  });
  Atomics.wait(control, STATE_WORD, nudgeState.starting, START_MS);
  return {
    stop() {
      Atomics.store(control, END_WORD, 1);
      Atomics.notify(control, END_WORD);
      Atomics.wait(control, STATE_WORD, nudgeState.nudging, END_MS);
    },
  };
}
