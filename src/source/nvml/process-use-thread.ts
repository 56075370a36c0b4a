import { Worker } from 'node:worker_threads';
import { codeUrl } from '../../core/base/code-url.ts';
import { messageOf } from '../../core/base/errors.ts';
import type { ProcessMark } from '../../ownership/process-job.ts';
import type { DeviceUse, ProcessUse } from './process-use.ts';

export interface ProcessUseOrders {
  /** File or directory of libnvidia-ml; undefined: wherever it is. */
  readonly library: string | undefined;
  readonly proc: string;
}

/** What a process did, and whose it is. */
export interface MarkedProcess extends ProcessUse {
  readonly mark: ProcessMark;
}

export type UseAnswer =
  | { readonly type: 'use'; readonly devices: readonly DeviceUse<MarkedProcess>[] }
  /** Not this time. */
  | { readonly type: 'failed'; readonly reason: string }
  /** Not in this life. */
  | { readonly type: 'off'; readonly reason: string };

/** What the processes on this node's devices do, read in a thread of its own. */
export interface ProcessUseThread {
  /** @param gpus UUIDs. Never waits long: a native call that hangs is an answer of its own. */
  read(gpus: readonly string[]): Promise<UseAnswer>;
  readonly close: () => void;
}

/** A list of processes takes milliseconds; of a driver that does not answer so long, no read is worth waiting for. */
const ANSWER_MS_MAX = 5_000;

interface Question {
  answer(answer: UseAnswer): void;
  fail(thrown: unknown): void;
}

/** The thread is started by the first read, so that a node without shared devices never has it. */
export function openProcessUse(
  library: string | undefined,
  { proc = '/proc', answerMsMax = ANSWER_MS_MAX } = {},
): ProcessUseThread {
  let worker: Worker | undefined;
  /** What the thread is at work on, whether or not somebody still waits for it. */
  let question: Question | undefined;

  function take(): Question | undefined {
    const asked = question;
    question = undefined;
    return asked;
  }

  function start(): Worker {
    const orders: ProcessUseOrders = { library, proc };
    const started = new Worker(codeUrl('./process-use-worker.ts', import.meta.url), { workerData: orders });
    started.on('message', (answer: UseAnswer) => take()?.answer(answer));
    started.on('error', (thrown) => {
      worker = undefined;
      take()?.fail(thrown);
    });
    started.unref();
    return started;
  }

  return {
    read(gpus) {
      if (question !== undefined)
        return Promise.resolve({ type: 'failed', reason: 'NVML still has not answered an earlier question' });
      return new Promise<UseAnswer>((resolve, reject) => {
        const timer = setTimeout(() => {
          resolve({ type: 'failed', reason: `NVML has not answered for ${answerMsMax / 1000} s` });
        }, answerMsMax);
        question = {
          answer(answer) {
            clearTimeout(timer);
            resolve(answer);
          },
          fail(thrown) {
            clearTimeout(timer);
            reject(thrown instanceof Error ? thrown : new Error(messageOf(thrown)));
          },
        };
        worker ??= start();
        worker.postMessage(gpus);
      });
    },
    close() {
      take()?.answer({ type: 'failed', reason: 'gpuledger is about to end' });
      // A thread that sits in the library ends with its call, or with the process.
      void worker?.terminate();
      worker = undefined;
    },
  };
}
