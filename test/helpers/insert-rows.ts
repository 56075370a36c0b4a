import { quoteName, quoteText } from '../../schemas/tables.ts';
import { quoteTime } from '../../src/figures/sql-text.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

/** Numbers as they are, texts quoted, epoch µs of columns that end in `ts` as times; NULL where nothing is said. */
export type Row = Readonly<Record<string, string | number | undefined>>;

/** Statements travel in a URL: a hundred rows are not too long for one. */
const ROWS_PER_STATEMENT = 100;

/** Writes rows made by hand, and waits until they can be read. */
export async function insertRows(db: QuestDb, table: string, rows: readonly Row[]): Promise<void> {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const values = rows.map((row) => `(${columns.map((column) => cellSql(column, row[column])).join(', ')})`);
  for (let from = 0; from < values.length; from += ROWS_PER_STATEMENT)
    await db.exec(
      `INSERT INTO ${table} (${columns.map(quoteName).join(', ')}) VALUES ` +
        values.slice(from, from + ROWS_PER_STATEMENT).join(', '),
    );
  await waitForVisible(db, table);
}

function cellSql(column: string, value: string | number | undefined): string {
  if (value === undefined) return 'null';
  if (typeof value === 'string') return quoteText(value);
  return /(^|_)ts$/.test(column) ? quoteTime(value) : String(value);
}
