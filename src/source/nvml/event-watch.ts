import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { codeUrl } from '../../core/base/code-url.ts';
import { STATE_WORD, wanted, WANTED_WORD, workerState } from './event-protocol.ts';
import type { NvmlEventNews, NvmlEventOrders } from './event-protocol.ts';

/** A wait in the library cannot be cut short; it ends by itself within half a second. */
const PATIENCE_MS = 3_000;

export interface NvmlEventWatch {
  /** What has come since the last call. The caller's thread never waits. */
  take(): readonly NvmlEventNews[];
  /** Has the worker free its event set. @returns false when it did not in time: the library must stay as it is. */
  letGo(): boolean;
  /** Has it wait again, on the library that is now initialised. */
  goOn(): void;
  /** @returns false when the worker did not end in time. */
  close(): boolean;
}

/**
 * Waits for NVML's events in a worker of its own, since the wait blocks. The sampling thread sits in `Atomics.wait` and
 * runs no event loop, so it takes the news from a port by itself. The library is initialised by the sampling thread
 * alone: it counts its users, and a worker's reference would keep it from ever starting anew.
 */
export function startNvmlEventWatch(library: string, kernelLog: string): NvmlEventWatch {
  const control = new Int32Array(new SharedArrayBuffer(8));
  const { port1, port2 } = new MessageChannel();
  const orders: NvmlEventOrders = { library, kernelLog, control: control.buffer, port: port2 };
  const worker = new Worker(codeUrl('./event-worker.ts', import.meta.url), {
    workerData: orders,
    transferList: [port2],
  });
  worker.unref();
  const want = (word: number): void => {
    Atomics.store(control, WANTED_WORD, word);
    Atomics.notify(control, WANTED_WORD);
  };
  const waitWhileBusy = (): boolean => {
    const isFree = (): boolean => Atomics.load(control, STATE_WORD) !== workerState.busy;
    const untilMs = performance.now() + PATIENCE_MS;
    while (!isFree() && performance.now() < untilMs)
      Atomics.wait(control, STATE_WORD, workerState.busy, untilMs - performance.now());
    return isFree();
  };
  return {
    take() {
      const news: NvmlEventNews[] = [];
      for (;;) {
        const received = receiveMessageOnPort(port1) as { message: NvmlEventNews } | undefined;
        if (received === undefined) return news;
        news.push(received.message);
      }
    },
    letGo() {
      want(wanted.letGo);
      return waitWhileBusy();
    },
    goOn() {
      Atomics.compareExchange(control, STATE_WORD, workerState.free, workerState.busy);
      want(wanted.wait);
    },
    close() {
      want(wanted.end);
      const hasEnded = waitWhileBusy();
      port1.close();
      return hasEnded;
    },
  };
}
