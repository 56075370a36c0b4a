import { quoteName } from '../../../../schemas/tables.ts';
import { GAUGE_KEYS, type GaugeKey } from '../../gauges.ts';
import type { Segment } from '../../levels.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { gaugeSummands, summandSql } from '../../summands.ts';
import { askOwn, type Question } from '../rows/ask-labelled.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import type { Band, Steps } from './figures.ts';
import { stepsIn } from './steps.ts';

/** A band that is being gathered. */
interface Gathered extends Band {
  readonly sum: Float64Array;
  readonly knownUs: Float64Array;
}

/**
 * The levels of a job, step by step, of all its devices together. Of devices that are shared no one's mean is the job's.
 * @throws what `ask` throws
 */
export async function bandsOf(
  db: Asked,
  sources: readonly JobSource[],
  summed: Omit<SummedJob, 'sums'>,
  { boundaryUs, countMax }: { readonly boundaryUs: number; readonly countMax: number },
): Promise<Band[]> {
  const isShared = summed.job.label.sets.size > 0;
  const read = sources
    .filter(({ gauges }) => gauges.length > 0)
    .map(async (source) => {
      const intervalUs = source === sources[0] ? boundaryUs : source.lane.intervalMs * 1000;
      const { steps, places } = stepsIn(source, summed, countMax, intervalUs);
      const rows = await askOwn(db, summed.job, places.groups, questionOf(source, steps, isShared));
      return { source, steps, rows };
    });
  const bands = new Map<GaugeKey, Gathered>();
  for (const { source, steps, rows } of await Promise.all(read))
    source.gauges.forEach(([key], index) => {
      // Of a gauge of several lanes that of the first is drawn, in its steps.
      const band = bands.get(key) ?? emptyBand(key, steps);
      bands.set(key, band);
      if (band.steps.stepUs === steps.stepUs) for (const row of rows) gather(band, row, index, !isShared);
    });
  for (const { mean, sum, knownUs } of bands.values())
    for (let at = 0; at < mean.length; at += 1) mean[at] = sum[at]! / knownUs[at]!;
  return GAUGE_KEYS.flatMap((key) => {
    const band = bands.get(key);
    return band?.mean.some((value) => !Number.isNaN(value)) === true ? [bandOf(band)] : [];
  });
}

/** First by device, so that means of devices can be told beside each other. */
function questionOf(
  { gauges }: JobSource,
  { stepUs }: Steps,
  isShared: boolean,
): (segment: Segment) => Question {
  return (segment) => {
    const isRaw = segment.level === 'raw';
    const end = (column: string, which: 'min' | 'max'): string => {
      const name = isRaw ? column : `${column}_${which}`;
      return segment.columns.has(name) ? `s.${quoteName(name)}` : 'cast(null AS DOUBLE)';
    };
    const picks = gauges.flatMap(([, column], index) => [
      `min(${end(column, 'min')}) AS min_${index}`,
      `max(${end(column, 'max')}) AS max_${index}`,
      ...gaugeSummands(`x${index}`, column).map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`),
    ]);
    const keys = [`cast(cast(s.ts AS LONG) / ${stepUs} AS LONG) AS step`];
    if (isShared) return { isPooled: true, keys, picks };
    const pooled = gauges.flatMap((_, index) => {
      const mean = `CASE WHEN x${index}_us > 0 THEN x${index}_sum / x${index}_us END`;
      return [
        `min(min_${index}) AS min_${index}`,
        `max(max_${index}) AS max_${index}`,
        `sum(x${index}_sum) AS x${index}_sum`,
        `sum(x${index}_us) AS x${index}_us`,
        `min(${mean}) AS low_${index}`,
        `max(${mean}) AS high_${index}`,
      ];
    });
    return { keys, picks, over: { keys: ['step'], picks: pooled } };
  };
}

function emptyBand(key: GaugeKey, steps: Steps): Gathered {
  const { count } = steps;
  const unknown = (): Float64Array => new Float64Array(count).fill(NaN);
  return {
    ...{ key, steps },
    ...{ min: unknown(), max: unknown(), mean: unknown(), low: unknown(), high: unknown() },
    ...{ sum: new Float64Array(count), knownUs: new Float64Array(count) },
  };
}

function bandOf({ key, steps, min, max, mean, low, high }: Gathered): Band {
  return { key, steps, min, max, mean, low, high };
}

function gather(band: Gathered, row: Cells, index: number, isOfDevices: boolean): void {
  const { fromUs, stepUs, count } = band.steps;
  const at = row.number('step')! - Math.floor(fromUs / stepUs);
  // A bucket of a rollup may begin before the job does.
  if (at < 0 || at >= count) return;
  band.sum[at]! += row.number(`x${index}_sum`) ?? 0;
  band.knownUs[at]! += row.number(`x${index}_us`) ?? 0;
  const keep = (of: Float64Array, name: string, better: (a: number, b: number) => number): void => {
    const value = row.number(name);
    if (value !== undefined) of[at] = Number.isNaN(of[at]) ? value : better(of[at]!, value);
  };
  keep(band.min, `min_${index}`, Math.min);
  keep(band.max, `max_${index}`, Math.max);
  if (!isOfDevices) return;
  keep(band.low, `low_${index}`, Math.min);
  keep(band.high, `high_${index}`, Math.max);
}
