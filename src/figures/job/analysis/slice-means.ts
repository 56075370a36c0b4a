import type { Window } from '../../../core/analysis/active-windows.ts';
import type { GaugeKey } from '../../gauges.ts';
import type { Asked } from '../../query-cells.ts';
import { common } from '../../spans.ts';
import { quoteTime } from '../../sql-text.ts';
import { gaugeSummands, summandSql } from '../../summands.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import { jobSamples, jobSegments } from '../rows/job-segments.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';

/** A device was seen in a slice of which so much is known. */
const SEEN_RATIO_MIN = 0.9;
const SM_CLOCK_FIELD_ID = 100;

const GAUGE_MEANS = ['smActive', 'engineActive', 'tensorActive', 'dramActive'] as const satisfies GaugeKey[];
export type MeanKey = (typeof GAUGE_MEANS)[number] | 'smClock';

/** Of one device the mean of each slice, in order; NaN where it was not seen for nearly all of the slice. */
export type SliceMeans = ReadonlyMap<MeanKey, readonly number[]>;

/** Mean levels by device and slice, by whole minutes of the rollup or from the samples. @throws what `ask` throws */
export async function sliceMeans(
  db: Asked,
  sources: readonly JobSource[],
  { job, window, isFromSamples }: SummedJob,
  slices: readonly Window[],
): Promise<ReadonlyMap<string, SliceMeans>> {
  const devices = new Map<string, Map<MeanKey, SliceSums[]>>();
  for (const source of sources) {
    const wanted = columnsOf(source);
    if (wanted.length === 0) continue;
    const places = isFromSamples
      ? jobSamples(source.kept, job, window)
      : jobSegments(source.kept, job, ['1m']);
    const groups = places.groups.map(({ gpus, segments }) => ({
      gpus,
      segments: segments
        .map((segment) => ({ ...segment, spans: common(segment.spans, slices) }))
        .filter(({ spans }) => spans.length > 0),
    }));
    const rows = await askOwn(db, job, groups, (segment) => ({
      keys: [`${sliceSql(slices)} AS slice`],
      picks: wanted.flatMap(([key, column]) =>
        gaugeSummands(key, column).map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`),
      ),
    }));
    for (const row of rows) {
      const gpu = row.text('gpu') ?? '';
      const device = devices.get(gpu) ?? new Map<MeanKey, SliceSums[]>();
      devices.set(gpu, device);
      for (const [key] of wanted) {
        const own = device.get(key) ?? slices.map(() => ({ sum: 0, knownUs: 0 }));
        device.set(key, own);
        const slice = own[row.number('slice')!]!;
        slice.sum += row.number(`${key}_sum`) ?? 0;
        slice.knownUs += row.number(`${key}_us`) ?? 0;
      }
    }
  }
  const lengths = slices.map(({ fromUs, toUs }) => toUs - fromUs);
  const meansOf = (own: readonly SliceSums[]): number[] =>
    own.map(({ sum, knownUs }, at) => (knownUs >= SEEN_RATIO_MIN * lengths[at]! ? sum / knownUs : NaN));
  return new Map(
    [...devices].map(([gpu, own]) => [gpu, new Map([...own].map(([key, sums]) => [key, meansOf(sums)]))]),
  );
}

interface SliceSums {
  sum: number;
  knownUs: number;
}

function columnsOf({ gauges, lane, kept }: JobSource): (readonly [MeanKey, string])[] {
  const byKey = new Map(gauges);
  const found = GAUGE_MEANS.flatMap((key) => {
    const column = byKey.get(key);
    return column === undefined ? [] : [[key, column] as const];
  });
  const clock = lane.fields.find(({ id }) => id === SM_CLOCK_FIELD_ID)?.column;
  const hasClock = clock !== undefined && byKey.has('smActive') && kept.columns.has(clock);
  return hasClock ? [...found, ['smClock', clock] as const] : found;
}

/** The number of the slice in which a row lies. Rows lie in slices. */
function sliceSql(slices: readonly Window[]): string {
  const whens = slices.map(({ toUs }, at) => `WHEN s.ts < ${quoteTime(toUs)} THEN ${at}`);
  return `CASE ${whens.join(' ')} END`;
}
