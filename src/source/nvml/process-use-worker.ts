import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../core/base/assert.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { isHostNamespace, readProcessMark, type ProcessMark } from '../../ownership/process-job.ts';
import { openProcessReader, type ProcessReader } from './process-use.ts';
import type { ProcessUseOrders, UseAnswer } from './process-use-thread.ts';

/** Reads NVML, whose calls block, and at once whose the processes are, before they end. */

assert(parentPort !== null, 'the reader of process use runs as a worker');
const port = parentPort;
const { library, proc } = workerData as ProcessUseOrders;
let reader: ProcessReader | undefined;
/** Of the read before, by device and pid. */
let marks = new Map<string, ProcessMark>();

function open(): ProcessReader | string {
  if (!isHostNamespace(proc))
    return 'the processes of the host are not seen from here: in a container it takes the host’s process namespace';
  try {
    return openProcessReader(library);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    return thrown.message;
  }
}

function answer(gpus: readonly string[]): UseAnswer {
  const opened = reader ?? open();
  if (typeof opened === 'string') return { type: 'off', reason: opened };
  reader = opened;
  try {
    const before = marks;
    marks = new Map();
    const devices = opened.read(gpus).map((device) => ({
      ...device,
      processes: device.processes.map((process) => {
        const key = `${device.gpu} ${process.pid}`;
        const known = process.isRunning || !device.isMemoryKnown ? undefined : before.get(key);
        // A process that has ended is whose it was.
        const mark = known ?? readProcessMark(proc, process.pid);
        marks.set(key, mark);
        return { ...process, mark };
      }),
    }));
    return { type: 'use', devices };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    return { type: 'failed', reason: thrown.message };
  }
}

port.on('message', (gpus: readonly string[]) => {
  port.postMessage(answer(gpus));
});
