import type { QuestDb } from '../../src/questdb/http.ts';

/** A question that takes the server hours. @param name tells it from those of other tests */
export function heavyQuery(name: string): string {
  return `SELECT sum(heavy_${name}.x * b.x) FROM long_sequence(10000000) heavy_${name} CROSS JOIN long_sequence(1000000) b`;
}

/** How many queries of `heavyQuery(name)` the server is at. */
export async function queriesUnderWay(db: QuestDb, name: string): Promise<number> {
  const { rows } = await db.exec('SELECT query FROM query_activity()');
  return rows.filter(([query]) => String(query).startsWith(`SELECT sum(heavy_${name}.`)).length;
}
