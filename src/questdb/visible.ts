import { setTimeout as sleep } from 'node:timers/promises';
import { OperatingError } from '../core/base/errors.ts';
import { timestampUs } from '../../schemas/questdb-reply.ts';
import { quoteName, type LaneTable } from '../../schemas/tables.ts';
import { histogramsOf, viewsOf, type View } from '../../schemas/views.ts';
import type { QuestDb } from './http.ts';

/** Waiting until what was acknowledged can be read: an acknowledgement says that the rows are in the log, not more. */
export interface WaitOptions {
  /** Default 60,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const WAIT_MS_DEFAULT = 60_000;
const POLL_MS = 50;
/**
 * A new view over rows that are there already computes them, but goes on calling itself `refreshing` until its next
 * refresh, which can be an hour away (9.3.4). Being asked to refresh settles it; what is computed does not change.
 */
const NUDGE_MS = 500;
const NO_RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };

interface WalState {
  readonly isSuspended: boolean;
  readonly writerTxn: number;
  readonly sequencerTxn: number;
  readonly reason: string;
}

interface ViewState {
  readonly status: string;
  readonly reason: string;
  readonly isLevel: boolean;
  readonly periodEndUs: number;
}

/** Waits until every row of `table` that was acknowledged before the call is seen by queries; later ones do not matter. */
export async function waitForVisible(db: QuestDb, table: string, options: WaitOptions = {}): Promise<void> {
  const states = await readWalStates(db);
  // Mostly nothing lags, and one question is enough.
  if (lagOfTable(states, table) === undefined) return;
  const target = states.get(table)?.sequencerTxn;
  await waitUntilNothingLags(db, options, async () => lagOfTable(await readWalStates(db), table, target));
}

/**
 * Waits until the samples of these lanes are visible and all rollups hold every period that ended at or before
 * `endUs`. The period in which `endUs` lies is not waited for unless it is long over: it is computed some seconds after its end.
 * @throws OperatingError `questdb.rollups_late` after the timeout, naming what is behind; `questdb.suspended` or
 * `questdb.view_invalid` at once, since waiting would not help
 */
export async function waitForRollups(
  db: QuestDb,
  lanes: readonly LaneTable[],
  endUs: number,
  options: WaitOptions = {},
): Promise<void> {
  const startMs = performance.now();
  const nudgedMs = new Map<string, number>();
  const nudge = async ({ name }: View): Promise<void> => {
    if (performance.now() < (nudgedMs.get(name) ?? startMs) + NUDGE_MS) return;
    nudgedMs.set(name, performance.now());
    await db.exec(`REFRESH MATERIALIZED VIEW ${quoteName(name)} INCREMENTAL`);
  };
  await waitUntilNothingLags(db, options, async () => {
    const wal = await readWalStates(db);
    const states = await readViewStates(db);
    // What a view has just computed lies in its log first: asked before, that would know nothing of it.
    const viewWal = await readWalStates(db);
    // Bottom up: a view that is level with a base that is itself behind says nothing.
    for (const lane of lanes) {
      const lag = lagOfTable(wal, lane.table);
      if (lag !== undefined) return lag;
      for (const views of chainsOf(lane)) {
        const firstUs = await firstSampleUs(db, lane.table, views[0]!.where);
        for (const view of views) {
          // A view that has nothing to hold yet is never `valid` and has no period.
          if (!(firstUs < lastPeriodEndUs(view, endUs))) continue;
          const viewLag = lagOfView(states, view, endUs) ?? lagOfTable(viewWal, view.name);
          if (viewLag === undefined) continue;
          if (states.get(view.name)?.status === 'refreshing') await nudge(view);
          return viewLag;
        }
      }
    }
    return undefined;
  });
}

/** Views each after the one that it reads, the first over the samples. */
function chainsOf(lane: LaneTable): readonly (readonly View[])[] {
  return [viewsOf(lane, NO_RETENTION), ...histogramsOf(lane, NO_RETENTION).map(({ views }) => views)];
}

/** Why QuestDB takes rows for these tables but shows none; only those that are suspended. */
export async function readSuspended(db: QuestDb, tables: readonly string[]): Promise<Map<string, string>> {
  const states = await readWalStates(db);
  return new Map(
    tables.flatMap((table) => {
      const state = states.get(table);
      return state?.isSuspended === true
        ? [[table, state.reason === '' ? 'no reason given' : state.reason] as const]
        : [];
    }),
  );
}

async function waitUntilNothingLags(
  db: QuestDb,
  { timeoutMs = WAIT_MS_DEFAULT, signal }: WaitOptions,
  lagNow: () => Promise<string | undefined>,
): Promise<void> {
  const startMs = performance.now();
  for (;;) {
    const lag = await lagNow();
    if (lag === undefined) return;
    if (performance.now() - startMs >= timeoutMs) {
      throw new OperatingError(
        `waited ${Math.round(timeoutMs / 1000)} s for QuestDB to show what it has: ${lag}`,
        {
          code: 'questdb.rollups_late',
          exit: 'temporary',
          where: db.where,
          hints: [
            'look at wal_tables() and materialized_views() on the server; the rows themselves are safe in its log',
          ],
        },
      );
    }
    await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

async function readWalStates(db: QuestDb): Promise<Map<string, WalState>> {
  const { rows } = await db.exec(
    'SELECT name, suspended, writerTxn, sequencerTxn, errorMessage FROM wal_tables()',
  );
  return new Map(
    rows.map(([name, suspended, writerTxn, sequencerTxn, reason]) => [
      String(name),
      {
        isSuspended: suspended === true,
        writerTxn: Number(writerTxn),
        sequencerTxn: Number(sequencerTxn),
        reason: typeof reason === 'string' ? reason : '',
      },
    ]),
  );
}

async function readViewStates(db: QuestDb): Promise<Map<string, ViewState>> {
  const { rows } = await db.exec(
    'SELECT view_name, view_status, invalidation_reason, refresh_base_table_txn, base_table_txn, refresh_period_hi FROM materialized_views()',
  );
  return new Map(
    rows.map(([name, status, reason, refreshedTxn, baseTxn, periodEnd]) => [
      String(name),
      {
        status: String(status),
        reason: typeof reason === 'string' ? reason : '',
        isLevel: refreshedTxn === baseTxn,
        periodEndUs: timestampUs(periodEnd),
      },
    ]),
  );
}

/** @param target the transaction to wait for; default: the newest */
function lagOfTable(
  states: ReadonlyMap<string, WalState>,
  table: string,
  target?: number,
): string | undefined {
  const state = states.get(table);
  if (state === undefined) {
    throw new OperatingError(`table ${table} does not exist`, {
      code: 'questdb.no_table',
      exit: 'unavailable',
      where: table,
      hints: ['create the tables: gpuledger schema apply'],
    });
  }
  if (state.isSuspended) {
    throw new OperatingError(
      `table ${table} is suspended: QuestDB takes rows for it but shows none (${state.reason})`,
      {
        code: 'questdb.suspended',
        exit: 'temporary',
        where: table,
        hints: [`mend the cause on the server, then: ALTER TABLE "${table}" RESUME WAL;`],
      },
    );
  }
  const lag = (target ?? state.sequencerTxn) - state.writerTxn;
  return lag <= 0 ? undefined : `${table} is ${lag} transactions behind`;
}

function lagOfView(states: ReadonlyMap<string, ViewState>, view: View, endUs: number): string | undefined {
  const state = states.get(view.name);
  // `materialized_views()` leaves a view out for a moment after it was made again under its old name.
  if (state === undefined) return `${view.name} does not exist`;
  if (state.status === 'invalid') {
    throw new OperatingError(`rollup ${view.name} is invalid (${state.reason})`, {
      code: 'questdb.view_invalid',
      exit: 'unavailable',
      where: view.name,
      hints: ['build it again: gpuledger schema apply'],
    });
  }
  if (state.status !== 'valid' || !state.isLevel) return `${view.name} is being computed`;
  return state.periodEndUs >= lastPeriodEndUs(view, endUs)
    ? undefined
    : `${view.name} waits for its period to close`;
}

/** Of a time that is long over the period in which it ends is computed, too. */
function lastPeriodEndUs({ everyUs }: View, endUs: number): number {
  const nextUs = Math.ceil(endUs / everyUs) * everyUs;
  return nextUs < Date.now() * 1000 - everyUs ? nextUs : Math.floor(endUs / everyUs) * everyUs;
}

/** The first sample that a view is over; NaN without any. */
async function firstSampleUs(db: QuestDb, table: string, where?: string): Promise<number> {
  const condition = where === undefined ? '' : ` WHERE ${where}`;
  const { rows } = await db.exec(`SELECT ts FROM ${quoteName(table)}${condition} LIMIT 1`);
  return timestampUs(rows[0]?.[0]);
}
