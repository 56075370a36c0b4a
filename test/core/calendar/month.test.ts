/**
 * Goal: a bill is of the month that people at the site live in, also where clocks are set in it, and months follow each other without
 * a hole. Method: moments that were looked up in the tz database, and neighbours of every month in every zone of this Node.js.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isOfWholeHours,
  lastEndedMonth,
  monthAt,
  monthName,
  monthSpan,
  readMonth,
} from '../../../src/core/calendar/month.ts';
import { isTimeZone, timeZones } from '../../../src/core/calendar/time-zone.ts';

const iso = (us: number): string => new Date(us / 1000).toISOString();
const hoursIn = (text: string, zone: string): number => {
  const { fromUs, toUs } = monthSpan(readMonth(text)!, zone);
  return (toUs - fromUs) / 3600e6;
};

test.each([
  ['2026-10', 'UTC', '2026-10-01T00:00:00.000Z', '2026-11-01T00:00:00.000Z'],
  ['2026-12', 'UTC', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  ['2026-03', 'Europe/Berlin', '2026-02-28T23:00:00.000Z', '2026-03-31T22:00:00.000Z'],
  ['2026-10', 'Europe/Berlin', '2026-09-30T22:00:00.000Z', '2026-10-31T23:00:00.000Z'],
  ['2026-11', 'America/Los_Angeles', '2026-11-01T07:00:00.000Z', '2026-12-01T08:00:00.000Z'],
  ['2026-02', 'Asia/Kolkata', '2026-01-31T18:30:00.000Z', '2026-02-28T18:30:00.000Z'],
  // Both sides of the date line.
  ['2026-01', 'Pacific/Kiritimati', '2025-12-31T10:00:00.000Z', '2026-01-31T10:00:00.000Z'],
  ['2026-01', 'Pacific/Niue', '2026-01-01T11:00:00.000Z', '2026-02-01T11:00:00.000Z'],
  // Clocks of Paraguay went forward from 00:00 to 01:00 on 1 October 2017: the month begins with 01:00.
  ['2017-10', 'America/Asuncion', '2017-10-01T04:00:00.000Z', '2017-11-01T03:00:00.000Z'],
  // Samoa left the 30th of December 2011 out.
  ['2011-12', 'Pacific/Apia', '2011-12-01T10:00:00.000Z', '2011-12-31T10:00:00.000Z'],
  ['1970-01', 'UTC', '1970-01-01T00:00:00.000Z', '1970-02-01T00:00:00.000Z'],
])('%s in %s is from %s to %s', (text, zone, from, to) => {
  const { fromUs, toUs } = monthSpan(readMonth(text)!, zone);
  expect([iso(fromUs), iso(toUs)]).toEqual([from, to]);
});

test('months in which clocks are set have an hour more or less', () => {
  expect([hoursIn('2026-03', 'Europe/Berlin'), hoursIn('2026-10', 'Europe/Berlin')]).toEqual([743, 745]);
  expect([hoursIn('2026-03', 'UTC'), hoursIn('2026-10', 'UTC')]).toEqual([744, 744]);
  // Lord Howe sets its clocks by half an hour.
  expect([hoursIn('2026-04', 'Australia/Lord_Howe'), hoursIn('2026-10', 'Australia/Lord_Howe')]).toEqual([
    720.5, 743.5,
  ]);
});

test('edges that are no whole hours of UTC are told', () => {
  expect(isOfWholeHours(monthSpan(readMonth('2026-02')!, 'Asia/Kolkata'))).toBe(false);
  expect(isOfWholeHours(monthSpan(readMonth('2026-10')!, 'Europe/Berlin'))).toBe(true);
});

test('months of a zone have no hole between them, and a moment is in the month that its clocks show', () => {
  const zone = fc.constantFrom(...timeZones());
  const month = fc.record({
    year: fc.integer({ min: 1971, max: 2040 }),
    month: fc.integer({ min: 1, max: 12 }),
  });
  fc.assert(
    fc.property(
      zone,
      month,
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (name, one, at) => {
        const span = monthSpan(one, name);
        const next = monthSpan(
          one.month === 12 ? { year: one.year + 1, month: 1 } : { ...one, month: one.month + 1 },
          name,
        );
        expect(next.fromUs).toBe(span.toUs);
        const dayUs = 86_400e6;
        expect(span.toUs - span.fromUs).toBeGreaterThan(27 * dayUs);
        expect(span.toUs - span.fromUs).toBeLessThan(32 * dayUs);
        // Not within a day of an edge, around which clocks may show either month twice.
        const us = span.fromUs + dayUs + Math.floor(at * (span.toUs - span.fromUs - 2 * dayUs));
        expect(monthAt(us, name)).toEqual(one);
      },
    ),
    { numRuns: 500 },
  );
});

test.each(['2026-13', '2026-00', '2026-1', '26-10', '1969-12', '2026-10-01', 'October', '', '2026–10'])(
  '%j is no month',
  (text) => {
    expect(readMonth(text)).toBeUndefined();
  },
);

test('a month is named as it is read', () => {
  expect(monthName(readMonth('2026-03')!)).toBe('2026-03');
});

test('zones are those of the tz database, by any of their names, and no offsets', () => {
  expect(['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'Asia/Calcutta', 'US/Eastern'].map(isTimeZone)).toEqual(
    Array(5).fill(true),
  );
  expect(['', '+02:00', 'Europe/Berln', 'Mars/Olympus', '2'].map(isTimeZone)).toEqual(Array(5).fill(false));
  expect(timeZones().filter((zone) => !isTimeZone(zone))).toEqual([]);
});

test.each([
  ['2026-11-01T00:00:00Z', 'UTC', '2026-10'],
  ['2026-10-31T23:59:59Z', 'UTC', '2026-09'],
  ['2027-01-15T00:00:00Z', 'UTC', '2026-12'],
  // It is November there, and still October there.
  ['2026-10-31T23:00:00Z', 'Europe/Berlin', '2026-10'],
  ['2026-11-01T06:59:59Z', 'America/Los_Angeles', '2026-09'],
])('at %s in %s the last month that has ended is %s', (moment, zone, name) => {
  const us = Date.parse(moment) * 1000;
  const month = lastEndedMonth(us, zone);
  expect(monthName(month)).toBe(name);
  expect(monthSpan(month, zone).toUs).toBeLessThanOrEqual(us);
});
