import { allTables, type LaneTable, type Retention } from '../../../schemas/tables.ts';
import { normalTtlText } from '../../../schemas/ttl.ts';
import { histogramsOf, viewsOf } from '../../../schemas/views.ts';
import type { QuestDb } from '../http.ts';
import { readTables } from './apply.ts';

/** A table or rollup that is kept for another time than the configuration says. */
export interface OtherRetention {
  readonly name: string;
  /** As QuestDB spells it; undefined for ever. */
  readonly wanted: string | undefined;
}

/** @returns those of these lanes that are there and kept for another time */
export async function otherRetentions(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
): Promise<OtherRetention[]> {
  const existing = await readTables(db);
  const views = lanes.flatMap((lane) => [
    ...viewsOf(lane, retention),
    ...histogramsOf(lane, retention).flatMap((histogram) => histogram.views),
  ]);
  return [...allTables(lanes, retention), ...views].flatMap(({ name, ttl }) => {
    const found = existing.get(name)?.ttl;
    return found === undefined || found === normalTtlText(ttl) ? [] : [{ name, wanted: ttl }];
  });
}
