import type { Chart } from './charts.ts';
import type { Marks } from './time-axis.ts';

/** Digits that a screen can show. */
const DIGITS = 4;

/** Where the page's script finds what is drawn more closely than the whole of the job. */
export interface Closer {
  /** Parts of the job's time that stand in the page. */
  readonly windows: readonly object[];
  /** Where a server tells any other part, up to `from=`; undefined in a page that stands alone. */
  readonly url: string | undefined;
}

/** What the page's script draws: times in seconds since the epoch, null where nothing is known. */
export function chartData(
  charts: readonly Chart[],
  { fromUs, toUs, gaps, events }: Marks,
  { windows, url }: Closer,
): object {
  return {
    from: fromUs / 1e6,
    to: toUs / 1e6,
    gaps: gaps.map((gap) => [gap.fromUs / 1e6, gap.toUs / 1e6]),
    events: events.map(({ atUs, text }) => [atUs / 1e6, text]),
    charts: charts.map(chartOfBands),
    windows,
    url,
  };
}

export function chartOfBands({ id, unit, top, lines, areas, limit }: Chart): object {
  return {
    id,
    unit,
    top,
    limit: limit?.value,
    lines: lines.map(({ name, steps, values }) => ({
      name,
      from: steps.fromUs / 1e6,
      step: steps.stepUs / 1e6,
      values: rounded(values),
    })),
    areas: areas.map(({ of, steps, low, high }) => ({
      of,
      from: steps.fromUs / 1e6,
      step: steps.stepUs / 1e6,
      low: rounded(low),
      high: rounded(high),
    })),
  };
}

export function rounded(values: Float64Array): (number | null)[] {
  return Array.from(values, (value) => (Number.isNaN(value) ? null : Number(value.toPrecision(DIGITS))));
}
