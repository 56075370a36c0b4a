import { quoteName } from '../../../../schemas/tables.ts';
import { withinSql } from '../../levels.ts';
import { ask, type Asked } from '../../query-cells.ts';
import { summandSql, TIME } from '../../summands.ts';
import type { KnownDevice } from '../devices.ts';
import type { CapacityPeriod } from '../figures.ts';
import { periodName, periodSql, periodStartUs } from '../periods.ts';
import { onlySql, type CapacitySource } from '../samples.ts';
import type { CapacityWindow } from '../window.ts';

/** What of the time of a device in a period nobody saw, in GPUs × µs. */
export interface UnseenTime {
  readonly device: KnownDevice;
  /** Undefined where rows are of the whole window. */
  readonly period: string | undefined;
  readonly us: number;
}

/**
 * The time in which devices were there and nobody sampled them.
 * @param sources as they are read for the sums: those that decide time are
 * @throws what `ask` throws
 */
export async function unseenTimes(
  db: Asked,
  devices: readonly KnownDevice[],
  sources: readonly CapacitySource[],
  window: CapacityWindow,
  period: CapacityPeriod | undefined,
): Promise<UnseenTime[]> {
  const seenUs = await seenTimes(db, sources, period);
  return devices
    .filter(({ weight }) => weight > 0)
    .flatMap((device) =>
      periodsOf(device, window, period).flatMap(({ name, us }) => {
        const seen = seenUs.get(keyOf(device.gpu, name)) ?? 0;
        return seen < us ? [{ device, period: name, us: (us - seen) * device.weight }] : [];
      }),
    );
}

/** Σ dt by device and period, whoever owned it. */
async function seenTimes(
  db: Asked,
  sources: readonly CapacitySource[],
  period: CapacityPeriod | undefined,
): Promise<Map<string, number>> {
  const parts = sources
    .filter(({ isTime }) => isTime)
    .flatMap((source) =>
      source.segments.map((segment) => {
        const at = period === undefined ? '' : `${periodSql(period, 's.ts')} AS period_us, `;
        const dtUs = summandSql(TIME, segment);
        return `SELECT s.gpu AS gpu, ${at}sum(${dtUs}) AS dt_us FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)}${onlySql(source, segment)}`;
      }),
    );
  const seen = new Map<string, number>();
  if (parts.length === 0) return seen;
  for (const row of await ask(db, parts.join(' UNION ALL '))) {
    const name = period && periodName(period, row.number('period_us') ?? 0);
    const key = keyOf(row.text('gpu') ?? '', name);
    seen.set(key, (seen.get(key) ?? 0) + (row.number('dt_us') ?? 0));
  }
  return seen;
}

function keyOf(gpu: string, period: string | undefined): string {
  return JSON.stringify([gpu, period]);
}

/** For how long a device was there in each period of the window. */
function periodsOf(
  { fromUs, toUs }: KnownDevice,
  window: CapacityWindow,
  period: CapacityPeriod | undefined,
): { name: string | undefined; us: number }[] {
  if (period === undefined) return [{ name: undefined, us: toUs - fromUs }];
  return periodStarts(window, period).flatMap((startUs, at, starts) => {
    const endUs = starts[at + 1] ?? window.toUs;
    const us = Math.min(toUs, endUs) - Math.max(fromUs, startUs);
    return us > 0 ? [{ name: periodName(period, startUs), us }] : [];
  });
}

const PERIOD_US_MAX = { hour: 3600e6, day: 86_400e6, week: 7 * 86_400e6, month: 31 * 86_400e6 } as const;

/** When the periods of a window begin, ascending. */
function periodStarts({ fromUs, toUs }: CapacityWindow, period: CapacityPeriod): number[] {
  const starts: number[] = [];
  for (let atUs = periodStartUs(period, fromUs); atUs < toUs;) {
    starts.push(atUs);
    // A step that ends in the next period, wherever this one ends.
    atUs = periodStartUs(period, atUs + PERIOD_US_MAX[period]);
  }
  return starts;
}
