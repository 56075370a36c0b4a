import { createBuffer, SenderOptions } from '@questdb/nodejs-client';
import { assert } from '../../core/base/assert.ts';

/**
 * Rows of one table through the official client's buffer (ILP protocol v2). A value that is undefined, empty or not
 * finite is left out, and NULL in the table: never 0 and never ''. Symbols come before the other columns.
 */
export interface RowBuffer {
  row(): RowBuffer;
  symbol(column: string, value: string | undefined): RowBuffer;
  text(column: string, value: string | undefined): RowBuffer;
  /** @param value a safe integer */
  long(column: string, value: number | undefined): RowBuffer;
  double(column: string, value: number | undefined): RowBuffer;
  /** @param us epoch microseconds */
  time(column: string, us: number | undefined): RowBuffer;
  /** Ends the row. @param tsUs epoch microseconds, ≥ 0 */
  at(tsUs: number): void;
  /** The bytes of all ended rows, the caller's own. */
  bytes(): Uint8Array<ArrayBuffer>;
}

// Nothing is sent by the client: the address only satisfies its parser.
const OPTIONS = 'http::addr=127.0.0.1:9000;protocol_version=2;';

export function createRowBuffer(table: string): RowBuffer {
  const buffer = createBuffer(new SenderOptions(OPTIONS));
  const rows: RowBuffer = {
    row() {
      buffer.table(table);
      return rows;
    },
    symbol(column, value) {
      if (value !== undefined && value !== '') buffer.symbol(column, value);
      return rows;
    },
    text(column, value) {
      if (value !== undefined && value !== '') buffer.stringColumn(column, value);
      return rows;
    },
    long(column, value) {
      if (value === undefined || Number.isNaN(value)) return rows;
      assert(Number.isSafeInteger(value), `column ${column} takes a whole number, not ${value}`);
      buffer.intColumn(column, value);
      return rows;
    },
    double(column, value) {
      if (value !== undefined && Number.isFinite(value)) buffer.floatColumn(column, value);
      return rows;
    },
    time(column, us) {
      if (us !== undefined && Number.isFinite(us)) buffer.timestampColumn(column, us, 'us');
      return rows;
    },
    at(tsUs) {
      assert(
        Number.isSafeInteger(tsUs) && tsUs >= 0,
        `a row needs a time in whole microseconds, not ${tsUs}`,
      );
      buffer.at(tsUs, 'us');
    },
    bytes: () => new Uint8Array(buffer.toBufferNew() ?? []),
  };
  return rows;
}
