import { OperatingError } from '../../core/base/errors.ts';
import { createTableSql, quoteName, quoteText, type Table } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';
import type { SchemaChange } from './change.ts';

/** The designated timestamp of tables that a server makes of its own accord, for rows that come for none. */
export const MISPLACED_TIMESTAMP = 'timestamp';
const COPY_MS_MAX = 600_000;

export function misplacedTableOf({ name }: Pick<Table, 'name'>): string {
  return `${name}_misplaced`;
}

/**
 * Puts a table that the server has made of its own accord aside, and makes the right one. Such a table has no keys: a row
 * that was sent twice stands in it twice. `takeOver` brings the rows back.
 */
export async function replaceMisplaced(db: QuestDb, table: Table): Promise<SchemaChange[]> {
  const aside = misplacedTableOf(table);
  await db.exec(`RENAME TABLE ${quoteName(table.name)} TO ${quoteName(aside)}`);
  await db.exec(createTableSql(table));
  return [{ action: 'created', object: table.name, detail: `table; the one that was there is ${aside}` }];
}

/**
 * Brings the rows of a table that was put aside into the right one, once each, and drops it when they are all there. May be
 * done again at any point.
 * @throws OperatingError `schema.copy_differs`, and those of `exec`
 */
export async function takeOverMisplaced(db: QuestDb, table: Table): Promise<SchemaChange> {
  const aside = misplacedTableOf(table);
  const { rows } = await db.exec(`SELECT "column" FROM table_columns(${quoteText(aside)})`);
  const found = new Set(rows.map(([name]) => String(name)));
  const names = table.columns.map(({ name }) => name).filter((name) => name !== 'ts' && found.has(name));
  const into = ['ts', ...names].map(quoteName).join(', ');
  const from = [MISPLACED_TIMESTAMP, ...names].map(quoteName).join(', ');
  await db.exec(`INSERT INTO ${quoteName(table.name)} (${into}) SELECT ${from} FROM ${quoteName(aside)}`, {
    timeoutMs: COPY_MS_MAX,
  });
  await waitForVisible(db, table.name);
  const keysOf = (timestamp: string): string =>
    table.upsertKeys
      .map((key) => (key === 'ts' ? timestamp : key))
      .map(quoteName)
      .join(', ');
  const countOf = async (sql: string): Promise<number> =>
    Number((await db.exec(`SELECT count() FROM (${sql})`, { timeoutMs: COPY_MS_MAX })).rows[0]?.[0]);
  const wanted = await countOf(`SELECT DISTINCT ${keysOf(MISPLACED_TIMESTAMP)} FROM ${quoteName(aside)}`);
  const [ends] = (
    await db.exec(
      `SELECT cast(min(${MISPLACED_TIMESTAMP}) AS LONG), cast(max(${MISPLACED_TIMESTAMP}) AS LONG) FROM ${quoteName(aside)}`,
    )
  ).rows;
  const [fromUs, toUs] = [Number(ends?.[0] ?? 0), Number(ends?.[1] ?? 0)];
  const there = await countOf(
    `SELECT DISTINCT ${keysOf('ts')} FROM ${quoteName(table.name)} WHERE ts >= cast(${fromUs} AS timestamp) AND ts <= cast(${toUs} AS timestamp)`,
  );
  if (there < wanted) throw differs(db.where, table.name, aside, wanted, there);
  await db.exec(`DROP TABLE ${quoteName(aside)}`);
  return {
    action: 'moved',
    object: table.name,
    detail: `${wanted} rows of a table that the server had made`,
  };
}

function differs(where: string, table: string, aside: string, wanted: number, there: number): OperatingError {
  return new OperatingError(`expected ${wanted} rows of ${aside} in ${table}, found ${there}`, {
    code: 'schema.copy_differs',
    exit: 'temporary',
    where: `${where}, table ${table}`,
    hints: [`${aside} is kept; again: gpuledger schema apply`],
  });
}
