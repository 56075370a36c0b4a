import { OperatingError } from '../../core/base/errors.ts';
import {
  allTables,
  createTableSql,
  quoteName,
  quoteText,
  SCHEMA_VERSION,
  type LaneTable,
  type Retention,
  type Table,
} from '../../../schemas/tables.ts';
import { normalTtl, normalTtlText } from '../../../schemas/ttl.ts';
import type { QuestDb } from '../http.ts';
import { waitForVisible } from '../visible.ts';
import { addColumn } from './add-column.ts';
import { MISPLACED_TIMESTAMP, misplacedTableOf, replaceMisplaced, takeOverMisplaced } from './misplaced.ts';
import { changeTtl } from './change-ttl.ts';
import type { SchemaChange } from './change.ts';
import { fillCluster } from './fill-cluster.ts';
import { applyViews, type ViewOptions } from './view-apply.ts';

const FIRST_VERSION_WITH_CLUSTER = 2;

interface ExistingTable {
  /** A rollup or another view, in the place of a table. */
  readonly isView: boolean;
  readonly timestamp: string | null;
  readonly isWal: boolean;
  readonly hasDedup: boolean;
  /** Hours or months, 0 for ever: the server rewrites `14 DAYS` as `2 WEEK`. */
  readonly ttl: string;
}

export interface SchemaOptions extends ViewOptions {
  /** Whose the rows are that were stored before tables had a column for it; absent: they stay without one. */
  readonly cluster?: string | undefined;
}

/**
 * Brings the tables and rollups of these lanes into being, or up to date. Doing it again changes nothing; collectors
 * may do it at the same time, and whoever is killed over it leaves nothing that the next one could not go on with. Columns
 * are added, never removed: another collector may write them.
 * @returns what was done, in order; empty when all stood already
 * @throws OperatingError `schema.column_type`, `schema.not_wal`, `schema.newer`, `schema.view_refused`,
 * `schema.copy_differs`, `schema.busy`, and those of `exec`
 */
export async function applySchema(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
  options: SchemaOptions = {},
): Promise<SchemaChange[]> {
  const existing = await readTables(db);
  const version = existing.has('gpuledger_schema') ? await readVersion(db) : 0;
  if (version > SCHEMA_VERSION) throw newerSchema(db.where, version);
  const changes: SchemaChange[] = [];
  for (const table of allTables(lanes, retention)) {
    const found = existing.get(table.name);
    const isMisplaced = found?.timestamp === MISPLACED_TIMESTAMP && options.movesAged === true;
    if (found?.isView === true) throw isView(db.where, table.name);
    if (isMisplaced) changes.push(...(await replaceMisplaced(db, table)));
    else if (found === undefined) {
      await db.exec(createTableSql(table));
      changes.push({ action: 'created', object: table.name, detail: 'table' });
    } else {
      const cluster = version < FIRST_VERSION_WITH_CLUSTER ? options.cluster : undefined;
      changes.push(...(await upgradeTable(db, table, found, cluster)));
    }
    const isAside = isMisplaced || existing.has(misplacedTableOf(table));
    if (isAside && options.movesAged === true) changes.push(await takeOverMisplaced(db, table));
  }
  changes.push(...(await applyViews(db, lanes, retention, options)));
  if (version < SCHEMA_VERSION) {
    await db.exec(`INSERT INTO gpuledger_schema (ts, version) VALUES (now(), ${SCHEMA_VERSION})`);
    await waitForVisible(db, 'gpuledger_schema');
  }
  return changes;
}

export async function readTables(db: QuestDb): Promise<Map<string, ExistingTable>> {
  const { rows } = await db.exec(
    'SELECT table_name, matView, designatedTimestamp, walEnabled, dedup, ttlValue, ttlUnit FROM tables()',
  );
  return new Map(
    rows.map(([name, isView, timestamp, isWal, hasDedup, ttlValue, ttlUnit]) => [
      String(name),
      {
        isView: isView === true,
        timestamp: timestamp as string | null,
        isWal: isWal === true,
        hasDedup: hasDedup === true,
        ttl: normalTtl(Number(ttlValue), String(ttlUnit)),
      },
    ]),
  );
}

async function readVersion(db: QuestDb): Promise<number> {
  const { rows } = await db.exec('SELECT max(version) FROM gpuledger_schema');
  return Number(rows[0]?.[0] ?? 0);
}

async function upgradeTable(
  db: QuestDb,
  table: Table,
  found: ExistingTable,
  cluster: string | undefined,
): Promise<SchemaChange[]> {
  const { rows } = await db.exec(
    `SELECT "column", type, upsertKey FROM table_columns(${quoteText(table.name)})`,
  );
  const types = new Map(rows.map(([name, type]) => [String(name), String(type)]));
  const foundKeys = rows.filter(([, , isKey]) => isKey === true).map(([name]) => String(name));
  const missing = table.columns.filter(({ name }) => !types.has(name));
  for (const { name, type } of table.columns) {
    const foundType = types.get(name);
    if (foundType !== undefined && foundType !== type)
      throw wrongType(db.where, table.name, name, type, foundType);
  }
  if (found.timestamp !== 'ts' || !found.isWal) throw notWal(db.where, table.name, found);
  const changes: SchemaChange[] = [];
  for (const column of missing) changes.push(...(await addColumn(db, table.name, column)));
  if (missing.length > 0) await waitForVisible(db, table.name);
  if (cluster !== undefined && found.hasDedup && !foundKeys.includes('cluster')) {
    const names = [...types.keys(), ...missing.map(({ name }) => name)];
    changes.push(...(await fillCluster(db, table.name, cluster, names)));
  }
  if (!isSameSet(foundKeys, table.upsertKeys)) {
    const keys = table.upsertKeys.map(quoteName).join(', ');
    await db.exec(`ALTER TABLE ${quoteName(table.name)} DEDUP ENABLE UPSERT KEYS(${keys})`);
    const action = found.hasDedup ? 'changed_keys' : 'enabled_dedup';
    changes.push({ action, object: table.name, detail: `keys ${keys}` });
  }
  if (found.ttl !== normalTtlText(table.ttl)) changes.push(await changeTtl(db, 'TABLE', table));
  // An ALTER goes through the log like rows do; a view over a new column can only be made once it is through.
  if (changes.length > 0) await waitForVisible(db, table.name);
  return changes;
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}

function wrongType(
  where: string,
  table: string,
  column: string,
  expected: string,
  found: string,
): OperatingError {
  return new OperatingError(`column ${column} of table ${table} should be ${expected} and is ${found}`, {
    code: 'schema.column_type',
    exit: 'config',
    where: `${where}, table ${table}, column ${column}`,
    hints: [
      `change it in place: ALTER TABLE ${quoteName(table)} ALTER COLUMN ${quoteName(column)} TYPE ${expected};`,
      'or rename the table, and gpuledger makes a new one beside it',
    ],
  });
}

function notWal(where: string, table: string, found: ExistingTable): OperatingError {
  const got =
    found.timestamp === 'ts'
      ? 'it is no WAL table'
      : `its timestamp is ${found.timestamp ?? 'not designated'}`;
  return new OperatingError(
    `table ${table} should be a WAL table with the designated timestamp ts, but ${got}`,
    {
      code: 'schema.not_wal',
      exit: 'config',
      where: `${where}, table ${table}`,
      hints: [
        found.timestamp === MISPLACED_TIMESTAMP
          ? 'the server has made it of its own accord: gpuledger schema apply makes the right one, with its rows'
          : 'rename that table, and gpuledger makes its own',
      ],
    },
  );
}

function isView(where: string, table: string): OperatingError {
  return new OperatingError(
    `${table} should be a table with samples, but a materialized view has that name`,
    {
      code: 'schema.not_wal',
      exit: 'config',
      where: `${where}, table ${table}`,
      hints: ['drop or rename that view, and gpuledger makes its own table'],
    },
  );
}

function newerSchema(where: string, version: number): OperatingError {
  return new OperatingError(
    `the tables have schema version ${version}, made by a newer gpuledger; this one knows version ${SCHEMA_VERSION}`,
    { code: 'schema.newer', exit: 'config', where, hints: ['use the newer gpuledger on this machine too'] },
  );
}
