import { quoteName } from '../../schemas/tables.ts';
import type { Span } from './levels.ts';
import { ask, type Asked } from './query-cells.ts';

/**
 * The part of a span in which rows of a table begin: a window that reaches back to before there was anything is not gone through in
 * portions of nothing. Of no length where there are none. @throws what `ask` throws
 */
export async function timesOfTable(db: Asked, table: string, { fromUs, toUs }: Span): Promise<Span> {
  const [row] = await ask(
    db,
    `SELECT cast(min(ts) AS LONG) AS first_us, cast(max(ts) AS LONG) AS last_us FROM ${quoteName(table)}`,
  );
  const [firstUs, lastUs] = [row?.number('first_us'), row?.number('last_us')];
  if (firstUs === undefined || lastUs === undefined) return { fromUs, toUs: fromUs };
  return { fromUs: Math.max(fromUs, firstUs), toUs: Math.min(toUs, lastUs + 1) };
}
