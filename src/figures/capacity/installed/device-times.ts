import { quoteName } from '../../../../schemas/tables.ts';
import { withinSql, type Span } from '../../levels.ts';
import { ask, type Asked } from '../../query-cells.ts';
import { summandSql, TIME } from '../../summands.ts';
import type { KnownDevice } from '../devices.ts';
import type { CapacityPeriod } from '../figures.ts';
import { nextPeriodUs, periodName, periodSql, periodStartUs, type ZoneMonths } from '../periods.ts';
import { onlySql, type CapacitySource } from '../samples.ts';
import type { CapacityWindow } from '../window.ts';

/** Σ dt of a device, µs: all of it, and what nobody owned. */
export interface SeenTime {
  readonly allUs: number;
  readonly unownedUs: number;
}

/** Of a device and a period of the report. */
export function seenKey(gpu: string, period: string | undefined): string {
  return JSON.stringify([gpu, period]);
}

/** By what sums are asked for: a period of the report, hours, or all of the time together. */
export interface SeenBy {
  readonly period: CapacityPeriod | undefined;
  readonly months: ZoneMonths | undefined;
}

/**
 * What was seen of devices, by `seenKey`.
 * @param sources of the time that is asked about: those that decide time are read
 * @param only conditions on rows `s`: each chooses some of them, and none is chosen by two; all where there are none
 * @throws what `ask` throws
 */
export async function seenTimes(
  db: Asked,
  sources: readonly CapacitySource[],
  { period: every, months }: SeenBy,
  only: readonly string[] = ['true'],
): Promise<Map<string, SeenTime>> {
  const parts = sources
    .filter(({ isTime }) => isTime)
    .flatMap((source) =>
      source.segments.flatMap((segment) => {
        const at = every === undefined ? '' : `${periodSql(every, 's.ts', months)} AS period_us, `;
        const dtUs = summandSql(TIME, segment);
        const sums = `sum(${dtUs}) AS all_us, sum(CASE WHEN s.owners = 0 THEN ${dtUs} ELSE 0 END) AS unowned_us`;
        // One by one: of each the server reads its time alone.
        return only.map(
          (condition) =>
            `SELECT s.gpu AS gpu, ${at}${sums} FROM ${quoteName(segment.table)} s WHERE ${condition} AND ${withinSql(segment)}${onlySql(source, segment)}`,
        );
      }),
    );
  const seen = new Map<string, SeenTime>();
  if (parts.length === 0) return seen;
  const names = new Map<number, string>();
  const nameOf = (period: CapacityPeriod, startUs: number): string => {
    const name = names.get(startUs) ?? periodName(period, startUs, months);
    names.set(startUs, name);
    return name;
  };
  for (const row of await ask(db, parts.join(' UNION ALL '))) {
    const period = every && nameOf(every, row.number('period_us') ?? 0);
    const key = seenKey(row.text('gpu') ?? '', period);
    const { allUs, unownedUs } = seen.get(key) ?? { allUs: 0, unownedUs: 0 };
    seen.set(key, {
      allUs: allUs + (row.number('all_us') ?? 0),
      unownedUs: unownedUs + (row.number('unowned_us') ?? 0),
    });
  }
  return seen;
}

/** A period of a report, or all of its window. */
export interface NamedSpan extends Span {
  readonly name: string | undefined;
}

/** The periods of a window, ascending, cut at its ends. */
export function periodsIn(
  window: CapacityWindow,
  period: CapacityPeriod | undefined,
  months: ZoneMonths | undefined,
): NamedSpan[] {
  if (period === undefined) return [{ name: undefined, fromUs: window.fromUs, toUs: window.toUs }];
  const spans: NamedSpan[] = [];
  for (let atUs = periodStartUs(period, window.fromUs, months); atUs < window.toUs;) {
    const nextUs = nextPeriodUs(period, atUs, months);
    spans.push({
      name: periodName(period, atUs, months),
      fromUs: Math.max(atUs, window.fromUs),
      toUs: Math.min(nextUs, window.toUs),
    });
    atUs = nextUs;
  }
  return spans;
}

/** For how long a device was there within a span, µs. */
export function knownUsIn({ fromUs, toUs }: KnownDevice, span: Span): number {
  return Math.max(0, Math.min(toUs, span.toUs) - Math.max(fromUs, span.fromUs));
}
