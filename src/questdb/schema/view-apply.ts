import { setTimeout as sleep } from 'node:timers/promises';
import { OperatingError } from '../../core/base/errors.ts';
import { timestampUs } from '../../../schemas/questdb-reply.ts';
import { normalTtl, normalTtlText } from '../../../schemas/ttl.ts';
import { quoteName, quoteText, type LaneTable, type Retention } from '../../../schemas/tables.ts';
import {
  createViewSql,
  viewSourceSql,
  viewsOf,
  viewsOver,
  type View,
  type ViewColumn,
} from '../../../schemas/views.ts';
import type { QuestDb } from '../http.ts';
import type { SchemaChange } from './change.ts';

export interface ViewOptions {
  /** Rebuild rollups even where that loses buckets that are older than the samples. Default: no. */
  readonly rebuildRollups?: boolean;
}

const LISTED_WITHIN_MS = 5_000;
const LISTED_POLL_MS = 50;

interface ExistingView {
  readonly sql: string;
  readonly isInvalid: boolean;
  readonly reason: string;
  /** As `normalTtl` spells it. */
  readonly ttl: string;
}

/**
 * Brings the rollups into being, or up to date. A view cannot take on a column: it is built again from the samples,
 * with the columns of both versions (another collector may have the other lanes). That loses the buckets of the time
 * that the samples no longer cover, so then the old view stays until somebody asks for it.
 */
export async function applyViews(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
  options: ViewOptions,
): Promise<SchemaChange[]> {
  const existing = await readViews(db);
  const changes: SchemaChange[] = [];
  for (const lane of lanes) {
    const wanted = viewsOf(lane, retention);
    const found = wanted.map(({ name }) => existing.get(name));
    if (found.every((view) => view === undefined)) {
      for (const view of wanted) changes.push(await createView(db, view));
    } else if (wanted.some((view, index) => !isUpToDate(view, found[index]))) {
      changes.push(...(await rebuildViews(db, lane, retention, found[0], options)));
    }
    const isRebuilt = changes.some(({ action, object }) => action === 'rebuilt' && object === wanted[0].name);
    if (isRebuilt) continue;
    for (const [index, view] of wanted.entries()) {
      const ttl = found[index]?.ttl;
      if (ttl !== undefined && ttl !== normalTtlText(view.ttl)) changes.push(await changeTtl(db, view));
    }
  }
  return changes;
}

/** A view that was just made again can be in `tables()` and not yet in `materialized_views()`: it is waited for. */
async function readViews(db: QuestDb): Promise<Map<string, ExistingView>> {
  const endMs = performance.now() + LISTED_WITHIN_MS;
  for (;;) {
    const { rows } = await db.exec(
      'SELECT table_name, view_sql, view_status, invalidation_reason, ttlValue, ttlUnit ' +
        'FROM tables() LEFT JOIN materialized_views() ON view_name = table_name WHERE matView',
    );
    const listed = rows.filter(([, sql]) => typeof sql === 'string');
    if (listed.length === rows.length || performance.now() > endMs) return viewsFrom(listed);
    await sleep(LISTED_POLL_MS);
  }
}

function viewsFrom(rows: readonly (readonly unknown[])[]): Map<string, ExistingView> {
  return new Map(
    rows.map(([name, sql, status, reason, ttlValue, ttlUnit]) => [
      String(name),
      {
        sql: String(sql),
        isInvalid: status === 'invalid',
        reason: typeof reason === 'string' ? reason : '',
        ttl: normalTtl(Number(ttlValue), String(ttlUnit)),
      },
    ]),
  );
}

/** A TTL that is no multiple of the view's partitions is refused; the view keeps the one that it has. */
async function changeTtl(db: QuestDb, { name, ttl }: View): Promise<SchemaChange> {
  try {
    await db.exec(`ALTER MATERIALIZED VIEW ${quoteName(name)} SET TTL ${ttl ?? '0 DAYS'}`);
    return { action: 'changed_ttl', object: name, detail: ttl ?? 'kept for ever' };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || thrown.code !== 'questdb.query') throw thrown;
    return {
      action: 'kept',
      object: name,
      detail: `its retention cannot become ${ttl ?? 'endless'}: ${thrown.message}`,
    };
  }
}

/** A view that has more columns than are wanted is as good. */
function isUpToDate(view: View, found: ExistingView | undefined): boolean {
  if (found === undefined || found.isInvalid) return false;
  const columns = new Map(columnsOf(found.sql).map(({ name, expression }) => [name, expression]));
  return (
    view.columns.every(({ name, expression }) => columns.get(name) === expression) &&
    found.sql.trim().endsWith(viewSourceSql(view))
  );
}

/** Aggregate columns of a view of ours, read back from its text: no expression of `views.ts` holds a comma. */
function columnsOf(sql: string): ViewColumn[] {
  return [...sql.matchAll(/(?:^|, )([^,]+) AS "([^"]+)"/g)].map(([, expression, name]) => ({
    expression: expression!.trim(),
    name: name!,
  }));
}

async function rebuildViews(
  db: QuestDb,
  lane: LaneTable,
  retention: Retention,
  minutes: ExistingView | undefined,
  { rebuildRollups = false }: ViewOptions,
): Promise<SchemaChange[]> {
  const columns = await unionOfColumns(db, lane, retention, minutes);
  const views = viewsOver(lane.table, columns, retention);
  const lostBeforeUs = rebuildRollups ? undefined : await firstLostBucket(db, lane.table, views);
  if (lostBeforeUs !== undefined) {
    const since = new Date(lostBeforeUs / 1000).toISOString();
    const why =
      minutes?.isInvalid === true ? `are invalid (${minutes.reason})` : 'lack columns of this configuration';
    const detail =
      `the rollups ${why}; building them again loses what is older than the samples (since ${since}): ` +
      'gpuledger schema apply --rebuild-rollups';
    return views.map(({ name }) => ({ action: 'kept', object: name, detail }));
  }
  for (const { name } of views.toReversed())
    await db.exec(`DROP MATERIALIZED VIEW IF EXISTS ${quoteName(name)}`);
  for (const view of views) await createView(db, view);
  return views.map(({ name }) => ({ action: 'rebuilt', object: name, detail: `${columns.length} columns` }));
}

async function unionOfColumns(
  db: QuestDb,
  lane: LaneTable,
  retention: Retention,
  minutes: ExistingView | undefined,
): Promise<ViewColumn[]> {
  const wanted = [...viewsOf(lane, retention)[0].columns];
  const names = new Set(wanted.map(({ name }) => name));
  const { rows } = await db.exec(`SELECT "column" FROM table_columns(${quoteText(lane.table)})`);
  const inTable = new Set(rows.map(([name]) => String(name)));
  const others = columnsOf(minutes?.sql ?? '').filter(({ name, expression }) => {
    const read = [...expression.matchAll(/"([^"]+)"/g)].map(([, column]) => column!);
    return !names.has(name) && read.every((column) => inTable.has(column));
  });
  return [...wanted, ...others];
}

/** Time of the oldest bucket that the samples cannot give again; undefined when they can give all. */
async function firstLostBucket(
  db: QuestDb,
  base: string,
  views: readonly View[],
): Promise<number | undefined> {
  const oldestUs = async (table: string): Promise<number> => {
    const { rows } = await db.exec(`SELECT min(ts) FROM ${quoteName(table)}`);
    return timestampUs(rows[0]?.[0]);
  };
  const firstSampleUs = await oldestUs(base);
  for (const view of views.toReversed()) {
    const found = await db.exec(
      `SELECT view_name FROM materialized_views() WHERE view_name = ${quoteText(view.name)}`,
    );
    const firstBucketUs = found.rows.length === 0 ? NaN : await oldestUs(view.name);
    const firstAgainUs = Math.floor(firstSampleUs / view.everyUs) * view.everyUs;
    // A table without samples (NaN) can give nothing again.
    if (!Number.isNaN(firstBucketUs) && !(firstBucketUs >= firstAgainUs)) return firstBucketUs;
  }
  return undefined;
}

async function createView(db: QuestDb, view: View): Promise<SchemaChange> {
  try {
    await db.exec(createViewSql(view));
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || thrown.code !== 'questdb.query') throw thrown;
    throw new OperatingError(`this QuestDB refuses the rollup ${view.name}: ${thrown.message}`, {
      code: 'schema.view_refused',
      exit: 'unavailable',
      where: `${db.where}, ${thrown.where ?? ''}`,
      hints: [
        'the rollups are tested with QuestDB 9.3.4: gpuledger questdb start runs that one',
        'fleet reports need them; job reports read the samples and would work without',
      ],
      cause: thrown,
    });
  }
  return { action: 'created', object: view.name, detail: `rollup of ${view.every}` };
}
