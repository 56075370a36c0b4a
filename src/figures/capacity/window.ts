import type { Lane } from '../../core/fields/lane.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { viewsOf } from '../../../schemas/views.ts';
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
  readonly fromUs: number;
  readonly toUs: number;
}

const NO_RETENTION = { raw: '', rollup1m: '', rollup1h: '' };

/**
 * Cuts a window into what the hours hold, what the minutes hold, and the rest, which is so young that only the samples
 * hold it: a view computes its periods in order, some seconds after each has ended.
 */
export async function segmentsOf(db: Asked, lane: Lane, window: CapacityWindow): Promise<Segment[]> {
  const [minutes, hours] = viewsOf(lane, NO_RETENTION);
  const segments: Segment[] = [];
  let fromUs = window.fromUs;
  for (const view of window.roundedTo === 'hour' ? [hours, minutes] : [minutes]) {
    const rows = await ask(
      db,
      `SELECT cast(max(ts) AS LONG) AS last_us FROM ${quoteName(view.name)}` +
        ` WHERE ts >= ${quoteTime(fromUs)} AND ts < ${quoteTime(window.toUs)}`,
    );
    const lastUs = rows[0]?.number('last_us');
    if (lastUs === undefined) continue;
    const toUs = lastUs + view.everyUs;
    segments.push({ table: view.name, isRaw: false, fromUs, toUs });
    fromUs = toUs;
  }
  if (fromUs < window.toUs) segments.push({ table: lane.table, isRaw: true, fromUs, toUs: window.toUs });
  return segments;
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
