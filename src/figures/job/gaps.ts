import type { JobInterval, JobWindow } from './facts.ts';
import type { Gap } from './figures.ts';
import { askOwned } from '../owned-samples.ts';
import type { Asked } from '../query-cells.ts';

/** Two equal stamps of one device are set a microsecond apart, so a hole of that length is none. */
const TOLERANCE_US_MAX = 10;

/**
 * Owned time for which no sample speaks, in order of time. Before the first and after the last sample of an interval
 * up to one lane interval is no gap but the boundary's ±.
 */
export async function gapsOf(
  db: Asked,
  table: string,
  window: JobWindow,
  intervalUs: number,
): Promise<Gap[]> {
  const { intervals } = window;
  // One row per hole between two samples, and one per interval for its first and last sample.
  const holes = await askOwned(
    db,
    table,
    intervals,
    ({ from, where, span }) =>
      `WITH p AS (SELECT s.gpu AS gpu, ${span} AS span, s.ts AS ts, s.dt_us AS dt_us ${from} WHERE ${where}),` +
      ' l AS (SELECT gpu, span, ts, dt_us, lag(ts) OVER (PARTITION BY gpu, span ORDER BY ts) AS before_ts FROM p)' +
      ' SELECT gpu, cast(before_ts AS LONG) AS from_us, cast(ts AS LONG) - dt_us AS to_us FROM l' +
      ` WHERE cast(ts AS LONG) - dt_us - cast(before_ts AS LONG) > ${TOLERANCE_US_MAX} ORDER BY ts`,
  );
  const edges = await askOwned(
    db,
    table,
    intervals,
    ({ from, where, span }) =>
      `SELECT s.gpu AS gpu, ${span} AS span, cast(min(s.ts) AS LONG) AS first_us,` +
      ` cast(max(s.ts) AS LONG) AS last_us, arg_min(s.dt_us, s.ts) AS first_dt_us ${from} WHERE ${where}`,
  );
  const edgesOf = Map.groupBy(edges, (row) => row.text('gpu') ?? '');
  const gaps: Gap[] = holes.map((row) => ({
    gpu: row.text('gpu') ?? '',
    fromUs: row.number('from_us')!,
    toUs: row.number('to_us')!,
  }));
  for (const interval of intervals) {
    const isIn = (us: number): boolean => interval.startUs < us && us <= interval.endUs;
    const edge = edgesOf.get(interval.gpu)?.find((row) => isIn(row.number('first_us')!));
    if (edge === undefined) {
      pushLong(gaps, interval, interval.startUs, interval.endUs, intervalUs);
      continue;
    }
    const firstUs = edge.number('first_us')! - (edge.number('first_dt_us') ?? 0);
    pushLong(gaps, interval, interval.startUs, firstUs, intervalUs);
    pushLong(gaps, interval, edge.number('last_us')!, interval.endUs, intervalUs);
  }
  return gaps.sort((a, b) => a.fromUs - b.fromUs);
}

function pushLong(
  gaps: Gap[],
  { gpu }: JobInterval,
  fromUs: number,
  toUs: number,
  longerThanUs: number,
): void {
  if (toUs - fromUs > longerThanUs) gaps.push({ gpu, fromUs, toUs });
}
