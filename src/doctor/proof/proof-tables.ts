import { createTableSql, quoteName, sampleTable } from '../../../schemas/tables.ts';
import type { Lane } from '../../core/fields/lane.ts';
import type { QuestDb } from '../../questdb/http.ts';

/**
 * Tables of the proof's own, one a lane, with the columns of the lane's table and no rollups over them: QuestDB has no DELETE, and to
 * drop a partition of a real table would end its rollups. No report looks at them, and dropping them takes every row along.
 */
const PREFIX = 'doctor_proof_';
/** What is older was left by one that was killed. */
const LEFT_AFTER_MS = 3_600_000;

/** The same lanes with tables of the proof's own. */
export function proofLanes(lanes: readonly Lane[]): Lane[] {
  const name = `${PREFIX}${Date.now()}_${process.pid}`;
  return lanes.map((lane) => ({ ...lane, table: `${name}_${lane.name}` }));
}

export async function createProofTables(db: QuestDb, lanes: readonly Lane[]): Promise<void> {
  for (const lane of lanes) await db.exec(createTableSql(sampleTable(lane, { raw: '' })));
}

export async function dropProofTables(db: QuestDb, lanes: readonly Pick<Lane, 'table'>[]): Promise<void> {
  for (const { table } of lanes) await db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
}

/** What doctors before this one have left. */
export async function dropLeftTables(db: QuestDb): Promise<void> {
  const { rows } = await db.exec(`SELECT table_name FROM tables() WHERE table_name LIKE '${PREFIX}%'`);
  const left = rows.map(([name]) => String(name)).filter((name) => bornMs(name) < Date.now() - LEFT_AFTER_MS);
  await dropProofTables(
    db,
    left.map((table) => ({ table })),
  );
}

/** When a table of a proof was made, by its name; NaN of any other. */
function bornMs(table: string): number {
  return Number(/^doctor_proof_(\d+)_\d+_/.exec(table)?.[1] ?? NaN);
}
