import type { LabelStretch } from '../../core/jobs/ownership.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';

/** Stretches looked at in one query; its text stays below 20 KiB. */
const STRETCHES_PER_LOOK = 32;

/** Samples of one device that are to bear these labels. */
export interface RelabelOrder {
  readonly gpu: string;
  readonly stretches: readonly LabelStretch[];
}

/**
 * Writes the rows whose label differs once more, whole, with the label that is right: an upsert of a part of a row would
 * null the rest. The server copies the values itself, so not a bit of them changes, and the rollups follow. Call it only
 * while no row of these times is on its way to the store, or its replay would bring the old label back.
 *
 * @returns how many rows were written again.
 * @throws OperatingError when the store does not do it; whatever was done stays done, and asking again is harmless.
 */
export async function relabelSamples(
  db: QuestDb,
  table: string,
  orders: readonly RelabelOrder[],
): Promise<number> {
  // What was acknowledged lies in the log of the table; a query sees it a moment later.
  await waitForVisible(db, table);
  const columns = await columnsOf(db, table);
  let rowCount = 0;
  for (const { gpu, stretches } of orders) {
    for (let from = 0; from < stretches.length; from += STRETCHES_PER_LOOK) {
      const some = stretches.slice(from, from + STRETCHES_PER_LOOK);
      // Most of what a restarted collector hears again is in the rows already: one look for many.
      if ((await countWhere(db, table, whereAnyDiffers(gpu, some))) === 0) continue;
      for (const stretch of some) rowCount += await relabelStretch(db, table, columns, gpu, stretch);
    }
  }
  return rowCount;
}

async function relabelStretch(
  db: QuestDb,
  table: string,
  columns: readonly string[],
  gpu: string,
  stretch: LabelStretch,
): Promise<number> {
  const where = whereAnyDiffers(gpu, [stretch]);
  const count = await countWhere(db, table, where);
  if (count === 0) return 0;
  const values = columns.map((column) => valueOf(column, stretch)).join(', ');
  const names = columns.map(quoteName).join(', ');
  await db.exec(
    `INSERT INTO ${quoteName(table)} (${names}) SELECT ${values} FROM ${quoteName(table)} WHERE ${where}`,
  );
  return count;
}

async function countWhere(db: QuestDb, table: string, where: string): Promise<number> {
  const { rows } = await db.exec(`SELECT count() FROM ${quoteName(table)} WHERE ${where}`);
  return Number(rows[0]?.[0]);
}

/** Every column that the table has, including those of fields that no lane samples any more. */
async function columnsOf(db: QuestDb, table: string): Promise<string[]> {
  const { rows } = await db.exec(`SELECT "column" FROM table_columns(${quoteText(table)})`);
  return rows.map(([name]) => String(name));
}

function valueOf(column: string, { label }: LabelStretch): string {
  if (column === 'job_id')
    return label.jobId === null ? 'cast(null AS varchar)' : `cast(${quoteText(label.jobId)} AS varchar)`;
  if (column === 'owners') return `cast(${label.owners} AS long)`;
  if (column === 'owner_set') return label.ownerSet === null ? 'cast(null AS long)' : longOf(label.ownerSet);
  return quoteName(column);
}

function whereAnyDiffers(gpu: string, stretches: readonly LabelStretch[]): string {
  const first = stretches[0]!.fromUs;
  const last = stretches.at(-1)!.toUs;
  const any = stretches.map((stretch) => `(${timeIn(stretch)} AND ${differs(stretch)})`).join(' OR ');
  // Rows without owners are of a GPU that was cut into MIG instances then: nobody's.
  return `gpu = ${quoteText(gpu)} AND owners IS NOT NULL AND ${timeIn({ fromUs: first, toUs: last })} AND (${any})`;
}

function timeIn({ fromUs, toUs }: Pick<LabelStretch, 'fromUs' | 'toUs'>): string {
  return `ts > cast(${fromUs} AS timestamp) AND ts <= cast(${toUs} AS timestamp)`;
}

function differs({ label }: LabelStretch): string {
  const job =
    label.jobId === null ? 'job_id IS NOT NULL' : `(job_id IS NULL OR job_id != ${quoteText(label.jobId)})`;
  const set =
    label.ownerSet === null
      ? 'owner_set IS NOT NULL'
      : `(owner_set IS NULL OR owner_set != ${longOf(label.ownerSet)})`;
  return `(${job} OR owners != ${label.owners} OR ${set})`;
}

/** As text: a number of so many digits is not sure to be read as a LONG. */
function longOf(digits: string): string {
  return `cast('${digits}' AS long)`;
}
