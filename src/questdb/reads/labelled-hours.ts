import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { agedTableOf } from '../../../schemas/views.ts';
import { HOUR_US } from '../../core/base/hour.ts';
import type { QuestDb } from '../http.ts';

/** What the hours of a rollup say of one device and one label. */
export interface LabelledHour {
  /** Its beginning, epoch µs. */
  readonly hourUs: number;
  readonly jobId: string | null;
  readonly owners: number;
  /** Decimal digits. */
  readonly ownerSet: string | null;
  readonly dtUs: number;
}

/** So much of one device is asked for at once. */
const ASKED_US_MAX = 90 * 24 * HOUR_US;

/**
 * The rollup of a sample table that tells the labels in whole hours, with the hours whose samples are gone: as good as the samples
 * for all that was settled some minutes ago, and a thousand times smaller.
 */
export interface HourRollup {
  /** The copy of the view's old buckets, and the view: where both have an hour, the copy counts. */
  readonly tables: readonly HourTable[];
  /** A label that was changed a moment ago is not in hours that lag: those cannot say that nothing is to be done. */
  readonly isLevel: boolean;
}

interface HourTable {
  readonly name: string;
  /** Its hours count from here on, epoch µs. */
  readonly countsFromUs: number;
}

/** @returns undefined where there is none, it was never computed, or the server does not keep it up */
export async function findHourRollup(db: QuestDb, table: string): Promise<HourRollup | undefined> {
  const view = `${table}_1h`;
  const aged = agedTableOf({ name: view });
  const { rows } = await db.exec(
    "SELECT view_status, refresh_base_table_txn, view_status = 'valid' AND refresh_base_table_txn = base_table_txn" +
      ` FROM materialized_views() WHERE view_name IN (${quoteText(view)}, ${quoteText(`${table}_1m`)})` +
      ' ORDER BY view_name',
  );
  const [status, computedTxn] = rows[0] ?? ['invalid', -1];
  if (status === 'invalid' || !(Number(computedTxn) > 0)) return undefined;
  const isLevel = rows.length === 2 && rows.every(([, , isOneLevel]) => isOneLevel === true);
  const known = await db.exec(
    `SELECT table_name FROM information_schema.columns() WHERE table_name IN (${quoteText(aged)}, ${quoteText(view)})` +
      " AND column_name = 'owner_set'",
  );
  const names = new Set(known.rows.map(([name]) => String(name)));
  // One that is not brought up to date cannot tell sets apart.
  if (!names.has(view)) return undefined;
  if (!names.has(aged)) return { tables: [{ name: view, countsFromUs: -Infinity }], isLevel };
  const copied = await db.exec(`SELECT cast(max(ts) AS LONG) FROM ${quoteName(aged)}`);
  const copiedUntilUs = Number(copied.rows[0]?.[0] ?? -Infinity) + HOUR_US;
  const tables = [
    { name: aged, countsFromUs: -Infinity },
    { name: view, countsFromUs: copiedUntilUs },
  ];
  return { tables, isLevel };
}

/**
 * The hours of a device that touch (fromUs, toUs], epoch µs.
 * @throws OperatingError when the store does not answer
 */
export async function readLabelledHours(
  db: QuestDb,
  { tables }: HourRollup,
  gpu: string,
  { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number },
): Promise<LabelledHour[]> {
  const hours: LabelledHour[] = [];
  const firstUs = Math.floor(fromUs / HOUR_US) * HOUR_US;
  // The hour that begins with the last moment holds its sample.
  for (let atUs = firstUs; atUs <= toUs; atUs += ASKED_US_MAX) {
    const endUs = Math.min(toUs + 1, atUs + ASKED_US_MAX);
    for (const { name, countsFromUs } of tables) {
      if (countsFromUs >= endUs) continue;
      const { rows } = await db.exec(
        `SELECT cast(ts AS LONG), job_id, owners, cast(owner_set AS STRING), dt_us FROM ${quoteName(name)} WHERE gpu = ${quoteText(gpu)}` +
          ` AND owners IS NOT NULL AND ts >= cast(${Math.max(atUs, countsFromUs)} AS timestamp) AND ts < cast(${endUs} AS timestamp)`,
      );
      for (const [hourUs, jobId, owners, ownerSet, dtUs] of rows)
        hours.push({
          hourUs: Number(hourUs),
          jobId: typeof jobId === 'string' ? jobId : null,
          owners: Number(owners),
          ownerSet: typeof ownerSet === 'string' ? ownerSet : null,
          dtUs: Number(dtUs),
        });
    }
  }
  return hours.sort((a, b) => a.hourUs - b.hourUs);
}
