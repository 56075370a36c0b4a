import { join } from 'node:path';
import { messageOf } from '../core/base/errors.ts';
import type { Tell } from '../core/base/notice.ts';
import type { Label } from '../core/jobs/label.ts';
import { createEncoder } from '../core/wire/encode.ts';
import type { Disk } from '../disk/disk.ts';
import type { KeptLedger, LedgerLife, Span } from '../disk/ledger-file.ts';
import type { LastRows } from '../disk/last-rows.ts';
import { readRingJournal, type JournalContent, type JournalGap } from '../disk/ring-journal-read.ts';
import type { Spool } from '../disk/spool.ts';

/** A life of the collector that ended without notice. What it held is in its ring journal, and is read when its turn comes. */
export interface FormerLife {
  /** Of its ring journal. */
  readonly path: string;
  entry: LedgerLife;
  /** Why rows that no account knows may be lost; undefined where its journal has all that had not left its ring. */
  readonly damage: string | undefined;
}

export type LabelOfGpu = (gpu: string, tsUs: number) => Label;

export interface RecoveredBatch {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly toTick: number;
  readonly span: Span;
}

const NOTHING_KNOWN: ReturnType<JournalContent['follow']> = { rows: new Map(), gaps: [] };

/** Rows of a recovered batch. */
const RECOVERED_ROWS_MAX = 5_000;

/** The ticks that have not left its ring, encoded and labelled, in whole ticks. */
export function* batchesOf(
  { path, entry }: FormerLife,
  disk: Disk,
  labelOf: LabelOfGpu,
): Generator<RecoveredBatch> {
  const content = readIfSound(disk, path, entry.releasedTick, () => undefined);
  if (content === undefined) return;
  const { header, samples, devices, tickEnds, rows } = content;
  const encoder = createEncoder(header);
  const labelOfDevice = (device: number, tsUs: number): Label => labelOf(header.devices[device]!.uuid, tsUs);
  let from = 0;
  while (from < rows) {
    let to = Math.min(rows, from + RECOVERED_ROWS_MAX);
    while (to < rows && tickEnds[to] === tickEnds[to - 1]) to += 1;
    const part = {
      tsUs: samples.tsUs.subarray(from, to),
      dtUs: samples.dtUs.subarray(from, to),
      energyRise: samples.energyRise.subarray(from, to),
      energyRiseDtUs: samples.energyRiseDtUs.subarray(from, to),
      columns: samples.columns.map((column) => column.subarray(from, to)),
    };
    const start = from;
    const body = encoder.encodeRows(part, to - from, (row) => devices[start + row]!, labelOfDevice);
    const span = {
      fromUs: part.tsUs.reduce((a, b) => Math.min(a, b)),
      toUs: part.tsUs.reduce((a, b) => Math.max(a, b)),
    };
    yield { body, rows: to - from, toTick: tickEnds[to - 1]!, span };
    from = to;
  }
}

export interface FormerLivesOptions {
  readonly disk: Disk;
  /** Of the lane. */
  readonly directory: string;
  /** What the ledger's file knows. */
  readonly kept: Pick<KeptLedger, 'lives' | 'journalSettled'>;
  /** What the spool was found to hold. */
  readonly found: Spool['found'];
  /** One that is no former life: its journal is being written. */
  readonly living: number | undefined;
  /** Whether lives of this configuration write journals. */
  readonly hasJournal: boolean;
  /** Where the rows ended, as far as a life could write it down. */
  readonly last: LastRows;
  readonly tell: Tell;
}

export interface FormerLives {
  /** Those that are not settled, oldest first. */
  readonly lives: FormerLife[];
  /** Where their rows ended. */
  readonly last: LastRows;
  /** Between their rows: a kill may have come before they were told. */
  readonly gaps: readonly JournalGap[];
}

/** The lives of the ledger, and those that were killed before it was saved. */
export function readFormerLives(options: FormerLivesOptions): FormerLives {
  const { disk, directory, kept, living } = options;
  const known = new Map(kept.lives.map((entry) => [entry.journal, entry]));
  for (const name of disk.list(directory)) {
    const journal = Number(/^(\d+)\.journal$/.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(journal) || known.has(journal)) continue;
    // A kill kept it from being removed.
    if (journal <= kept.journalSettled) disk.remove(join(directory, name));
    else known.set(journal, { journal, releasedTick: 0, leftRows: 0, sampledRows: 0 });
  }
  let { last } = options;
  const gaps: JournalGap[] = [];
  const lives = [...known.values()]
    .filter(({ journal }) => journal !== living)
    .sort((a, b) => a.journal - b.journal)
    .map((saved) => {
      const path = join(directory, `${saved.journal}.journal`);
      const { entry, content, damage } = broughtUp(saved, path, options);
      if (entry.journal > last.life) {
        // What left its ring was sampled after the last tick of its journal: nobody knows where its rows ended.
        const followed =
          entry.releasedTick > (content?.toTick ?? 0) ? NOTHING_KNOWN : content?.follow(last.rows);
        if (followed !== undefined) last = { life: entry.journal, rows: followed.rows };
        gaps.push(...(followed?.gaps ?? []));
      }
      return { path, entry, damage };
    });
  return { lives, last, gaps };
}

/** The entry of a former life as its spool and its journal show it: a kill leaves the file a step behind. */
function broughtUp(
  saved: LedgerLife,
  path: string,
  { disk, found, hasJournal, tell }: FormerLivesOptions,
): Pick<FormerLife, 'entry' | 'damage'> & { readonly content: JournalContent | undefined } {
  const unnoted = found.filter(
    ({ journal, toTick }) => journal === saved.journal && toTick > saved.releasedTick,
  );
  const releasedTick = Math.max(saved.releasedTick, ...unnoted.map(({ toTick }) => toTick));
  const leftRows = unnoted.reduce((total, { rows }) => total + rows, saved.leftRows);
  let damage = hasJournal && disk.size(path) === undefined ? 'is not there' : undefined;
  const content = readIfSound(disk, path, releasedTick, (how) => (damage = how));
  damage ??= content?.loss;
  if (damage !== undefined) {
    const sentence = `the ring journal ${path} ${damage}: what it should hold of a life that was cut short is lost`;
    tell({ level: 'error', code: 'journal.damaged', sentence });
  }
  const sampledRows = Math.max(saved.sampledRows, content?.sampledRows ?? 0, leftRows + (content?.rows ?? 0));
  return { entry: { journal: saved.journal, releasedTick, leftRows, sampledRows }, content, damage };
}

/** Undefined when there is no journal, or none that can be read. */
function readIfSound(
  disk: Disk,
  path: string,
  fromTick: number,
  onDamaged: (how: string) => void,
): JournalContent | undefined {
  if (disk.size(path) === undefined) return undefined;
  try {
    const content = readRingJournal(disk, path, fromTick);
    if (content === undefined) onDamaged('holds no sound header');
    return content;
  } catch (thrown) {
    onDamaged(`cannot be read: ${messageOf(thrown)}`);
    return undefined;
  }
}
