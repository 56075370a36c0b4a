import { STEP_US } from '../levels.ts';
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
  month: 28 * DAY_US,
} as const satisfies Record<CapacityPeriod, number>;

/** When the hour, day, week or month of a time begins, epoch µs, UTC. */
export function periodSql(period: CapacityPeriod, ts: string): string {
  return `cast(date_trunc('${period}', ${ts}) AS LONG)`;
}

/** When the n-th period after that of a time begins. */
export function laterPeriodSql(period: CapacityPeriod, ts: string, n: string): string {
  return `cast(dateadd('${UNITS[period]}', cast(${n} AS INT), date_trunc('${period}', ${ts})) AS LONG)`;
}

/** How many periods later than its first one a stay may reach: of the longest, or more. @param stopUs epoch µs */
export function laterPeriodsSql(period: CapacityPeriod, startTs: string, stopUs: string): string {
  return `max((${stopUs} - ${periodSql(period, startTs)}) / ${SHORTEST_US[period]})`;
}

/** The same as `periodSql`. */
export function periodStartUs(period: CapacityPeriod, us: number): number {
  const date = new Date(Math.floor(us / 1000));
  if (period === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth()) * 1000;
  if (period === 'hour') return Math.floor(us / HOUR_US) * HOUR_US;
  const dayUs = Math.floor(us / DAY_US) * DAY_US;
  return period === 'day' ? dayUs : dayUs - ((date.getUTCDay() + 6) % 7) * DAY_US;
}

/** `2026-11`; `2026-11-20`; `2026-11-20T09`; `2026-W09`, an ISO week: it is of the year in which its Thursday lies. @param startUs of the period */
export function periodName(period: CapacityPeriod, startUs: number): string {
  const start = new Date(startUs / 1000);
  if (period === 'month') return start.toISOString().slice(0, 7);
  if (period === 'day') return start.toISOString().slice(0, 10);
  if (period === 'hour') return start.toISOString().slice(0, 13);
  const thursday = new Date(start.getTime() + 3 * 86_400_000);
  const year = thursday.getUTCFullYear();
  const days = (thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000;
  return `${year}-W${String(Math.floor(days / 7) + 1).padStart(2, '0')}`;
}
