import { OperatingError } from '../../core/base/errors.ts';
import { HOUR_US } from '../../core/base/hour.ts';
import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { createTableSql, quoteName, quoteText, type TableColumn } from '../../../schemas/tables.ts';
import { normalTtlText } from '../../../schemas/ttl.ts';
import { agedTableOf, sumExpression, type View } from '../../../schemas/views.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';
import { addColumn } from './add-column.ts';
import type { SchemaChange } from './change.ts';

/**
 * A view cannot take on a key or a column: it is built again from the samples. Its buckets of the time whose samples have
 * aged out go into a plain table before, `gpu_<lane>_1m_aged`, which counts up to its last bucket; the view counts from there.
 *
 *   gpu_x_1h_aged   ─────────────────┤           copied, compared, never written again
 *   gpu_x_1h                     ├────────────►  may overlap: there the table counts
 */

/** Buckets of each group in one statement: with ten thousand devices some seconds of the server. */
const BUCKETS_PER_COPY = 360;
/** Of hours that are added up by day. */
const DAYS_PER_COPY = 15;
/** A statement of so many rows may take longer than a question. */
const COPY_TIMEOUT_MS = 600_000;
const DAY_US = 24 * HOUR_US;

/** Until where a rollup holds what the samples cannot give again, epoch µs; undefined when they can give all. */
export async function agedUntil(db: QuestDb, base: string, view: View): Promise<number | undefined> {
  const kept = await sumsByDay(
    db,
    `SELECT timestamp_floor('d', ts) AS day, sum(row_count) FROM ${quoteName(view.name)} GROUP BY day`,
  );
  const samples = await sumsByDay(
    db,
    view.where === undefined
      ? "SELECT timestamp_floor('d', minTimestamp) AS day, sum(numRows)" +
          ` FROM table_partitions(${quoteText(base)}) WHERE attached GROUP BY day`
      : `SELECT timestamp_floor('d', ts) AS day, count() FROM ${quoteName(base)} WHERE ${view.where} GROUP BY day`,
  );
  const lost = [...kept]
    .filter(([day, [rows = 0]]) => rows > (samples.get(day)?.[0] ?? 0))
    .map(([day]) => day);
  if (lost.length === 0) return undefined;
  const { lastUs } = await extentOf(db, view.name);
  return Math.min(Math.max(...lost) + DAY_US, lastUs + view.everyUs);
}

/** Copies what `view` holds before `untilUs` (epoch µs) and what is not copied yet. Killed and begun again it goes on. */
export async function keepAged(
  db: QuestDb,
  view: View,
  untilUs: number,
  tell: (words: string) => void,
): Promise<SchemaChange> {
  const table = agedTableOf(view);
  const columns = await columnsOf(db, view.name);
  if (await isThere(db, table)) {
    await addMissing(db, table, columns);
    await takeOnKeys(db, view, table);
  } else await db.exec(createTableSql(agedTable(view, columns)));
  await waitForVisible(db, table);
  const { lastUs } = await extentOf(db, table);
  const names = columns.map(({ name }) => quoteName(name)).join(', ');
  const notYetCopied = Number.isNaN(lastUs) ? '' : ` WHERE ts > ${timeSql(lastUs)}`;
  const { firstUs } = await extentOf(db, view.name, notYetCopied);
  for (let fromUs = firstUs; fromUs < untilUs; fromUs += BUCKETS_PER_COPY * view.everyUs) {
    const toUs = Math.min(untilUs, fromUs + BUCKETS_PER_COPY * view.everyUs);
    await db.exec(
      // Whole or not at all: whoever goes on after a kill begins behind the last bucket that is there.
      `INSERT ATOMIC INTO ${quoteName(table)} (${names}) SELECT ${names} FROM ${quoteName(view.name)}` +
        ` WHERE ts >= ${timeSql(fromUs)} AND ts < ${timeSql(toUs)}`,
      { timeoutMs: COPY_TIMEOUT_MS },
    );
    tell(`${view.name}: old buckets are kept up to ${new Date(toUs / 1000).toISOString()}`);
  }
  await waitForVisible(db, table, { timeoutMs: COPY_TIMEOUT_MS });
  await compare(db, view, table, untilUs);
  const until = new Date(untilUs / 1000).toISOString();
  return { action: 'moved', object: table, detail: `buckets before ${until}, whose samples are gone` };
}

/**
 * Adds the copy of old hours up by day, where there was no rollup of days when they were copied: hours go one day, and days are
 * kept longer. A day that is not over is left to the view. Killed and begun again it goes on.
 */
export async function keepAgedDays(
  db: QuestDb,
  hours: View,
  days: View,
  tell: (words: string) => void,
): Promise<SchemaChange[]> {
  const [source, table] = [agedTableOf(hours), agedTableOf(days)];
  if (!(await isThere(db, source))) return [];
  const { firstUs, lastUs } = await extentOf(db, source);
  const isBegun = await isThere(db, table);
  const known = isBegun ? (await extentOf(db, table)).lastUs : NaN;
  const fromUs = Number.isNaN(known) ? dayOf(firstUs) : known + DAY_US;
  const endUs = Math.min(dayOf(lastUs) + DAY_US, dayOf(Date.now() * 1000));
  if (!(fromUs < endUs)) return [];
  const columns = await columnsOf(db, source);
  if (!isBegun) await db.exec(createTableSql(agedTable(days, columns)));
  await waitForVisible(db, table);
  const keys = new Set(days.keys.map(({ name }) => name));
  const names = columns.map(({ name }) => quoteName(name)).join(', ');
  const sums = columns.map(({ name }) => (keys.has(name) ? quoteName(name) : sumExpression(name))).join(', ');
  for (let atUs = fromUs; atUs < endUs; atUs += DAYS_PER_COPY * DAY_US) {
    const toUs = Math.min(endUs, atUs + DAYS_PER_COPY * DAY_US);
    await db.exec(
      `INSERT ATOMIC INTO ${quoteName(table)} (${names}) SELECT ${sums} FROM ${quoteName(source)}` +
        ` WHERE ts >= ${timeSql(atUs)} AND ts < ${timeSql(toUs)} SAMPLE BY 1d`,
      { timeoutMs: COPY_TIMEOUT_MS },
    );
    tell(`${days.name}: old hours are added up to ${new Date(toUs / 1000).toISOString()}`);
  }
  await waitForVisible(db, table, { timeoutMs: COPY_TIMEOUT_MS });
  const until = new Date(endUs / 1000).toISOString();
  return [{ action: 'moved', object: table, detail: `old hours before ${until}, by day` }];
}

/** A view that was built again may have columns that were not there when its old buckets were copied. */
export async function completeAged(db: QuestDb, view: View): Promise<SchemaChange[]> {
  const table = agedTableOf(view);
  if (!(await isThere(db, table))) return [];
  return await addMissing(db, table, await columnsOf(db, view.name));
}

/** Drops what is older than a rollup is kept, once that is all of it. */
export async function dropOverdue(db: QuestDb, view: View): Promise<SchemaChange[]> {
  const table = agedTableOf(view);
  const [count, unit] = normalTtlText(view.ttl).split(' ');
  if (unit === undefined || !(await isThere(db, table))) return [];
  const letter = unit === 'h' ? 'h' : 'M';
  const { rows } = await db.exec(
    `SELECT max(ts) < dateadd('${letter}', -${count}, now()) FROM ${quoteName(table)}`,
  );
  if (rows[0]?.[0] !== true) return [];
  await db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
  return [{ action: 'dropped', object: table, detail: `older than ${view.ttl ?? ''}` }];
}

/** @throws OperatingError `schema.copy_differs` */
async function compare(db: QuestDb, view: View, table: string, untilUs: number): Promise<void> {
  const query = (name: string): string =>
    `SELECT timestamp_floor('d', ts) AS day, count(), sum(row_count), sum(dt_us) FROM ${quoteName(name)}` +
    ` WHERE ts < ${timeSql(untilUs)} GROUP BY day`;
  const copied = await sumsByDay(db, query(table));
  for (const [day, sums] of await sumsByDay(db, query(view.name))) {
    const has = copied.get(day) ?? [];
    if (sums.some((sum, index) => sum > (has[index] ?? 0)))
      throw copyDiffers(db.where, view.name, table, day);
  }
}

function copyDiffers(where: string, view: string, table: string, dayUs: number): OperatingError {
  const day = new Date(dayUs / 1000).toISOString().slice(0, 10);
  return new OperatingError(
    `${table} should hold all of ${view} on ${day} and holds less; nothing was dropped`,
    {
      code: 'schema.copy_differs',
      exit: 'temporary',
      where,
      hints: [
        'the rollup changed while it was copied: once more, gpuledger schema apply',
        `if that ends the same way, begin anew: DROP TABLE "${table}";`,
      ],
    },
  );
}

function agedTable(view: View, columns: readonly TableColumn[]): Parameters<typeof createTableSql>[0] {
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  const keys = view.keys.map(({ name }): TableColumn => ({ name, type: types.get(name) ?? typeOfKey(name) }));
  const rest = columns.filter(({ name }) => !keys.some((key) => key.name === name));
  return {
    name: agedTableOf(view),
    columns: [...keys, ...rest],
    partitionBy: view.partitionBy,
    upsertKeys: view.keys.map(({ name }) => name),
  };
}

/** Of one that the view which is copied had not yet. */
function typeOfKey(name: string): TableColumn['type'] {
  return name === 'owner_set' ? 'LONG' : 'SYMBOL';
}

/** A copy of an older version, by whose keys two rows of today's could be one. */
async function takeOnKeys(db: QuestDb, view: View, table: string): Promise<void> {
  const { rows } = await db.exec(`SELECT "column" FROM table_columns(${quoteText(table)}) WHERE upsertKey`);
  const found = new Set(rows.map(([name]) => name));
  const missing = view.keys.filter(({ name }) => !found.has(name));
  if (missing.length === 0) return;
  await addMissing(
    db,
    table,
    missing.map(({ name }) => ({ name, type: typeOfKey(name) })),
  );
  const keys = view.keys.map(({ name }) => quoteName(name)).join(', ');
  await db.exec(`ALTER TABLE ${quoteName(table)} DEDUP ENABLE UPSERT KEYS(${keys})`);
  await waitForVisible(db, table);
}

async function addMissing(
  db: QuestDb,
  table: string,
  columns: readonly TableColumn[],
): Promise<SchemaChange[]> {
  const there = new Set((await columnsOf(db, table)).map(({ name }) => name));
  const missing = columns.filter(({ name }) => !there.has(name));
  const changes: SchemaChange[] = [];
  for (const column of missing) changes.push(...(await addColumn(db, table, column)));
  if (missing.length > 0) await waitForVisible(db, table);
  return changes;
}

async function columnsOf(db: QuestDb, table: string): Promise<TableColumn[]> {
  const { rows } = await db.exec(`SELECT "column", type FROM table_columns(${quoteText(table)})`);
  return rows.map(([name, type]) => ({ name: String(name), type: String(type) as TableColumn['type'] }));
}

async function isThere(db: QuestDb, table: string): Promise<boolean> {
  const { rows } = await db.exec(`SELECT table_name FROM tables() WHERE table_name = ${quoteText(table)}`);
  return rows.length > 0;
}

/** First and last bucket, epoch µs; NaN without any. */
async function extentOf(
  db: QuestDb,
  table: string,
  where = '',
): Promise<{ readonly firstUs: number; readonly lastUs: number }> {
  const { rows } = await db.exec(`SELECT min(ts), max(ts) FROM ${quoteName(table)}${where}`);
  return { firstUs: timestampUs(rows[0]?.[0]), lastUs: timestampUs(rows[0]?.[1]) };
}

/** The sums of an answer by day, epoch µs. */
async function sumsByDay(db: QuestDb, sql: string): Promise<Map<number, readonly number[]>> {
  const { rows } = await db.exec(sql, { timeoutMs: COPY_TIMEOUT_MS });
  return new Map(rows.map(([day, ...sums]) => [timestampUs(day), sums.map(Number)]));
}

function dayOf(us: number): number {
  return Math.floor(us / DAY_US) * DAY_US;
}

function timeSql(us: number): string {
  return `cast(${us} AS timestamp)`;
}
