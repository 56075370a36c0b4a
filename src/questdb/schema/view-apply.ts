import { setTimeout as sleep } from 'node:timers/promises';
import { OperatingError } from '../../core/base/errors.ts';
import { normalTtl, normalTtlText } from '../../../schemas/ttl.ts';
import { quoteName, quoteText, type LaneTable, type Retention } from '../../../schemas/tables.ts';
import {
  createViewSql,
  histogramsOf,
  viewHeadSql,
  viewSourceSql,
  viewsOf,
  viewsOver,
  type View,
  type ViewColumn,
} from '../../../schemas/views.ts';
import type { QuestDb } from '../http.ts';
import { agedUntil, completeAged, dropOverdue, keepAged, keepAgedDays } from './aged-buckets.ts';
import { changeTtl } from './change-ttl.ts';
import type { SchemaChange } from './change.ts';

export interface ViewOptions {
  /**
   * Keep buckets that are older than the samples when a rollup has to be built again: for one who waits for it, since that
   * copies them. Default: no, and such a rollup stays as it is.
   */
  readonly movesAged?: boolean;
  /** Hears how far that is. */
  readonly onProgress?: (words: string) => void;
}

const LISTED_WITHIN_MS = 5_000;
const LISTED_POLL_MS = 50;
/** Between its end and its new beginning a view is gone for as long as the server takes for some statements. */
const LOOK_AGAIN_MS = 500;
const LOOKS_MAX = 60;

interface ExistingView {
  readonly sql: string;
  readonly isInvalid: boolean;
  readonly reason: string;
  /** As `normalTtl` spells it. */
  readonly ttl: string;
}

/**
 * Brings the rollups into being, or up to date. A view cannot take on a key or a column: it is built again from the samples,
 * with the columns of both versions (another collector may have the other lanes). A view that is gone while it is looked at, or not
 * there for its rollup yet, is being built by somebody else: what there is then is looked at again.
 * @throws OperatingError `schema.busy`, and those of `applySchema`
 */
export async function applyViews(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
  options: ViewOptions,
): Promise<SchemaChange[]> {
  const changes: SchemaChange[] = [];
  for (let looks = 1; ; looks += 1) {
    try {
      await bringUpToDate(db, lanes, retention, options, changes);
      return changes;
    } catch (thrown) {
      if (!(thrown instanceof OperatingError) || !isInTheMaking(thrown)) throw thrown;
      if (looks === LOOKS_MAX) throw busy(db.where, thrown);
      await sleep(LOOK_AGAIN_MS);
    }
  }
}

/** What 9.3.4 says of a rollup over one that somebody else makes at that moment, seen with two at once. */
const BASE_UNREADY = 'base table is not referenced in materialized view query';

/** Whether somebody else is at work on what was looked at. */
function isInTheMaking({ code, message }: OperatingError): boolean {
  return code === 'questdb.no_table' || (code === 'questdb.query' && message.includes(BASE_UNREADY));
}

function busy(where: string, cause: OperatingError): OperatingError {
  return new OperatingError('another gpuledger is bringing the rollups up to date', {
    code: 'schema.busy',
    exit: 'temporary',
    where: `${where}, ${cause.where ?? ''}`,
    hints: ['once it is through, again: gpuledger schema apply'],
    cause,
  });
}

/** @param changes hears what was done, also when the rest fails */
async function bringUpToDate(
  db: QuestDb,
  lanes: readonly LaneTable[],
  retention: Retention,
  options: ViewOptions,
  changes: SchemaChange[],
): Promise<void> {
  const existing = await readViews(db);
  for (const chain of lanes.flatMap((lane) => chainsOf(lane, retention))) {
    const found = chain.views.map(({ name }) => existing.get(name));
    const isSound = chain.views.every(
      (view, index) => found[index] === undefined || isUpToDate(view, found[index]),
    );
    if (!isSound) changes.push(...(await rebuildViews(db, chain, found, options)));
    for (const [index, view] of chain.views.entries()) {
      if (found[index] === undefined && isSound) changes.push(await createView(db, view));
      const isRebuilt = changes.some(({ action, object }) => action === 'rebuilt' && object === view.name);
      const ttl = found[index]?.ttl;
      if (!isRebuilt && ttl !== undefined && ttl !== normalTtlText(view.ttl))
        changes.push(await changeTtl(db, 'MATERIALIZED VIEW', view));
      changes.push(...(await completeAged(db, view)));
    }
    if (options.movesAged !== true) continue;
    const [, hours, days] = chain.views;
    // Histograms have no third view: no older version kept any.
    if (hours !== undefined && days !== undefined)
      changes.push(...(await keepAgedDays(db, hours, days, options.onProgress ?? (() => undefined))));
    for (const view of chain.views) changes.push(...(await dropOverdue(db, view)));
  }
}

/** Views that are built again together, each after the one that it reads. */
interface Chain {
  /** The table with the samples. */
  readonly base: string;
  readonly views: readonly View[];
  /** The same with further aggregate columns in the first of them. */
  readonly withColumns: (columns: readonly ViewColumn[]) => readonly View[];
}

function chainsOf(lane: LaneTable, retention: Retention): Chain[] {
  const base = lane.table;
  const histograms = histogramsOf(lane, retention).map(({ views }) => views);
  return [
    {
      base,
      views: viewsOf(lane, retention),
      withColumns: (columns) => viewsOver(base, columns, retention),
    },
    ...histograms.map((views): Chain => ({ base, views, withColumns: () => views })),
  ];
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

/** A view that has more columns than are wanted is as good. */
function isUpToDate(view: View, found: ExistingView): boolean {
  if (found.isInvalid) return false;
  const columns = new Map(columnsOf(found.sql).map(({ name, expression }) => [name, expression]));
  return (
    found.sql.trim().startsWith(viewHeadSql(view)) &&
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
  chain: Chain,
  found: readonly (ExistingView | undefined)[],
  { movesAged = false, onProgress = () => undefined }: ViewOptions,
): Promise<SchemaChange[]> {
  const columns = await unionOfColumns(db, chain, found[0]);
  const views = chain.withColumns(columns);
  const former = views.filter((_, index) => found[index] !== undefined);
  const changes: SchemaChange[] = [];
  for (const view of former) {
    const untilUs = await agedUntil(db, chain.base, view);
    if (untilUs === undefined) continue;
    if (!movesAged) return views.map((each) => keptAsItIs(each, found[0], untilUs));
    changes.push(await keepAged(db, view, untilUs, onProgress));
  }
  for (const { name } of former.toReversed())
    await db.exec(`DROP MATERIALIZED VIEW IF EXISTS ${quoteName(name)}`);
  for (const view of views) await createView(db, view);
  const rebuilt = views.map(
    ({ name }) => ({ action: 'rebuilt', object: name, detail: `${columns.length} columns` }) as const,
  );
  return [...changes, ...rebuilt];
}

function keptAsItIs({ name }: View, minutes: ExistingView | undefined, untilUs: number): SchemaChange {
  const why =
    minutes?.isInvalid === true
      ? `is invalid (${minutes.reason})`
      : 'lacks keys or columns of this configuration';
  const until = new Date(untilUs / 1000).toISOString();
  const detail =
    `the rollup ${why}; gpuledger schema apply builds it again, and keeps` +
    ` its buckets before ${until}, whose samples are gone`;
  return { action: 'kept', object: name, detail };
}

async function unionOfColumns(
  db: QuestDb,
  { base, views }: Chain,
  first: ExistingView | undefined,
): Promise<ViewColumn[]> {
  const wanted = [...views[0]!.columns];
  const names = new Set(wanted.map(({ name }) => name));
  const { rows } = await db.exec(`SELECT "column" FROM table_columns(${quoteText(base)})`);
  const inTable = new Set(rows.map(([name]) => String(name)));
  const others = columnsOf(first?.sql ?? '').filter(({ name, expression }) => {
    const read = [...expression.matchAll(/"([^"]+)"/g)].map(([, column]) => column!);
    return !names.has(name) && read.every((column) => inTable.has(column));
  });
  return [...wanted, ...others];
}

async function createView(db: QuestDb, view: View): Promise<SchemaChange> {
  try {
    await db.exec(createViewSql(view));
  } catch (thrown) {
    if (!(thrown instanceof OperatingError) || thrown.code !== 'questdb.query') throw thrown;
    if (isInTheMaking(thrown)) throw thrown;
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
