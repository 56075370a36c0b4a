import type { Lane } from '../../core/fields/lane.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { agedTableOf, viewsOf } from '../../../schemas/views.ts';
import type { InvalidRollup } from './figures.ts';
import { ask, type Asked } from '../query-cells.ts';
import { isoMicroseconds, quoteTime } from '../sql-text.ts';

const MINUTE_US = 60e6;
const HOUR_US = 3600e6;
/** Longer windows are read from the hours: a week of minutes of a thousand GPUs has ten million rows. */
const MINUTES_WINDOW_US_MAX = 48 * HOUR_US;

/** A window in whole minutes or hours, outward from the one that was asked for. */
export interface CapacityWindow {
  readonly askedFromUs: number;
  readonly askedToUs: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly roundedTo: 'minute' | 'hour';
}

/** @throws OperatingError `report.window` (exit `usage`) when it is empty. */
export function capacityWindow(askedFromUs: number, askedToUs: number): CapacityWindow {
  if (!(askedFromUs < askedToUs))
    throw new OperatingError(
      `expected a window that begins before it ends, came ${isoMicroseconds(askedFromUs)} to ${isoMicroseconds(askedToUs)}`,
      {
        code: 'report.window',
        exit: 'usage',
        hints: ['--since 7d, or --from 2026-11-14 --to 2026-11-21 (UTC)'],
      },
    );
  const roundedTo = askedToUs - askedFromUs > MINUTES_WINDOW_US_MAX ? 'hour' : 'minute';
  const stepUs = roundedTo === 'hour' ? HOUR_US : MINUTE_US;
  return {
    askedFromUs,
    askedToUs,
    fromUs: Math.floor(askedFromUs / stepUs) * stepUs,
    toUs: Math.ceil(askedToUs / stepUs) * stepUs,
    roundedTo,
  };
}

/** A part of the window and the table or view that it is read from. */
export interface Segment {
  readonly table: string;
  readonly isRaw: boolean;
  /** A rollup that was made before there were clusters has no column for them until it is built again. */
  readonly hasCluster: boolean;
  /** A row at `ts` speaks of the samples of so much time from then on. */
  readonly stepUs: number;
  readonly fromUs: number;
  readonly toUs: number;
}

const NO_RETENTION = { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' };

/**
 * Cuts a window into what the hours hold, what the minutes hold, and the rest, which is so young that only the samples
 * hold it: a view computes its periods in order, some seconds after each has ended. Before each goes what was copied of it
 * when it was built again, since the samples of that time were gone.
 */
export async function segmentsOf(db: Asked, lane: Lane, window: CapacityWindow): Promise<Segment[]> {
  const [minutes, hours] = viewsOf(lane, NO_RETENTION);
  const segments: Segment[] = [];
  let fromUs = window.fromUs;
  const rollups = (window.roundedTo === 'hour' ? [hours, minutes] : [minutes]).flatMap((view) =>
    [agedTableOf(view), view.name].map((table) => ({ table, everyUs: view.everyUs })),
  );
  const columns = await columnsOf(db, [...rollups.map(({ table }) => table), lane.table]);
  for (const { table, everyUs } of rollups) {
    if (!columns.has(`${table} ts`)) continue;
    const rows = await ask(
      db,
      `SELECT cast(max(ts) AS LONG) AS last_us FROM ${quoteName(table)}` +
        ` WHERE ts >= ${quoteTime(fromUs)} AND ts < ${quoteTime(window.toUs)}`,
    );
    const lastUs = rows[0]?.number('last_us');
    if (lastUs === undefined) continue;
    const toUs = lastUs + everyUs;
    segments.push({
      table,
      isRaw: false,
      hasCluster: columns.has(`${table} cluster`),
      stepUs: everyUs,
      fromUs,
      toUs,
    });
    fromUs = toUs;
  }
  if (fromUs >= window.toUs) return segments;
  const hasCluster = columns.has(`${lane.table} cluster`);
  return [...segments, { table: lane.table, isRaw: true, hasCluster, stepUs: 1, fromUs, toUs: window.toUs }];
}

/** Which of these tables there are, as `TABLE ts`, and which of them know clusters, as `TABLE cluster`. */
async function columnsOf(db: Asked, tables: readonly string[]): Promise<Set<string>> {
  const rows = await ask(
    db,
    'SELECT table_name, column_name FROM information_schema.columns()' +
      ` WHERE column_name IN ('ts', 'cluster') AND table_name IN (${tables.map(quoteText).join(', ')})`,
  );
  return new Set(rows.map((row) => `${row.text('table_name') ?? ''} ${row.text('column_name') ?? ''}`));
}

/** Which of the segments' rollups the server has stopped keeping up to date. */
export async function invalidRollups(db: Asked, segments: readonly Segment[]): Promise<InvalidRollup[]> {
  const names = segments.filter(({ isRaw }) => !isRaw).map(({ table }) => quoteText(table));
  if (names.length === 0) return [];
  const rows = await ask(
    db,
    'SELECT view_name, invalidation_reason FROM materialized_views()' +
      ` WHERE view_status = 'invalid' AND view_name IN (${names.join(', ')})`,
  );
  return rows.map((row) => ({
    name: row.text('view_name') ?? '',
    reason: row.text('invalidation_reason'),
  }));
}
