import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { quoteText } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';

/** A spell of throttling that began before a drain goes on. */
export interface OpenThrottle {
  readonly gpu: string;
  readonly code: number;
  readonly sinceUs: number;
}

const LONGEST_US = 7 * 24 * 3600 * 1e6;

/** Spells of these devices that began before `atUs` (epoch µs) and had not ended by then, as far as the store knows. */
export async function readOpenThrottles(
  db: QuestDb,
  gpus: readonly string[],
  atUs: number,
): Promise<OpenThrottle[]> {
  if (gpus.length === 0) return [];
  const at = `cast(${Math.floor(atUs)} AS timestamp)`;
  const { rows } = await db.exec(
    `SELECT gpu, code, ts FROM gpu_events WHERE kind = 'throttle' AND gpu IN (${gpus.map(quoteText).join(', ')})` +
      ` AND ts > cast(${Math.floor(atUs - LONGEST_US)} AS timestamp) AND ts <= ${at}` +
      ` AND (end_ts IS NULL OR end_ts > ${at})`,
  );
  return rows.map(([gpu, code, ts]) => ({
    gpu: String(gpu),
    code: Number(code),
    sinceUs: timestampUs(ts),
  }));
}
