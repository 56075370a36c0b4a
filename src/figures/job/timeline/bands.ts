import { quoteName } from '../../../../schemas/tables.ts';
import { GAUGE_KEYS, type GaugeKey } from '../../gauges.ts';
import type { Segment } from '../../levels.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { gaugeSummands, summandSql } from '../../summands.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import type { Band, DeviceBand, Steps } from './figures.ts';
import { stepsIn } from './steps.ts';

/** Gauges that are drawn with areas: those that stand first in a chart. Of the others a line is drawn, and no extremes of devices. */
const WITH_AREAS: ReadonlySet<GaugeKey> = new Set([
  ...(['smActive', 'engineActive', 'gpuUtil', 'power'] as const),
  ...(['memoryUsed', 'nvlinkSent', 'pcieSent'] as const),
]);
/** Means of single devices that the server finds in a fraction of a second: of 16 devices in 1,440 steps some. */
const DEVICE_STEPS_MAX = 100_000;

type Summed = Omit<SummedJob, 'sums'>;

interface HowFine {
  /** Of the first lane, µs. */
  readonly boundaryUs: number;
  /** Steps at most. */
  readonly countMax: number;
}

/**
 * The levels of a job, step by step, of all its devices together.
 * @throws what `ask` throws
 */
export async function bandsOf(
  db: Asked,
  sources: readonly JobSource[],
  summed: Summed,
  { boundaryUs, countMax }: HowFine,
): Promise<Band[]> {
  const deviceCount = new Set(summed.window.intervals.map(({ gpu }) => gpu)).size;
  // Of devices that are shared no one's mean is the job's.
  const isApart = deviceCount > 1 && summed.job.label.sets.size === 0;
  const read = sources
    .filter(({ gauges }) => gauges.length > 0)
    .map(async (source) => {
      const intervalUs = source === sources[0] ? boundaryUs : source.lane.intervalMs * 1000;
      const [pooled, apart] = await Promise.all([
        pooledBands(db, source, summed, { boundaryUs: intervalUs, countMax }),
        isApart
          ? deviceBands(db, source, summed, {
              boundaryUs: intervalUs,
              countMax: Math.max(1, Math.min(countMax, Math.floor(DEVICE_STEPS_MAX / deviceCount))),
            })
          : new Map<GaugeKey, DeviceBand>(),
      ]);
      return pooled.map((band) => ({ ...band, devices: apart.get(band.key) }));
    });
  return joinedBands((await Promise.all(read)).flat());
}

/** Of a gauge of several lanes that of the first is drawn, in its steps. */
function joinedBands(all: readonly Gathered[]): Band[] {
  const byKey = Map.groupBy(all, ({ key }) => key);
  return GAUGE_KEYS.flatMap((key) => {
    const own = byKey.get(key) ?? [];
    const first = own[0];
    if (first === undefined) return [];
    const alike = own.filter(({ steps }) => steps.stepUs === first.steps.stepUs);
    const sums = new Float64Array(first.steps.count);
    const knownUs = new Float64Array(first.steps.count);
    const [min, max] = [unknown(first.steps), unknown(first.steps)];
    for (const one of alike)
      for (let at = 0; at < sums.length; at += 1) {
        sums[at]! += one.sum[at]!;
        knownUs[at]! += one.knownUs[at]!;
        keep(min, at, one.min[at]!, Math.min);
        keep(max, at, one.max[at]!, Math.max);
      }
    const mean = sums.map((sum, at) => sum / knownUs[at]!);
    if (mean.every(Number.isNaN)) return [];
    return [{ key, steps: first.steps, min, max, mean, devices: joinedDevices(alike) }];
  });
}

function joinedDevices(all: readonly Gathered[]): DeviceBand | undefined {
  const own = all.flatMap(({ devices }) => devices ?? []);
  const first = own[0];
  if (first === undefined) return undefined;
  const [low, high] = [unknown(first.steps), unknown(first.steps)];
  for (const one of own.filter(({ steps }) => steps.stepUs === first.steps.stepUs))
    for (let at = 0; at < low.length; at += 1) {
      keep(low, at, one.low[at]!, Math.min);
      keep(high, at, one.high[at]!, Math.max);
    }
  return { steps: first.steps, low, high };
}

/** Of one lane, with what its means are divided from. */
interface Gathered extends Omit<Band, 'mean'> {
  readonly sum: Float64Array;
  readonly knownUs: Float64Array;
}

async function pooledBands(
  db: Asked,
  source: JobSource,
  summed: Summed,
  { boundaryUs, countMax }: HowFine,
): Promise<Gathered[]> {
  const { steps, places } = stepsIn(source, summed, countMax, boundaryUs);
  const rows = await askOwn(db, summed.job, places.groups, (segment) => ({
    isPooled: true,
    keys: [stepSql(steps)],
    picks: source.gauges.flatMap(([key, column], index) => [
      ...(WITH_AREAS.has(key) ? extremesSql(segment, column, index) : []),
      ...sumsSql(segment, column, index),
    ]),
  }));
  return source.gauges.map(([key], index) => {
    const band: Gathered = {
      ...{ key, steps, min: unknown(steps), max: unknown(steps), devices: undefined },
      ...{ sum: new Float64Array(steps.count), knownUs: new Float64Array(steps.count) },
    };
    for (const row of rows) {
      const at = placeOf(row, steps);
      if (at === undefined) continue;
      band.sum[at]! += row.number(`x${index}_sum`) ?? 0;
      band.knownUs[at]! += row.number(`x${index}_us`) ?? 0;
      if (!WITH_AREAS.has(key)) continue;
      keep(band.min, at, row.number(`min_${index}`) ?? NaN, Math.min);
      keep(band.max, at, row.number(`max_${index}`) ?? NaN, Math.max);
    }
    return band;
  });
}

/** First by device, so that means of devices can be told beside each other. */
async function deviceBands(
  db: Asked,
  source: JobSource,
  summed: Summed,
  { boundaryUs, countMax }: HowFine,
): Promise<Map<GaugeKey, DeviceBand>> {
  const gauges = source.gauges.filter(([key]) => WITH_AREAS.has(key));
  if (gauges.length === 0) return new Map();
  const { steps, places } = stepsIn(source, summed, countMax, boundaryUs);
  const rows = await askOwn(db, summed.job, places.groups, (segment) => ({
    keys: [stepSql(steps)],
    picks: gauges.flatMap(([, column], index) => sumsSql(segment, column, index)),
    over: {
      keys: ['step'],
      picks: gauges.flatMap((_, index) => {
        const mean = `CASE WHEN x${index}_us > 0 THEN x${index}_sum / x${index}_us END`;
        return [`min(${mean}) AS low_${index}`, `max(${mean}) AS high_${index}`];
      }),
    },
  }));
  return new Map(
    gauges.map(([key], index) => {
      const [low, high] = [unknown(steps), unknown(steps)];
      for (const row of rows) {
        const at = placeOf(row, steps);
        if (at === undefined) continue;
        keep(low, at, row.number(`low_${index}`) ?? NaN, Math.min);
        keep(high, at, row.number(`high_${index}`) ?? NaN, Math.max);
      }
      return [key, { steps, low, high }];
    }),
  );
}

function stepSql({ stepUs }: Steps): string {
  return `cast(cast(s.ts AS LONG) / ${stepUs} AS LONG) AS step`;
}

function extremesSql({ level, columns }: Segment, column: string, index: number): string[] {
  return (['min', 'max'] as const).map((which) => {
    const name = level === 'raw' ? column : `${column}_${which}`;
    const value = columns.has(name) ? `s.${quoteName(name)}` : 'cast(null AS DOUBLE)';
    return `${which}(${value}) AS ${which}_${index}`;
  });
}

function sumsSql(segment: Segment, column: string, index: number): string[] {
  return gaugeSummands(`x${index}`, column).map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`);
}

/** Undefined outside: a bucket of a rollup may begin before the job does. */
function placeOf(row: Cells, { fromUs, stepUs, count }: Steps): number | undefined {
  const at = row.number('step')! - Math.floor(fromUs / stepUs);
  return at < 0 || at >= count ? undefined : at;
}

function unknown({ count }: Steps): Float64Array {
  return new Float64Array(count).fill(NaN);
}

function keep(of: Float64Array, at: number, value: number, better: (a: number, b: number) => number): void {
  if (!Number.isNaN(value)) of[at] = Number.isNaN(of[at]) ? value : better(of[at]!, value);
}
