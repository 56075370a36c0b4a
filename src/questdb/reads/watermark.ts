import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { ENERGY_FIELD_ID } from '../../core/fields/well-known.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import type { RowBefore } from '../../core/ring/pulled-rows.ts';
import { quoteName, quoteText, type LaneTable } from '../../../schemas/tables.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';

/** Where each device of a lane goes on from: the newest row that the store has of it. */
export interface Watermarks {
  /** By device UUID. A device that is not in it has no row in the time that was looked at. */
  readonly rows: ReadonlyMap<string, RowBefore>;
  /**
   * Why there may be rows that are acknowledged and not seen yet, so that nothing may be called a gap; undefined when
   * everything is seen.
   */
  readonly behind: string | undefined;
}

/** The newest row of every device is looked for in so much time at first; for those that are silent longer, everywhere. */
const LOOKBACK_US = 2 * 3600 * 1e6;
const VISIBLE_PATIENCE_MS = 3_000;

/** What a table has of every device of the fleet, in one query. */
export async function readWatermarks(
  db: QuestDb,
  lane: LaneTable,
  nowUs: number,
  tell: Tell,
): Promise<Watermarks> {
  const behind = await lagOf(db, lane.table, tell);
  const fromUs = Math.floor(nowUs - LOOKBACK_US);
  return { rows: await newestRows(db, lane, `ts > cast(${fromUs} AS timestamp)`), behind };
}

/** The same for devices that were silent for longer. */
export async function readOldWatermarks(
  db: QuestDb,
  lane: LaneTable,
  gpus: readonly string[],
): Promise<ReadonlyMap<string, RowBefore>> {
  if (gpus.length === 0) return new Map();
  return await newestRows(db, lane, `gpu IN (${gpus.map(quoteText).join(', ')})`);
}

async function newestRows(db: QuestDb, lane: LaneTable, where: string): Promise<Map<string, RowBefore>> {
  const energy = lane.fields.find(({ id }) => id === ENERGY_FIELD_ID)?.column;
  const columns = `gpu, ts${energy === undefined ? '' : `, ${quoteName(energy)}`}`;
  const { rows } = await db.exec(
    `SELECT ${columns} FROM ${quoteName(lane.table)} WHERE ${where} LATEST ON ts PARTITION BY gpu`,
  );
  return new Map(
    rows.map(([gpu, ts, joules]) => [
      String(gpu),
      { tsUs: timestampUs(ts), energyJoules: typeof joules === 'number' ? joules : NaN },
    ]),
  );
}

/** Waits a moment for what was acknowledged to be seen. A table that is suspended still takes rows, and shows none. */
async function lagOf(db: QuestDb, table: string, tell: Tell): Promise<string | undefined> {
  try {
    await waitForVisible(db, table, { timeoutMs: VISIBLE_PATIENCE_MS });
    return undefined;
  } catch (thrown) {
    const isLag =
      thrown instanceof OperatingError &&
      (thrown.code === 'questdb.suspended' || thrown.code === 'questdb.rollups_late');
    if (!isLag) throw thrown;
    const hint = thrown.hints[0] === undefined ? '' : `; ${thrown.hints[0]}`;
    tell({ level: 'warn', code: 'drain.behind', sentence: `${thrown.message}${hint}`, data: { table } });
    return thrown.message;
  }
}
