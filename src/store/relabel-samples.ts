import type { LabelStretch } from '../core/ownership.ts';
import { quoteName, quoteText } from '../../schemas/tables.ts';
import type { QuestDb } from './questdb-http.ts';
import { waitForVisible } from './rollup-wait.ts';

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
    for (const stretch of stretches) {
      const where = whereDiffers(gpu, stretch);
      const { rows } = await db.exec(`SELECT count() FROM ${quoteName(table)} WHERE ${where}`);
      const count = Number(rows[0]?.[0]);
      if (count === 0) continue;
      const values = columns.map((column) => valueOf(column, stretch)).join(', ');
      const names = columns.map(quoteName).join(', ');
      await db.exec(
        `INSERT INTO ${quoteName(table)} (${names}) SELECT ${values} FROM ${quoteName(table)} WHERE ${where}`,
      );
      rowCount += count;
    }
  }
  return rowCount;
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
  return quoteName(column);
}

function whereDiffers(gpu: string, { fromUs, toUs, label }: LabelStretch): string {
  const job =
    label.jobId === null ? 'job_id IS NOT NULL' : `(job_id IS NULL OR job_id != ${quoteText(label.jobId)})`;
  const time = `ts > cast(${fromUs} AS timestamp) AND ts <= cast(${toUs} AS timestamp)`;
  return `gpu = ${quoteText(gpu)} AND ${time} AND (${job} OR owners != ${label.owners})`;
}
