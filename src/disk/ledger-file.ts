import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import * as z from 'zod';
import { assert } from '../core/base/assert.ts';
import { EMPTY_LEDGER, moveRows, sampleRows, type Ledger } from '../core/base/ledger.ts';
import { onDisk } from './disk-error.ts';
import type { Disk } from './disk.ts';

/** One life of a collector, as far as rows of it may still be held: its ring journal and how much of it has left the ring. */
const life = z.strictObject({
  /** Names the ring journal of that life; ascending from life to life. */
  journal: z.number(),
  /** Ticks before this one have left the ring. */
  releasedTick: z.number().min(0),
  /** Rows that have left the ring, in one way or another. */
  leftRows: z.number().min(0),
  /** Rows sampled, as of the last save; the journal knows better. */
  sampledRows: z.number().min(0),
});

const span = z.strictObject({ fromUs: z.number(), toUs: z.number() });

/** As it stands in the file. What is held and spooled follows from the rest. */
const state = z.strictObject({
  /** Rows sampled by lives that are settled. */
  sampledRows: z.number().min(0),
  acknowledgedRows: z.number().min(0),
  refusedRows: z.number().min(0),
  droppedRows: z.number().min(0),
  /** The spool's batches up to this one are settled. */
  spoolSettled: z.number().min(0),
  journalSettled: z.number().min(0).default(0),
  lives: z.array(life),
  uncertain: span.optional(),
});

export type LedgerLife = Readonly<z.infer<typeof life>>;

/** Samples between these times, epoch µs, both included. */
export type Span = Readonly<z.infer<typeof span>>;

/** What a lane keeps of its rows from life to life. */
export interface KeptLedger {
  readonly ledger: Ledger;
  /** The spool's batches up to this one are settled. */
  readonly spoolSettled: number;
  /** Lives up to this one that are not listed are settled, whatever is still on disk. */
  readonly journalSettled: number;
  /** Lives of which rows may be held, oldest first; at most `LIVES_MAX`. */
  readonly lives: readonly LedgerLife[];
  /** Samples that left their ring before it was known whose they were: their labels are to be looked at again. */
  readonly uncertain?: Span | undefined;
}

/** So many have room in a slot, whatever their numbers. */
export const LIVES_MAX = 12;

const EMPTY: KeptLedger = { ledger: EMPTY_LEDGER, spoolSettled: 0, journalSettled: 0, lives: [] };

export interface LedgerFile {
  /** What was saved last; empty when there was nothing sound. */
  readonly kept: KeptLedger;
  /** Why nothing was found although a file is there; undefined when all is well. */
  readonly damage: string | undefined;
  /** Replaces what was saved, in one write: a kill leaves the old or the new state. Not synced. */
  save(next: KeptLedger): void;
  close(): void;
}

/** Two slots take turns, so that a write which a power failure tears leaves the one before. */
const SLOT_BYTES = 2048;

const slot = z.strictObject({ turn: z.number(), state });
type Slot = z.infer<typeof slot>;

/** What was saved last, without opening it for writing; undefined when there is nothing sound. */
export function readLedger(disk: Disk, path: string): KeptLedger | undefined {
  const bytes = onDisk('the account', path, () => disk.read(path));
  const found = bytes === undefined ? undefined : newestSlot(bytes);
  return found === undefined ? undefined : keptOf(found.state);
}

/** @throws OperatingError `state.disk` */
export function openLedgerFile(disk: Disk, path: string): LedgerFile {
  const bytes = onDisk('the account', path, () => disk.read(path));
  const found = bytes === undefined ? undefined : newestSlot(bytes);
  const file = onDisk('the account', path, () => {
    disk.makeDirectory(dirname(path));
    return disk.open(path, bytes === undefined ? 'w+' : 'r+');
  });
  let turn = found?.turn ?? 0;
  const isDamaged = bytes !== undefined && bytes.length > 0 && found === undefined;
  return {
    kept: found === undefined ? EMPTY : keptOf(found.state),
    damage: isDamaged ? `${path} holds no sound account` : undefined,
    save(next) {
      turn += 1;
      const line = slotOf({ turn, state: stateOf(next) });
      onDisk('the account', path, () => {
        file.write(line, (turn % 2) * SLOT_BYTES);
      });
    },
    close() {
      file.close();
    },
  };
}

function stateOf({
  ledger,
  spoolSettled,
  journalSettled,
  lives,
  uncertain,
}: KeptLedger): z.infer<typeof state> {
  assert(lives.length <= LIVES_MAX, `a ledger keeps at most ${LIVES_MAX} lives, not ${lives.length}`);
  const { acknowledgedRows, refusedRows, droppedRows } = ledger;
  const sampledRows = lives.reduce((rows, each) => rows - each.sampledRows, ledger.sampledRows);
  const counts = { sampledRows, acknowledgedRows, refusedRows, droppedRows };
  return {
    ...counts,
    spoolSettled,
    journalSettled,
    lives: [...lives],
    ...(uncertain === undefined ? {} : { uncertain }),
  };
}

function keptOf({ spoolSettled, journalSettled, uncertain, ...counts }: z.infer<typeof state>): KeptLedger {
  const lives = counts.lives.map((each) => ({
    ...each,
    sampledRows: Math.max(each.sampledRows, each.leftRows),
  }));
  const held = lives.reduce((rows, each) => rows + each.sampledRows - each.leftRows, 0);
  const left = lives.reduce((rows, each) => rows + each.leftRows, counts.sampledRows);
  const settled = counts.acknowledgedRows + counts.refusedRows + counts.droppedRows;
  // Former versions counted rows of a spool whose account was lost as acknowledged only.
  let ledger = sampleRows(EMPTY_LEDGER, Math.max(left, settled) + held);
  ledger = moveRows(ledger, 'held', 'acknowledged', counts.acknowledgedRows);
  ledger = moveRows(ledger, 'held', 'refused', counts.refusedRows);
  ledger = moveRows(ledger, 'held', 'dropped', counts.droppedRows);
  ledger = moveRows(ledger, 'held', 'spooled', Math.max(0, left - settled));
  return { ledger, spoolSettled, journalSettled, lives, uncertain };
}

function slotOf(content: Slot): Buffer {
  const text = JSON.stringify(content);
  const line = Buffer.alloc(SLOT_BYTES, ' ');
  assert(text.length + 10 <= SLOT_BYTES, 'LIVES_MAX lives fit a slot');
  line.write(`${crc32(text).toString(16).padStart(8, '0')} ${text}\n`, 'latin1');
  return line;
}

function newestSlot(bytes: Buffer): Slot | undefined {
  return [0, 1]
    .map((index) => readSlot(bytes.subarray(index * SLOT_BYTES, (index + 1) * SLOT_BYTES)))
    .filter((each) => each !== undefined)
    .sort((a, b) => b.turn - a.turn)[0];
}

function readSlot(bytes: Buffer): Slot | undefined {
  const text = bytes.toString('latin1').trimEnd();
  const json = text.slice(9);
  if (text.length < 10 || text.slice(0, 8) !== crc32(json).toString(16).padStart(8, '0')) return undefined;
  const parsed = slot.safeParse(JSON.parse(json));
  return parsed.success ? parsed.data : undefined;
}
