import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { HOUR_US } from '../../core/base/hour.ts';
import type { QuestDb } from '../http.ts';

export interface SampleTable {
  readonly name: string;
  /** Time of its oldest and its newest sample, epoch µs; Infinity and -Infinity without any. */
  readonly oldestUs: number;
  readonly newestUs: number;
  /** Length of a partition, µs. */
  readonly partitionUs: number;
}

/** @throws OperatingError `questdb.no_table`, and when the store does not answer */
export async function readSampleTable(db: QuestDb, name: string): Promise<SampleTable> {
  const extent = await db.exec(`SELECT cast(min(ts) AS LONG), cast(max(ts) AS LONG) FROM ${quoteName(name)}`);
  const table = await db.exec(`SELECT partitionBy FROM tables() WHERE table_name = ${quoteText(name)}`);
  const [oldestUs, newestUs] = extent.rows[0] ?? [];
  return {
    name,
    oldestUs: Number(oldestUs ?? Infinity),
    newestUs: Number(newestUs ?? -Infinity),
    partitionUs: table.rows[0]?.[0] === 'HOUR' ? HOUR_US : 24 * HOUR_US,
  };
}
