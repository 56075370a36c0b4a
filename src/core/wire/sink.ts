import type { OperatingError } from '../base/errors.ts';
import type { RefusedRows } from './bisect.ts';

/** Encoded rows of one table, each with the label of its owner. */
export interface Batch {
  readonly table: string;
  /**
   * Whole ILP rows. Lent until `send` resolves, and then written over: a sink that keeps bytes longer copies them, in bounds,
   * or writes them to disk.
   */
  readonly body: Uint8Array<ArrayBuffer>;
  readonly rows: number;
}

/**
 * Why rows were not taken now. `rows`: some of them are wrong, and of no use as they are. `table`: its columns do not fit
 * them. `store`: it is away or overloaded, and the same bytes may be sent again. `credentials`: of no use until somebody
 * mends them.
 */
export type UnsentCause = 'rows' | 'table' | 'store' | 'credentials';

/** Rows that are the caller's still. */
export interface Unsent {
  /** The batch's own body, or those of its rows that are left. */
  readonly body: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly cause: UnsentCause;
  /** In the store's words. */
  readonly reason: string;
  /** The same for a person. */
  readonly error: OperatingError;
  /** With the cause `rows`: the first bad row as the store names it, counted from 1. */
  readonly line?: number;
}

/** What became of a batch: every row of it is in one of these. */
export interface Fate {
  readonly acknowledgedRows: number;
  /** Ranges of the batch that the store will never take. They are dead letters by now. */
  readonly refused: readonly RefusedRows[];
  /** Rows that were written to disk, and go to the store later. */
  readonly spooledRows?: number;
  readonly unsent?: Unsent;
}

/** Where labelled rows go. Sinks stand around sinks: retries, the search for bad rows, the spool, several stores. */
export interface Sink {
  /** One call at a time for one table. Never rejects for what a store, a network or a disk does: the fate tells. */
  send(batch: Batch): Promise<Fate>;
}

export function acknowledged({ rows }: Pick<Batch, 'rows'>): Fate {
  return { acknowledgedRows: rows, refused: [] };
}

/** Nothing of the batch was taken. */
export function untaken({ body, rows }: Batch, why: Omit<Unsent, 'body' | 'rows'>): Fate {
  return { acknowledgedRows: 0, refused: [], unsent: { body, rows, ...why } };
}

export function refusedRowsOf({ refused }: Fate): number {
  return refused.reduce((sum, { from, to }) => sum + (to - from), 0);
}
