import { quoteName } from '../../../../schemas/tables.ts';
import { HISTOGRAM_BAR_WIDTHS } from '../../../core/fields/well-known.ts';
import { GAUGES, type GaugeKey } from '../../gauges.ts';
import type { KeptLane } from '../../levels.ts';
import { rankedValues } from './ranked-values.ts';
import type { Asked } from '../../query-cells.ts';
import { askOwn } from './ask-labelled.ts';
import type { JobSegments, LabelledJob } from './job-segments.ts';
import type { GaugeSums, JobSums } from './scan.ts';

/** Median and 95th percentile of a gauge, in its unit. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  /** They are the middle of bars so wide; undefined where they are exact. */
  readonly barWidth: number | undefined;
}

/** Of all devices pooled, and of each, by gauge. */
export interface JobPercentiles {
  readonly all: ReadonlyMap<GaugeKey, Percentiles>;
  readonly devices: ReadonlyMap<string, ReadonlyMap<GaugeKey, Percentiles>>;
}

export const NO_PERCENTILES: JobPercentiles = { all: new Map(), devices: new Map() };

/** A gauge of which percentiles are told, and where its histograms are; of several tables it is pooled. */
export interface RankedGauge {
  readonly key: GaugeKey;
  readonly column: string;
  /** The samples and, over them, the histograms of this gauge. */
  readonly kept: KeptLane;
  /** Where the job's rows are read in them. */
  readonly places: JobSegments;
}

/**
 * The percentiles of a job: by dt, so that half of the known time lies at or below the median. By bars, of the histograms and of
 * samples that are too young for those; all devices pooled exactly where all of its samples are left and not too many.
 * @param samplesIn where those are; undefined where they are too many
 */
export async function percentilesOf(
  db: Asked,
  job: LabelledJob,
  sums: JobSums,
  gauges: readonly RankedGauge[],
  samplesIn: ((kept: KeptLane) => JobSegments) | undefined,
): Promise<JobPercentiles> {
  const all = new Map<GaugeKey, Percentiles>();
  const devices = new Map<string, Map<GaugeKey, Percentiles>>();
  const ofGauge = async (key: GaugeKey, places: readonly RankedGauge[]): Promise<void> => {
    const known = sums.all.gauges.get(key);
    if (known === undefined || known.knownUs === 0) return;
    const samples = samplesIn && places.map(({ kept, column }) => ({ places: samplesIn(kept), column }));
    const [bars, exact] = await Promise.all([
      barsOf(db, job, places),
      samples && rankedValues(db, job, samples, known, [0.5, 0.95]),
    ]);
    for (const [gpu, own] of bars) {
      const ranked = rankedInBars(own, sums.devices.get(gpu)?.gauges.get(key), barWidthOf(key));
      if (ranked !== undefined)
        devices.set(gpu, (devices.get(gpu) ?? new Map<GaugeKey, Percentiles>()).set(key, ranked));
    }
    const ranked =
      samples === undefined
        ? rankedInBars(pooled([...bars.values()]), known, barWidthOf(key))
        : exact && { p50: exact[0]!, p95: exact[1]!, barWidth: undefined };
    if (ranked !== undefined) all.set(key, ranked);
  };
  const byKey = Map.groupBy(gauges, (gauge) => gauge.key);
  await Promise.all([...byKey].map(([key, places]) => ofGauge(key, places)));
  return { all, devices };
}

function barWidthOf(key: GaugeKey): number {
  return HISTOGRAM_BAR_WIDTHS.get(GAUGES[key].fieldId)!;
}

/** Σ dt by bar. */
type Bars = ReadonlyMap<number, number>;

/** By device. */
async function barsOf(
  db: Asked,
  job: LabelledJob,
  gauges: readonly RankedGauge[],
): Promise<Map<string, Map<number, number>>> {
  const bars = new Map<string, Map<number, number>>();
  for (const gauge of gauges) await addBars(db, job, gauge, bars);
  return bars;
}

async function addBars(
  db: Asked,
  job: LabelledJob,
  { key, column, places }: RankedGauge,
  bars: Map<string, Map<number, number>>,
): Promise<void> {
  const x = `s.${quoteName(column)}`;
  const width = barWidthOf(key);
  // As the views make it, or the bars of young samples were others.
  const ofSample = `cast(${width < 1 ? `${x} * ${Math.round(1 / width)}` : `${x} / ${width}`} AS LONG)`;
  const rows = await askOwn(db, job, places.groups, ({ level }) => ({
    keys: [`${level === 'raw' ? ofSample : 's.bar'} AS bar`],
    picks: ['sum(s.dt_us) AS dt_us'],
    ...(level === 'raw' ? { where: `${x} IS NOT NULL` } : {}),
  }));
  for (const row of rows) {
    const gpu = row.text('gpu') ?? '';
    const own = bars.get(gpu) ?? new Map<number, number>();
    bars.set(gpu, own);
    const bar = row.number('bar') ?? 0;
    own.set(bar, (own.get(bar) ?? 0) + (row.number('dt_us') ?? 0));
  }
}

function pooled(devices: readonly Bars[]): Bars {
  const all = new Map<number, number>();
  for (const [bar, dtUs] of devices.flatMap((own) => [...own])) all.set(bar, (all.get(bar) ?? 0) + dtUs);
  return all;
}

/** The middle of the bar that holds the rank, never beyond what was measured; undefined when no sample speaks for any time. */
function rankedInBars(bars: Bars, known: GaugeSums | undefined, barWidth: number): Percentiles | undefined {
  const ascending = [...bars].sort(([a], [b]) => a - b);
  const totalUs = ascending.reduce((sum, [, dtUs]) => sum + dtUs, 0);
  if (totalUs === 0 || known === undefined) return undefined;
  const ranked = (rank: number): number => {
    let untilUs = 0;
    const [bar] = ascending.find(([, dtUs]) => (untilUs += dtUs) >= rank * totalUs) ?? ascending.at(-1)!;
    const middle = (bar + 0.5) * barWidth;
    const { min, max } = known;
    return Math.min(max, Number.isNaN(min) ? middle : Math.max(min, middle));
  };
  return { p50: ranked(0.5), p95: ranked(0.95), barWidth };
}
