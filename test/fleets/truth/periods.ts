import { DAY } from '../draw/fleet.ts';

/** Days, weeks and months in UTC, counted by hand, day by day. */

/** Which groups are times. */
export function isPeriod(by: string): by is Period {
  return by === 'day' || by === 'week' || by === 'month';
}

export type Period = 'day' | 'week' | 'month';

/** 1970-01-01 was a Thursday. */
function mondayOf(day: number): number {
  return day - ((day + 3) % 7);
}

/** `2026-W09`, an ISO week: it begins on a Monday, and is of the year in which its Thursday lies; or `2026-11`, or `2026-11-20`. */
export function periodOf(period: Period, us: number): string {
  const day = Math.floor(us / DAY);
  if (period === 'day') return dateOf(day);
  if (period === 'month') return dateOf(day).slice(0, 7);
  const thursday = mondayOf(day) + 3;
  const year = dateOf(thursday).slice(0, 4);
  let number = 1;
  while (dateOf(thursday - 7 * number).startsWith(year)) number += 1;
  return `${year}-W${number < 10 ? '0' : ''}${number}`;
}

function dateOf(day: number): string {
  return new Date((day * DAY) / 1000).toISOString().slice(0, 10);
}

/** All of them from that of `fromUs` to that of `toUs`. */
export function periodsBetween(period: Period, fromUs: number, toUs: number): string[] {
  const found = new Set<string>();
  for (let day = Math.floor(fromUs / DAY); day <= Math.floor(toUs / DAY); day += 1)
    found.add(periodOf(period, day * DAY));
  return [...found];
}
