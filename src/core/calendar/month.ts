import { HOUR_US } from '../base/hour.ts';

/** A month of the Gregorian calendar. */
export interface Month {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
}

/** From the first moment of a month to that of the next, epoch µs. */
export interface MonthSpan {
  readonly fromUs: number;
  readonly toUs: number;
}

/** No clock is so far from UTC. */
const OFFSET_HOURS_MAX = 16;

/** Of `2026-10`, from 1970 on; undefined of anything else. */
export function readMonth(text: string): Month | undefined {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
  return year === undefined || month === undefined || Number(year) < 1970
    ? undefined
    : { year: Number(year), month: Number(month) };
}

/** `2026-10`. */
export function monthName({ year, month }: Month): string {
  return `${year}-${String(month).padStart(2, '0')}`;
}

/**
 * A month by the clocks of a time zone. Months of one zone follow each other without a hole. Where clocks are set back at midnight of
 * the first day, so that there are two, the month begins with the first; where they are set forward over it, at that moment.
 * @param zone a name for which `isTimeZone` holds
 */
export function monthSpan({ year, month }: Month, zone: string): MonthSpan {
  const clock = clockOf(zone);
  return {
    fromUs: beginningUs(Date.UTC(year, month - 1), clock),
    toUs: beginningUs(Date.UTC(year, month), clock),
  };
}

/** In which month of a time zone a moment is. */
export function monthAt(us: number, zone: string): Month {
  const local = new Date(clockOf(zone)(Math.floor(us / 1e6)) * 1000);
  return { year: local.getUTCFullYear(), month: local.getUTCMonth() + 1 };
}

/** The last month that has ended at a moment, by the clocks of a time zone. */
export function lastEndedMonth(us: number, zone: string): Month {
  const { year, month } = monthAt(us, zone);
  return month === 1 ? { year: year - 1, month: 12 } : { year, month: month - 1 };
}

/** Whether both edges are whole hours of UTC, as the buckets of rollups are. */
export function isOfWholeHours({ fromUs, toUs }: MonthSpan): boolean {
  return fromUs % HOUR_US === 0 && toUs % HOUR_US === 0;
}

/** What the clocks show at a moment, as if they were in UTC. Both in seconds. */
type Clock = (second: number) => number;

const clocks = new Map<string, Clock>();

function clockOf(zone: string): Clock {
  const known = clocks.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  const clock: Clock = (second) => {
    const shown = new Map(
      format.formatToParts(second * 1000).map(({ type, value }) => [type, Number(value)]),
    );
    const of = (type: Intl.DateTimeFormatPartTypes): number => shown.get(type)!;
    return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) / 1000;
  };
  clocks.set(zone, clock);
  return clock;
}

/** The first moment at which the clocks show so much or more. @param wantedMs as if they were in UTC */
function beginningUs(wantedMs: number, clock: Clock): number {
  const wanted = wantedMs / 1000;
  // Before it the clocks show less; an hour after it they show more.
  let after = wanted - OFFSET_HOURS_MAX * 3600;
  while (clock(after) < wanted) after += 3600;
  let before = after - 3600;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (clock(middle) < wanted) before = middle;
    else after = middle;
  }
  return after * 1e6;
}
