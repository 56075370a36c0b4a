import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import * as z from 'zod';
import { assert } from '../core/base/assert.ts';
import { onDisk } from './disk-error.ts';

/** One life of a collector, as far as it is not settled: its ring journal and how much of it has left the ring. */
const life = z.strictObject({
  /** Names the ring journal of that life; ascending from life to life. */
  journal: z.number(),
  /** Ticks before this one have left the ring. */
  releasedTick: z.number(),
  /** Rows that have left the ring, in one way or another. */
  leftRows: z.number(),
  /** Rows sampled, as of the last save; the journal knows better. */
  sampledRows: z.number(),
});

const state = z.strictObject({
  /** Rows sampled by lives that are settled. */
  sampledRows: z.number(),
  acknowledgedRows: z.number(),
  refusedRows: z.number(),
  droppedRows: z.number(),
  /** The spool's batches up to this one are settled. */
  spoolSettled: z.number(),
  lives: z.array(life),
});

/** The account of one lane over all lives of the state directory. Row counts are totals, not of one life. */
export type AccountState = z.infer<typeof state>;
export type AccountLife = z.infer<typeof life>;

const EMPTY: AccountState = {
  sampledRows: 0,
  acknowledgedRows: 0,
  refusedRows: 0,
  droppedRows: 0,
  spoolSettled: 0,
  lives: [],
};

export interface LaneAccountFile {
  /** What was saved last; all zero when there was nothing sound. */
  readonly saved: AccountState;
  /** Why nothing was found although a file is there; undefined when all is well. */
  readonly damage: string | undefined;
  /** Replaces what was saved, in one write: a kill leaves the old or the new state. Not fsynced. */
  save(next: AccountState): void;
  close(): void;
}

/** Two slots take turns, so that a write which a power failure tears leaves the one before. */
const SLOT_BYTES = 2048;

const slot = z.strictObject({ turn: z.number(), state });

/** What was saved last, without opening it for writing; undefined when there is nothing sound. */
export function readAccount(path: string): AccountState | undefined {
  if (!existsSync(path)) return undefined;
  return onDisk('the account', path, () => newestSlot(readFileSync(path))?.state);
}

/** @throws OperatingError `state.disk` */
export function openAccount(path: string): LaneAccountFile {
  const existed = existsSync(path);
  const bytes = existed ? onDisk('the account', path, () => readFileSync(path)) : Buffer.alloc(0);
  const found = newestSlot(bytes);
  const file = onDisk('the account', path, () => {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, existed ? 'r+' : 'w+');
  });
  let turn = found?.turn ?? 0;
  return {
    saved: found?.state ?? EMPTY,
    damage: bytes.length > 0 && found === undefined ? `${path} holds no sound account` : undefined,
    save(next) {
      turn += 1;
      const text = JSON.stringify({ turn, state: next });
      const line = Buffer.alloc(SLOT_BYTES, ' ');
      assert(text.length + 10 <= SLOT_BYTES, 'the account fits its slot');
      line.write(`${crc32(text).toString(16).padStart(8, '0')} ${text}\n`, 'latin1');
      onDisk('the account', path, () => writeSync(file, line, 0, SLOT_BYTES, (turn % 2) * SLOT_BYTES));
    },
    close() {
      closeSync(file);
    },
  };
}

function newestSlot(bytes: Buffer): z.infer<typeof slot> | undefined {
  return [0, 1]
    .map((index) => readSlot(bytes.subarray(index * SLOT_BYTES, (index + 1) * SLOT_BYTES)))
    .filter((each) => each !== undefined)
    .sort((a, b) => b.turn - a.turn)[0];
}

function readSlot(bytes: Buffer): z.infer<typeof slot> | undefined {
  const text = bytes.toString('latin1').trimEnd();
  const json = text.slice(9);
  if (text.length < 10 || text.slice(0, 8) !== crc32(json).toString(16).padStart(8, '0')) return undefined;
  const parsed = slot.safeParse(JSON.parse(json));
  return parsed.success ? parsed.data : undefined;
}
