import { assert } from './assert.ts';

/**
 * Where the rows of one lane are. Every row that was sampled is in exactly one place:
 *
 *   sampled = acknowledged + held + spooled + refused + dropped
 *
 * A value: each move gives a new one. The sum is asserted here and nowhere else.
 */
export interface Ledger {
  readonly sampledRows: number;
  /** The store has them. */
  readonly acknowledgedRows: number;
  /** In a ring, or in the ring journal of a life that was cut short. */
  readonly heldRows: number;
  /** On disk, until the store takes rows again. */
  readonly spooledRows: number;
  /** Dead letters: the store will never take them. */
  readonly refusedRows: number;
  /** Lost, and told. */
  readonly droppedRows: number;
}

/** Places that rows leave again, and places where they stay. */
type Waiting = 'held' | 'spooled';
type Settled = 'acknowledged' | 'refused' | 'dropped';

export const EMPTY_LEDGER: Ledger = {
  sampledRows: 0,
  acknowledgedRows: 0,
  heldRows: 0,
  spooledRows: 0,
  refusedRows: 0,
  droppedRows: 0,
};

/** Rows that were sampled: they are held. */
export function sampleRows(ledger: Ledger, rows: number): Ledger {
  return checked({
    ...ledger,
    sampledRows: ledger.sampledRows + rows,
    heldRows: ledger.heldRows + rows,
  });
}

/** Rows that go from one place to another; never from one that holds fewer. */
export function moveRows(ledger: Ledger, from: Waiting, to: Settled | 'spooled', rows: number): Ledger {
  assert(from !== to, 'rows move from one place to another');
  const [source, target] = [`${from}Rows`, `${to}Rows`] as const;
  return checked({ ...ledger, [source]: ledger[source] - rows, [target]: ledger[target] + rows });
}

/** Whether every row is in exactly one place: for a ledger that another process has written down. */
export function addsUp(ledger: Ledger): boolean {
  const { sampledRows, acknowledgedRows, heldRows, spooledRows, refusedRows, droppedRows } = ledger;
  return sampledRows === acknowledgedRows + heldRows + spooledRows + refusedRows + droppedRows;
}

function checked(ledger: Ledger): Ledger {
  const fewest = Math.min(
    ledger.sampledRows,
    ledger.acknowledgedRows,
    ledger.heldRows,
    ledger.spooledRows,
    ledger.refusedRows,
    ledger.droppedRows,
  );
  assert(fewest >= 0, `no place holds less than nothing: ${JSON.stringify(ledger)}`);
  assert(addsUp(ledger), `every sampled row is in one place: ${JSON.stringify(ledger)}`);
  return ledger;
}
