import { EMPTY_LEDGER, moveRows, sampleRows, type Ledger } from '../core/base/ledger.ts';
import type { Ring } from '../core/ring/ring.ts';
import {
  LIVES_MAX,
  type KeptLedger,
  type LedgerFile,
  type LedgerLife,
  type Span,
} from '../disk/ledger-file.ts';
import type { FormerLife } from './former-life.ts';

/** Of a ring: another thread adds to them at any moment. */
type RowCounts = Pick<Ring, 'sampledRows' | 'droppedRows'>;

/**
 * The ledger of one lane at work: over all lives, with what the ring of this life does by itself. Each act says where rows
 * went; `save` writes it down.
 */
export class LaneLedger {
  /** Lives of which rows may be held, oldest first. */
  readonly former: FormerLife[];
  /** Names this life. */
  readonly life: number;
  readonly #file: LedgerFile | undefined;
  #ledger: Ledger;
  #spoolSettled: number;
  #uncertain: Span | undefined;
  #ring: RowCounts | undefined;
  /** Of the ring, as far as they are in the ledger. */
  #sampledRows = 0;
  #droppedRows = 0;
  #releasedTick = 0;
  /** Rows that have left the ring of this life, without those that it dropped. */
  #leftRows = 0;
  #isOver = false;
  /** This life and every one before it are settled, but for those that are listed. */
  #journalSettled: number;

  /**
   * @param file absent: nothing outlives this life
   * @param former brought up to what their journals show
   */
  constructor(life: number, file?: LedgerFile, former: FormerLife[] = []) {
    this.life = life;
    this.former = former;
    this.#file = file;
    this.#ledger = file === undefined ? EMPTY_LEDGER : withFormer(file.kept, former);
    this.#spoolSettled = file?.kept.spoolSettled ?? 0;
    this.#uncertain = file?.kept.uncertain;
    this.#journalSettled = file?.kept.journalSettled ?? 0;
  }

  /** As of now. */
  get rows(): Ledger {
    this.#observeRing();
    return this.#ledger;
  }

  /** Samples whose labels are to be looked at again. */
  get uncertain(): Span | undefined {
    return this.#uncertain;
  }

  attach(ring: RowCounts): void {
    this.#ring = ring;
    this.save();
  }

  /** Rows of this life's ring that came to an end, or into the spool. */
  leave(to: 'acknowledged' | 'refused' | 'spooled', rows: number): void {
    this.#observeRing();
    this.#ledger = moveRows(this.#ledger, 'held', to, rows);
    this.#leftRows += rows;
  }

  /** The ring lets go of the ticks before this one: all their rows have left. */
  release(toTick: number): void {
    this.#releasedTick = toTick;
    this.save();
  }

  /** Rows of a former life that went into the spool. */
  leaveFormer(former: FormerLife, toTick: number, rows: number): void {
    const { entry } = former;
    this.#ledger = moveRows(this.#ledger, 'held', 'spooled', rows);
    former.entry = { ...entry, releasedTick: toTick, leftRows: entry.leftRows + rows };
  }

  /** The oldest former life has nothing more to give. @returns rows that it held and nobody has, which are dropped */
  endFormer(): number {
    const { entry } = this.former.shift()!;
    this.#journalSettled = entry.journal;
    const lostRows = entry.sampledRows - entry.leftRows;
    this.#ledger = moveRows(this.#ledger, 'held', 'dropped', lostRows);
    return lostRows;
  }

  /** A spooled batch came to its end. Saved before its file goes: a kill in between must not make it look lost. */
  settleSpooled(sequence: number, acknowledgedRows: number, refusedRows: number): void {
    this.#ledger = moveRows(this.#ledger, 'spooled', 'acknowledged', acknowledgedRows);
    this.#ledger = moveRows(this.#ledger, 'spooled', 'refused', refusedRows);
    this.#spoolSettled = sequence;
    this.save();
  }

  /** The spool has given rows up. */
  dropSpooled(rows: number, settledSequence: number): void {
    this.#ledger = moveRows(this.#ledger, 'spooled', 'dropped', rows);
    this.#spoolSettled = Math.max(this.#spoolSettled, settledSequence);
  }

  /** The spool holds rows that no life has told of. */
  addSpooled(rows: number): void {
    this.#ledger = moveRows(sampleRows(this.#ledger, rows), 'held', 'spooled', rows);
  }

  /** Samples left a ring before it was known whose they were. */
  doubtLabels({ fromUs, toUs }: Span): void {
    const before = this.#uncertain ?? { fromUs, toUs };
    this.#uncertain = { fromUs: Math.min(before.fromUs, fromUs), toUs: Math.max(before.toUs, toUs) };
  }

  /** All labels are right. */
  trustLabels(): void {
    if (this.#uncertain === undefined) return;
    this.#uncertain = undefined;
    this.save();
  }

  /** Writes it down as of now. */
  save(): void {
    this.#observeRing();
    this.#write();
  }

  /**
   * Ledger and lives as they were observed: the ring goes on meanwhile, and both must tell of the same moment. Where the file
   * has no room for all lives, those are left out that wrote nothing: their journals tell of them.
   */
  #write(): void {
    const lives = this.#lives();
    const wroteNothing = ({ journal, releasedTick, leftRows }: LedgerLife): boolean =>
      releasedTick === 0 && leftRows === 0 && journal !== this.life;
    const omitted = lives.length > LIVES_MAX ? lives.filter(wroteNothing) : [];
    const omittedRows = omitted.reduce((rows, { sampledRows }) => rows + sampledRows, 0);
    this.#file?.save({
      ledger: sampleRows(this.#ledger, -omittedRows),
      spoolSettled: this.#spoolSettled,
      journalSettled: this.#isOver && this.former.length === 0 ? this.life : this.#journalSettled,
      lives: lives.filter((life) => !omitted.includes(life)),
      uncertain: this.#uncertain,
    });
  }

  /** @returns whether this life holds no row: then it needs no journal any more. */
  close(): boolean {
    this.#observeRing();
    this.#isOver = this.#sampledRows === this.#leftRows + this.#droppedRows;
    this.#write();
    this.#file?.close();
    return this.#isOver;
  }

  #lives(): LedgerLife[] {
    const leftRows = this.#leftRows + this.#droppedRows;
    const sampledRows = this.#sampledRows;
    const current = { journal: this.life, releasedTick: this.#releasedTick, leftRows, sampledRows };
    return [...this.former.map(({ entry }) => entry), ...(this.#isOver ? [] : [current])];
  }

  /** What the ring's producer has done since. A row that the ring gives up was counted as sampled before. */
  #observeRing(): void {
    if (this.#ring === undefined) return;
    const { droppedRows } = this.#ring;
    const { sampledRows } = this.#ring;
    this.#ledger = sampleRows(this.#ledger, sampledRows - this.#sampledRows);
    this.#ledger = moveRows(this.#ledger, 'held', 'dropped', droppedRows - this.#droppedRows);
    this.#sampledRows = sampledRows;
    this.#droppedRows = droppedRows;
  }
}

/** The ledger with what former lives did after they had saved it last. */
function withFormer({ ledger, lives }: KeptLedger, former: readonly FormerLife[]): Ledger {
  const saved = new Map(lives.map((entry) => [entry.journal, entry]));
  return former.reduce((sum, { entry }) => {
    const { sampledRows = 0, leftRows = 0 } = saved.get(entry.journal) ?? {};
    const sampled = sampleRows(sum, entry.sampledRows - sampledRows);
    return moveRows(sampled, 'held', 'spooled', entry.leftRows - leftRows);
  }, ledger);
}
