import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { ENERGY_FIELD_ID } from '../../core/fields/well-known.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { Tell } from '../../core/base/notice.ts';
import type { RowBefore } from '../../core/ring/row-carry.ts';
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
/** Further back than this it is not asked how much of the time since a reading was seen: the rise then counts as one over a gap. */
const SEEN_SINCE_US_MAX = 60e6;
const VISIBLE_PATIENCE_MS = 3_000;
/** For each question about one node: sampling waits for the answers. */
const NODE_PATIENCE_MS = 3_000;

type Asked = Pick<QuestDb, 'exec'>;

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

/**
 * The same of the devices of one node, as far as they are seen now. Of a node that was silent for longer, what it had in the hours
 * before its newest row. A table that is not there yet has none.
 * @throws OperatingError also when the store does not answer in `NODE_PATIENCE_MS`
 */
export async function readNodeWatermarks(
  db: QuestDb,
  lane: LaneTable,
  node: string,
  nowUs: number,
): Promise<ReadonlyMap<string, RowBefore>> {
  const patient = { ...db, exec: (sql: string) => db.exec(sql, { timeoutMs: NODE_PATIENCE_MS }) };
  const isOfNode = `node = ${quoteText(node)}`;
  const since = (us: number): string =>
    `${isOfNode} AND ts > cast(${Math.floor(us - LOOKBACK_US)} AS timestamp)`;
  let rows: Map<string, RowBefore>;
  try {
    rows = await newestRows(patient, lane, since(nowUs));
  } catch (thrown) {
    if (thrown instanceof OperatingError && thrown.code === 'questdb.no_table') return new Map();
    throw thrown;
  }
  if (rows.size > 0) return rows;
  const newest = await patient.exec(`SELECT max(ts) FROM ${quoteName(lane.table)} WHERE ${isOfNode}`);
  const ts = newest.rows[0]?.[0];
  return typeof ts === 'string' ? await newestRows(patient, lane, since(timestampUs(ts))) : rows;
}

async function newestRows(db: Asked, lane: LaneTable, where: string): Promise<Map<string, RowBefore>> {
  const energy = lane.fields.find(({ id }) => id === ENERGY_FIELD_ID)?.column;
  const rows = await latestRows(db, lane.table, where, energy);
  const blank = [...rows].filter(([, { energyJoules }]) => Number.isNaN(energyJoules));
  if (energy === undefined || blank.length === 0) return rows;
  // Not looked for without end: many a table holds devices that have no such counter.
  const sinceUs = Math.min(...blank.map(([, { tsUs }]) => tsUs)) - LOOKBACK_US;
  const isKnown = `${where} AND ts > cast(${Math.floor(sinceUs)} AS timestamp) AND ${quoteName(energy)} IS NOT NULL`;
  const readings = await latestRows(db, lane.table, isKnown, energy);
  const seenUs = await seenSince(db, lane.table, isKnown, blank, readings);
  for (const [gpu, row] of blank) {
    const reading = readings.get(gpu);
    if (reading !== undefined) rows.set(gpu, { ...reading, tsUs: row.tsUs, seenUs: seenUs.get(gpu) ?? NaN });
  }
  return rows;
}

/** The newest row of each device that fulfils `where`, with the counter as it stands in it. */
async function latestRows(
  db: Asked,
  table: string,
  where: string,
  energy: string | undefined,
): Promise<Map<string, RowBefore>> {
  const columns = `gpu, ts${energy === undefined ? '' : `, ${quoteName(energy)}`}`;
  const { rows } = await db.exec(
    `SELECT ${columns} FROM ${quoteName(table)} WHERE ${where} LATEST ON ts PARTITION BY gpu`,
  );
  return new Map(
    rows.map(([gpu, ts, joules]) => {
      const tsUs = timestampUs(ts);
      const isKnown = typeof joules === 'number';
      return [
        String(gpu),
        { tsUs, energyJoules: isKnown ? joules : NaN, energyTsUs: isKnown ? tsUs : NaN, seenUs: 0 },
      ];
    }),
  );
}

/** Σ dt after the last known reading, µs, by device; less, or none, of devices whose reading is older than `SEEN_SINCE_US_MAX`. */
async function seenSince(
  db: Asked,
  table: string,
  isKnown: string,
  blank: readonly (readonly [string, RowBefore])[],
  readings: ReadonlyMap<string, RowBefore>,
): Promise<ReadonlyMap<string, number>> {
  const near = blank.flatMap(([gpu, { tsUs }]) => {
    const reading = readings.get(gpu)?.tsUs ?? -Infinity;
    return tsUs - reading <= SEEN_SINCE_US_MAX ? [reading] : [];
  });
  if (near.length === 0) return new Map();
  const { rows } = await db.exec(
    `SELECT s.gpu, sum(s.dt_us) FROM ${quoteName(table)} s JOIN (SELECT gpu, ts AS known_ts FROM ${quoteName(table)}` +
      ` WHERE ${isKnown} LATEST ON ts PARTITION BY gpu) k ON s.gpu = k.gpu` +
      ` WHERE s.ts > cast(${Math.min(...near)} AS timestamp) AND s.ts > k.known_ts`,
  );
  return new Map(rows.map(([gpu, sumUs]) => [String(gpu), Number(sumUs)]));
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
