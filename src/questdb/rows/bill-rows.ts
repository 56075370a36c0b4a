import { createRowBuffer } from './row-buffer.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';

/** One row of `bills`; what is undefined is NULL. Epoch µs. */
export interface BillRowToWrite {
  readonly monthUs: number;
  readonly bill: string;
  readonly follows: string | undefined;
  readonly issuedUs: number;
  readonly line: number;
  readonly lines: number;
  readonly month: string;
  readonly version: string;
  /** Of line 0 alone. */
  readonly head: string | undefined;
  readonly cluster: string | undefined;
  readonly account: string | undefined;
  readonly user: string | undefined;
  readonly node: string;
  readonly gpu: string;
  readonly model: string | undefined;
  readonly isSizeKnown: boolean;
  readonly price: number | undefined;
  readonly ownedUs: number;
  readonly idleTailUs: number;
  readonly millijoules: number | undefined;
  readonly energyUs: number;
  readonly milligrams: number | undefined;
  readonly carbonMillijoules: number;
}

/** Rows of one request. A row has some 400 bytes. */
const REQUEST_ROWS_MAX = 5_000;

/**
 * Writes all rows of a bill and waits until they can be read. The table has to be there: a server that makes tables of its own accord
 * would make a wrong one.
 * @throws OperatingError why the store did not take them, and what `waitForVisible` throws; what was taken counts for nothing then
 */
export async function writeBillRows(db: QuestDb, rows: readonly BillRowToWrite[]): Promise<void> {
  for (let from = 0; from < rows.length; from += REQUEST_ROWS_MAX) {
    const some = rows.slice(from, from + REQUEST_ROWS_MAX);
    const { unsent } = await db.send({ table: 'bills', body: encoded(some), rows: some.length });
    if (unsent !== undefined) throw unsent.error;
  }
  await waitForVisible(db, 'bills');
}

function encoded(rows: readonly BillRowToWrite[]): Uint8Array<ArrayBuffer> {
  const buffer = createRowBuffer('bills');
  for (const row of rows)
    buffer
      .row()
      .symbol('bill', row.bill)
      .symbol('follows', row.follows)
      .symbol('month', row.month)
      .symbol('version', row.version)
      .symbol('cluster', row.cluster)
      .symbol('account', row.account)
      .symbol('user', row.user)
      .symbol('node', row.node)
      .symbol('gpu', row.gpu)
      .symbol('model', row.model)
      .time('issued_ts', row.issuedUs)
      .long('line', row.line)
      .long('lines', row.lines)
      .text('head', row.head)
      .long('size_known', row.isSizeKnown ? 1 : 0)
      .double('price', row.price)
      .long('owned_us', row.ownedUs)
      .long('idle_tail_us', row.idleTailUs)
      .long('energy_millijoules', row.millijoules)
      .long('energy_us', row.energyUs)
      .long('co2e_milligrams', row.milligrams)
      .long('co2e_millijoules', row.carbonMillijoules)
      .at(row.monthUs);
  return buffer.bytes();
}
