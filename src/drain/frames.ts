import { deserialize, serialize } from 'node:v8';
import type { Socket } from 'node:net';
import type { CarriedError } from '../core/base/carried-error.ts';
import type { Interval } from '../core/jobs/interval.ts';
import type { RowBefore } from '../core/ring/row-carry.ts';
import type { DrainSettings, RowsAfter, RowsBefore, SamplePortion } from './engine.ts';
import type { EngineTask } from './engines.ts';
import type { EngineReport } from './report.ts';
import type { ThrottleBefore } from '../source/dcgm/kept-events.ts';

/**
 * What passes between the drain and the processes that talk to the engines, over one socket each. Rows are handed over, and
 * are the drain's from then on: it stores them in the order in which they came while the process asks the next engine.
 */
export type ToChild =
  | { readonly kind: 'settings'; readonly settings: DrainSettings }
  | { readonly kind: 'engine'; readonly task: EngineTask }
  | {
      readonly kind: 'plan';
      readonly before: readonly ReadonlyMap<string, RowBefore>[];
      readonly behind: readonly (string | undefined)[];
      readonly ownership: readonly Interval[];
      readonly throttled: readonly ThrottleBefore[];
    }
  /** There is no plan. */
  | { readonly kind: 'refused'; readonly error: CarriedError }
  /** A portion of samples is off our hands. */
  | { readonly kind: 'taken' }
  /** What came of the engine whose `done` said that it wants to know; in the order of those. */
  | { readonly kind: 'finished'; readonly isStored: boolean };

export type FromChild =
  /** Sent before each call that may block. */
  | { readonly kind: 'step'; readonly step: string }
  | { readonly kind: 'ask'; readonly gpus: readonly string[] }
  | ({ readonly kind: 'samples' } & SamplePortion)
  | { readonly kind: 'before'; readonly rows: RowsBefore }
  | { readonly kind: 'after'; readonly rows: RowsAfter }
  /** Everything of the engine is handed over. */
  | { readonly kind: 'done'; readonly report: EngineReport; readonly wantsToKnow: boolean }
  | { readonly kind: 'failed'; readonly error: CarriedError };

/** Set in the environment of the processes that talk to engines. */
export const CHILD_VARIABLE = 'GPULEDGER_DRAIN_CHILD';

const HEADER_BYTES = 4;

/** @returns false when the receiver is slow; the frame is on its way all the same. */
export function sendFrame(socket: Socket, message: ToChild | FromChild): boolean {
  const body = serialize(message);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(body.length);
  socket.cork();
  socket.write(header);
  const isTaken = socket.write(body);
  socket.uncork();
  return isTaken;
}

/** Calls `onFrame` for each whole message. Both ends are of one program and one version: nothing is checked. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the end that reads says which way it reads
export function readFrames<T extends ToChild | FromChild>(
  socket: Socket,
  onFrame: (message: T) => void,
): void {
  let chunks: Buffer[] = [];
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    for (;;) {
      if (length < HEADER_BYTES) return;
      if (chunks[0]!.length < HEADER_BYTES) chunks = [Buffer.concat(chunks)];
      const needed = HEADER_BYTES + chunks[0]!.readUInt32LE();
      if (length < needed) return;
      const all = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      chunks = [all.subarray(needed)];
      length -= needed;
      onFrame(deserialize(all.subarray(HEADER_BYTES, needed)) as T);
    }
  });
}
