import { monthAt, monthName, monthSpan } from '../../core/calendar/month.ts';
import { STEP_US, type Span } from '../levels.ts';
import { quoteTime } from '../sql-text.ts';
import type { CapacityPeriod } from './figures.ts';

const HOUR_US = STEP_US['1h'];
const DAY_US = STEP_US['1d'];
const UNITS = { hour: 'h', day: 'd', week: 'w', month: 'M' } as const satisfies Record<
  CapacityPeriod,
  string
>;
/** No period is shorter: a stay reaches into no more of them than its length tells. */
const SHORTEST_US = {
  hour: HOUR_US,
  day: DAY_US,
  week: 7 * DAY_US,
  month: 28 * DAY_US - HOUR_US,
} as const satisfies Record<CapacityPeriod, number>;

/** Months by the clocks of a zone that is not UTC. All other periods are of UTC. */
export interface ZoneMonths {
  readonly zone: string;
  /** Those that reach into a window, ascending, epoch µs. */
  readonly startsUs: readonly number[];
}

const UTC = 'UTC';

/** @returns undefined where periods are of UTC */
export function zoneMonths(
  period: CapacityPeriod | undefined,
  zone: string,
  { fromUs, toUs }: Span,
): ZoneMonths | undefined {
  if (period !== 'month' || zone === UTC) return undefined;
  const startsUs: number[] = [];
  for (let atUs = fromUs; atUs < toUs;) {
    const span = monthSpan(monthAt(atUs, zone), zone);
    startsUs.push(span.fromUs);
    atUs = span.toUs;
  }
  return { zone, startsUs };
}

/** When the hour, day, week or month of a time begins, epoch µs. @param months of the window in which the time is */
export function periodSql(period: CapacityPeriod, ts: string, months: ZoneMonths | undefined): string {
  if (months === undefined) return `cast(date_trunc('${period}', ${ts}) AS LONG)`;
  const [first = 0, ...later] = months.startsUs;
  if (later.length === 0) return `cast(${first} AS LONG)`;
  const cases = later.map((us, at) => `WHEN ${ts} < ${quoteTime(us)} THEN ${[first, ...later][at]!}`);
  return `CASE ${cases.join(' ')} ELSE ${later.at(-1)!} END`;
}

/**
 * Periods that rows `o` with a `start_ts` may reach into, by rows `k` that each of them is joined with: `fromSql` makes these, `startUs` is when one
 * begins. Months of a zone are each told once, also those before a row: the question travels in a URL, where not much more has room.
 * @param most as many after the first one of a row are looked at
 */
export function laterPeriods(
  period: CapacityPeriod,
  most: number,
  months: ZoneMonths | undefined,
): Record<'fromSql' | 'startUs', string> {
  if (months === undefined)
    return {
      fromSql: `(SELECT x AS n FROM long_sequence(${most})) k`,
      startUs: laterSql(period, 'o.start_ts', 'cast(k.n AS INT)'),
    };
  const starts = months.startsUs.map((us) => `SELECT ${us} AS start_us FROM long_sequence(1)`);
  return { fromSql: `(${starts.join(' UNION ALL ')}) k`, startUs: 'k.start_us' };
}

/** When the period after that of a time begins. */
export function nextPeriodSql(period: CapacityPeriod, ts: string, months: ZoneMonths | undefined): string {
  if (months === undefined) return laterSql(period, ts, '1');
  const { zone, startsUs } = months;
  const afterUs = monthSpan(monthAt(startsUs.at(-1)!, zone), zone).toUs;
  const [, ...later] = startsUs;
  if (later.length === 0) return `cast(${afterUs} AS LONG)`;
  return `CASE ${later.map((us) => `WHEN ${ts} < ${quoteTime(us)} THEN ${us}`).join(' ')} ELSE ${afterUs} END`;
}

function laterSql(period: CapacityPeriod, ts: string, n: string): string {
  return `cast(dateadd('${UNITS[period]}', ${n}, date_trunc('${period}', ${ts})) AS LONG)`;
}

/** How many periods later than its first one a stay may reach: of the longest, or more. @param stopUs epoch µs */
export function laterPeriodsSql(
  period: CapacityPeriod,
  startTs: string,
  stopUs: string,
  months: ZoneMonths | undefined,
): string {
  return `max((${stopUs} - ${periodSql(period, startTs, months)}) / ${SHORTEST_US[period]})`;
}

/** The same as `periodSql`. */
export function periodStartUs(period: CapacityPeriod, us: number, months?: ZoneMonths): number {
  if (months !== undefined) return monthSpan(monthAt(us, months.zone), months.zone).fromUs;
  const date = new Date(Math.floor(us / 1000));
  if (period === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) * 1000;
  if (period === 'hour') return Math.floor(us / HOUR_US) * HOUR_US;
  const dayUs = Math.floor(us / DAY_US) * DAY_US;
  return period === 'day' ? dayUs : dayUs - ((date.getUTCDay() + 6) % 7) * DAY_US;
}

/** When the period after it begins. @param startUs of a period */
export function nextPeriodUs(period: CapacityPeriod, startUs: number, months?: ZoneMonths): number {
  if (months !== undefined) return monthSpan(monthAt(startUs, months.zone), months.zone).toUs;
  // A step that ends in the next one, wherever this one ends.
  const step = { hour: HOUR_US, day: DAY_US, week: 7 * DAY_US, month: 31 * DAY_US }[period];
  return periodStartUs(period, startUs + step);
}

/** `2026-11`; `2026-11-20`; `2026-11-20T09`; `2026-W09`, an ISO week: it is of the year in which its Thursday lies. @param startUs of the period */
export function periodName(period: CapacityPeriod, startUs: number, months?: ZoneMonths): string {
  if (months !== undefined) return monthName(monthAt(startUs, months.zone));
  const start = new Date(startUs / 1000);
  if (period === 'month') return start.toISOString().slice(0, 7);
  if (period === 'day') return start.toISOString().slice(0, 10);
  if (period === 'hour') return start.toISOString().slice(0, 13);
  const thursday = new Date(start.getTime() + 3 * 86_400_000);
  const year = thursday.getUTCFullYear();
  const days = (thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000;
  return `${year}-W${String(Math.floor(days / 7) + 1).padStart(2, '0')}`;
}
