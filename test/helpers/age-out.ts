import { quoteName, type LaneTable } from '../../schemas/tables.ts';
import { viewsOf } from '../../schemas/views.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

const NO_RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };

/** As if nothing of a lane's samples were left, nor of their rollups. */
export async function ageOutAll(db: QuestDb, lane: LaneTable): Promise<void> {
  await db.exec(`TRUNCATE TABLE ${quoteName(lane.table)}`);
  await waitForVisible(db, lane.table);
  for (const { name } of viewsOf(lane, NO_RETENTION).toReversed())
    await db.exec(`DROP MATERIALIZED VIEW ${quoteName(name)}`);
}
