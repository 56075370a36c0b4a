import type { Asked, Cells } from '../../query-cells.ts';
import { gaugeSummands, summandSql, type Summand } from '../../summands.ts';
import type { ActivityPlace } from '../rows/rhythm.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import type { HeatMap, HeatRow, Steps } from './figures.ts';
import { stepsIn } from './steps.ts';

const COLUMNS_MAX = 240;
/** Of more devices a row is less than a line on the screen: then there is one for each node. */
const ROWS_OF_DEVICES_MAX = 64;
/** So many of them are shown by name beside their nodes. */
const OUTLIERS_MAX = 8;
/** Less would be the noise of any device. */
const STRAY_MIN = 0.02;

/**
 * SM activity of each device over the time of a job, or of each node where there are many devices.
 * @param indexOf position of a device on its node, where the inventory knows it
 * @throws what `ask` throws
 */
export async function heatMapOf(
  db: Asked,
  { source, column, intervalUs }: ActivityPlace,
  summed: SummedJob,
  indexOf: (gpu: string) => number | undefined,
): Promise<HeatMap> {
  const { steps, places } = stepsIn(source, summed, COLUMNS_MAX, intervalUs);
  const [sum, known] = gaugeSummands('x', column) as [Summand, Summand];
  const rows = await askOwn(db, summed.job, places.groups, (segment) => ({
    keys: [`cast(cast(s.ts AS LONG) / ${steps.stepUs} AS LONG) AS step`],
    picks: [sum, known].map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`),
  }));
  const nodeOf = new Map(summed.window.intervals.map(({ gpu, node }) => [gpu, node]));
  const isOfNodes = nodeOf.size > ROWS_OF_DEVICES_MAX;
  const keyOf = (gpu: string): string => (isOfNodes ? (nodeOf.get(gpu) ?? '') : gpu);
  const cells = Map.groupBy(rows, (row) => keyOf(row.text('gpu') ?? ''));
  const devices = [...nodeOf].sort(
    ([a, nodeA], [b, nodeB]) =>
      nodeA.localeCompare(nodeB, 'en', { numeric: true }) ||
      (indexOf(a) ?? Infinity) - (indexOf(b) ?? Infinity) ||
      (a < b ? -1 : 1),
  );
  const keys = [...new Map(devices.map(([gpu, node]) => [keyOf(gpu), node]))];
  return {
    steps,
    rows: keys.map(([key, node]): HeatRow => ({
      node,
      gpu: isOfNodes ? undefined : key,
      ...meansOf(cells.get(key) ?? [], steps),
    })),
    outliers: isOfNodes ? outliersOf(rows, devices, steps) : [],
  };
}

/** A device among hundreds is no dot in the row of its node. */
function outliersOf(
  rows: readonly Cells[],
  devices: readonly (readonly [gpu: string, node: string])[],
  steps: Steps,
): HeatRow[] {
  const cells = Map.groupBy(rows, (row) => row.text('gpu') ?? '');
  const all = devices.map(([gpu, node]) => ({ node, gpu, ...meansOf(cells.get(gpu) ?? [], steps) }));
  const medians = Array.from({ length: steps.count }, (_, at) =>
    medianOf(all.map(({ means }) => means[at]!)),
  );
  const strays = all.map((row) => ({ row, stray: strayOf(row.means, medians) }));
  return strays
    .filter(({ stray }) => stray >= STRAY_MIN)
    .sort((a, b) => b.stray - a.stray)
    .slice(0, OUTLIERS_MAX)
    .map(({ row }) => row);
}

/** How far a device was from the others on the mean of the steps in which it was seen. */
function strayOf(means: Float64Array, medians: readonly number[]): number {
  const strays = [...means].flatMap((mean, at) =>
    Number.isNaN(mean) || Number.isNaN(medians[at]) ? [] : [Math.abs(mean - medians[at]!)],
  );
  return strays.length === 0 ? 0 : strays.reduce((sum, stray) => sum + stray, 0) / strays.length;
}

/** NaN where nothing is known. @param values NaN for what is not known */
export function medianOf(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)] ?? NaN;
}

function meansOf(
  rows: readonly Cells[],
  { fromUs, stepUs, count }: Steps,
): Pick<HeatRow, 'means' | 'knownUs'> {
  const [sums, knownUs] = [new Float64Array(count), new Float64Array(count)];
  for (const row of rows) {
    const at = row.number('step')! - Math.floor(fromUs / stepUs);
    // A bucket of a rollup may begin before the job does.
    if (at < 0 || at >= count) continue;
    sums[at]! += row.number('x_sum') ?? 0;
    knownUs[at]! += row.number('x_us') ?? 0;
  }
  return { means: sums.map((sum, at) => sum / knownUs[at]!), knownUs };
}
