import { workerData } from 'node:worker_threads';
import { loadDcgm } from '../../../native/dcgm.ts';
import { END_WORD, nudgeState, STATE_WORD } from './nudges.ts';
import type { NudgeOrders } from './nudges.ts';

/** Between two requests. Of each reply so much is lost, at most; an engine answers such a request in a tenth of it. */
const PAUSE_MS = 1;

const { library, handle, control: buffer } = workerData as NudgeOrders;
const control = new Int32Array(buffer);
const setState = (state: number): void => {
  Atomics.store(control, STATE_WORD, state);
  Atomics.notify(control, STATE_WORD);
};

try {
  const dcgm = loadDcgm(library);
  // An engine that answers no more is for the reading thread to deal with.
  while (Atomics.load(control, END_WORD) === 0 && dcgm.engineVersion(handle) !== undefined) {
    setState(nudgeState.nudging);
    Atomics.wait(control, END_WORD, 0, PAUSE_MS);
  }
  dcgm.since.close();
} finally {
  setState(nudgeState.ended);
}
