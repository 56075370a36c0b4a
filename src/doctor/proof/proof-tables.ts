import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { createTableSql, quoteName, quoteText, sampleTable } from '../../../schemas/tables.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { strangeAnswer } from '../../questdb/failure.ts';
import type { QuestDb } from '../../questdb/http.ts';

/**
 * Tables of the proof's own, one a lane, with the columns of the lane's table and no rollups over them: QuestDB has no DELETE, and to
 * drop a partition of a real table would end its rollups. No report looks at them, and dropping them takes every row along.
 */
const PREFIX = 'doctor_proof_';
/** What is older was left by one that was killed. */
const LEFT_AFTER_MS = 3_600_000;
/** Epoch milliseconds, process, lane. */
const NAME = /^doctor_proof_(?<bornMs>\d{13})_(?<pid>\d+)_/;
const OWN_COLUMNS = ['ts', 'node', 'gpu', 'job_id', 'owner_set', 'dt_us'];

/** The job that the rows of a proof are of. @param pid of the doctor */
export function proofJobId(pid: number | string): string {
  return `gpuledger-doctor-${pid}`;
}

/**
 * The store's own time, epoch ms. Nodes differ in theirs: to one that is an hour ahead a table that another has just made would be
 * an old one.
 */
export async function storeNowMs(db: Pick<QuestDb, 'exec' | 'where'>): Promise<number> {
  const { rows } = await db.exec('SELECT now()');
  const nowMs = Math.floor(timestampUs(rows[0]?.[0]) / 1000);
  if (Number.isNaN(nowMs)) throw strangeAnswer(db.where, 'a time', JSON.stringify(rows[0]));
  return nowMs;
}

/** The same lanes with tables of the proof's own. @param bornMs by `storeNowMs` */
export function proofLanes(lanes: readonly Lane[], bornMs: number): Lane[] {
  const name = `${PREFIX}${bornMs}_${process.pid}`;
  return lanes.map((lane) => ({ ...lane, table: `${name}_${lane.name}` }));
}

export async function createProofTables(db: QuestDb, lanes: readonly Lane[]): Promise<void> {
  for (const lane of lanes) await db.exec(createTableSql(sampleTable(lane, { raw: '' })));
}

export async function dropProofTables(db: QuestDb, lanes: readonly Pick<Lane, 'table'>[]): Promise<void> {
  for (const { table } of lanes) await db.exec(`DROP TABLE IF EXISTS ${quoteName(table)}`);
}

/** What doctors before this one have left. @param nowMs by `storeNowMs` */
export async function dropLeftTables(db: QuestDb, nowMs: number): Promise<void> {
  const { rows } = await db.exec(`SELECT table_name FROM tables() WHERE table_name LIKE '${PREFIX}%'`);
  for (const name of rows.map(([table]) => String(table))) {
    const { bornMs = Infinity, pid = '' } = NAME.exec(name)?.groups ?? {};
    if (Number(bornMs) >= nowMs - LEFT_AFTER_MS) continue;
    if (await holdsOnlyProof(db, name, pid)) await dropProofTables(db, [{ table: name }]);
  }
}

/** Somebody else may have a table of such a name. */
async function holdsOnlyProof(db: QuestDb, table: string, pid: string): Promise<boolean> {
  const { rows: columns } = await db.exec(`SELECT "column" FROM table_columns(${quoteText(table)})`);
  const names = columns.map(([name]) => name);
  if (!OWN_COLUMNS.every((name) => names.includes(name))) return false;
  const { rows } = await db.exec(
    `SELECT count() FROM ${quoteName(table)} WHERE job_id IS NOT NULL AND job_id != ${quoteText(proofJobId(pid))}`,
  );
  return rows[0]?.[0] === 0;
}
