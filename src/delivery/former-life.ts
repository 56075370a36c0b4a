import { join } from 'node:path';
import { createEncoder } from '../core/wire/encode.ts';
import { messageOf } from '../core/base/errors.ts';
import type { Label } from '../core/jobs/label.ts';
import type { Tell } from '../core/base/notice.ts';
import type { AccountLife } from '../disk/lane-account.ts';
import type { Disk } from '../disk/disk.ts';
import { readRingJournal, type JournalContent } from '../disk/ring-journal-read.ts';
import type { Spool } from '../disk/spool.ts';

/** A life of the collector that ended without notice, and what its ring journal still holds. */
export interface FormerLife {
  /** Of its ring journal. */
  readonly path: string;
  entry: AccountLife;
  readonly content: JournalContent | undefined;
}

export type LabelOfGpu = (gpu: string, tsUs: number) => Label;

/** Rows of a recovered batch. */
const RECOVERED_ROWS_MAX = 5_000;

/** The ticks that have not left its ring, encoded and labelled, in whole ticks. */
export function* batchesOf(
  { entry, content }: FormerLife,
  labelOf: LabelOfGpu,
): Generator<{ body: Uint8Array<ArrayBuffer>; rows: number; toTick: number }> {
  if (content === undefined) return;
  const { header, samples, devices, tickEnds, rows } = content;
  const encoder = createEncoder(header);
  const labelOfDevice = (device: number, tsUs: number): Label => labelOf(header.devices[device]!.uuid, tsUs);
  let from = 0;
  while (from < rows && tickEnds[from]! <= entry.releasedTick) from += 1;
  while (from < rows) {
    let to = Math.min(rows, from + RECOVERED_ROWS_MAX);
    while (to < rows && tickEnds[to] === tickEnds[to - 1]) to += 1;
    const part = {
      tsUs: samples.tsUs.subarray(from, to),
      dtUs: samples.dtUs.subarray(from, to),
      energyRise: samples.energyRise.subarray(from, to),
      columns: samples.columns.map((column) => column.subarray(from, to)),
    };
    const start = from;
    const body = encoder.encodeRows(part, to - from, (row) => devices[start + row]!, labelOfDevice);
    yield { body, rows: to - from, toTick: tickEnds[to - 1]! };
    from = to;
  }
}

/**
 * The lives that are not settled, oldest first.
 * @param living one that is no former life: its journal is being written
 */
export function readFormerLives(
  disk: Disk,
  directory: string,
  entries: readonly AccountLife[],
  spool: Spool,
  tell: Tell,
  living?: number,
): FormerLife[] {
  const known = new Map(entries.map((entry) => [entry.journal, entry]));
  for (const name of disk.list(directory)) {
    const journal = Number(/^(\d+)\.journal$/.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(journal) || known.has(journal)) continue;
    // Killed before its account was first saved.
    known.set(journal, { journal, releasedTick: 0, leftRows: 0, sampledRows: 0 });
  }
  return [...known.values()]
    .filter(({ journal }) => journal !== living)
    .sort((a, b) => a.journal - b.journal)
    .map((entry) => formerLife(disk, join(directory, `${entry.journal}.journal`), entry, spool, tell));
}

/** Brings the account of a former life up to what its spool and its journal show: a kill leaves it a step behind. */
function formerLife(disk: Disk, path: string, saved: AccountLife, spool: Spool, tell: Tell): FormerLife {
  const unnoted = spool.found.filter(
    ({ journal, toTick }) => journal === saved.journal && toTick > saved.releasedTick,
  );
  const releasedTick = Math.max(saved.releasedTick, ...unnoted.map(({ toTick }) => toTick));
  const leftRows = unnoted.reduce((total, { rows }) => total + rows, saved.leftRows);
  let content: JournalContent | undefined;
  if (disk.size(path) !== undefined) {
    try {
      content = readRingJournal(disk, path, releasedTick);
      if (content === undefined)
        tell({ level: 'error', code: 'journal.damaged', sentence: `${path} holds no sound header` });
    } catch (thrown) {
      tell({
        level: 'error',
        code: 'journal.damaged',
        sentence: `${path} cannot be read: ${messageOf(thrown)}`,
      });
    }
  }
  const sampledRows = Math.max(saved.sampledRows, content?.sampledRows ?? 0, leftRows + (content?.rows ?? 0));
  return { path, entry: { journal: saved.journal, releasedTick, leftRows, sampledRows }, content };
}
