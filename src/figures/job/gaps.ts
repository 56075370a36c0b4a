import type { JobInterval, JobWindow } from './facts.ts';
import type { Gap } from './figures.ts';
import { ownedSamples } from '../owned-samples.ts';
import { ask, type Asked } from '../query-cells.ts';

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
  const { head, tail } = ownedSamples(table, window);
  // One row per hole between two samples, and one per interval for its first and last sample.
  const holes = await ask(
    db,
    `${head}, p AS (SELECT s.gpu AS gpu, o.start_ts AS start_ts, s.ts AS ts, s.dt_us AS dt_us ${tail}),` +
      ' l AS (SELECT gpu, start_ts, ts, dt_us, lag(ts) OVER (PARTITION BY gpu, start_ts ORDER BY ts) AS before_ts FROM p)' +
      ' SELECT gpu, cast(before_ts AS LONG) AS from_us, cast(ts AS LONG) - dt_us AS to_us FROM l' +
      ` WHERE cast(ts AS LONG) - dt_us - cast(before_ts AS LONG) > ${TOLERANCE_US_MAX} ORDER BY ts`,
  );
  const edges = await ask(
    db,
    `${head} SELECT s.gpu AS gpu, cast(o.start_ts AS LONG) AS start_us, cast(min(s.ts) AS LONG) AS first_us,` +
      ` cast(max(s.ts) AS LONG) AS last_us, arg_min(s.dt_us, s.ts) AS first_dt_us ${tail} GROUP BY gpu, start_us`,
  );
  const edgeOf = new Map(
    edges.map((row) => [`${row.text('gpu') ?? ''} ${row.number('start_us') ?? 0}`, row]),
  );
  const gaps: Gap[] = holes.map((row) => ({
    gpu: row.text('gpu') ?? '',
    fromUs: row.number('from_us')!,
    toUs: row.number('to_us')!,
  }));
  for (const interval of window.intervals) {
    const edge = edgeOf.get(`${interval.gpu} ${interval.startUs}`);
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
