import { quoteText } from '../../schemas/tables.ts';
import type { Segment } from './levels.ts';
import { ask, type Asked } from './query-cells.ts';

/** A rollup that the server has stopped updating. */
export interface InvalidRollup {
  readonly name: string;
  /** As the server tells it, if it does. */
  readonly reason: string | undefined;
}

/** Which of these rollups the server has stopped keeping up to date. @throws what `ask` throws */
export async function invalidRollups(
  db: Asked,
  read: readonly Pick<Segment, 'level' | 'table'>[],
): Promise<InvalidRollup[]> {
  const tables = read.filter(({ level }) => level !== 'raw').map(({ table }) => table);
  const names = [...new Set(tables)].map(quoteText);
  if (names.length === 0) return [];
  const rows = await ask(
    db,
    'SELECT view_name, invalidation_reason FROM materialized_views()' +
      ` WHERE view_status = 'invalid' AND view_name IN (${names.join(', ')}) ORDER BY view_name`,
  );
  return rows.map((row) => ({
    name: row.text('view_name') ?? '',
    reason: row.text('invalidation_reason'),
  }));
}
