import type { CloseLook, SampleLine } from '../../figures/job/timeline/close-look.ts';
import type { JobFigures } from '../../figures/job/figures.ts';
import { GAUGE_LABELS } from '../text/wording.ts';
import { chartOfBands, rounded } from './chart-data.ts';
import { chartsOf, keysOf, KINDS } from './charts.ts';

/** What a device is called beside its line. */
type NameOf = (line: Pick<SampleLine, 'gpu' | 'node'>) => string;

/**
 * A part of a job's time for the page's script, in columns: as small as CSV, and nothing to parse. Of samples a line for each device
 * and gauge, times in ms from `from` on, null where nothing is known.
 */
export function closeData(
  look: CloseLook,
  { devices, nameOf }: { readonly devices: JobFigures['devices']; readonly nameOf: NameOf },
): object {
  const { fromUs, toUs, samples, bands } = look;
  const span = { from: fromUs / 1e6, to: toUs / 1e6 };
  if (samples === undefined)
    return {
      ...span,
      charts: chartsOf({ bands, powerLimitWatts: undefined }, { devices }).map(chartOfBands),
    };
  const tracks = new Map<
    Float64Array,
    { readonly at: number; readonly times: number[]; readonly gaps: number[] }
  >();
  for (const { timesUs, dtUs } of samples)
    if (!tracks.has(timesUs)) tracks.set(timesUs, { at: tracks.size, ...trackOf(timesUs, dtUs, fromUs) });
  const byKey = Map.groupBy(samples, ({ key }) => key);
  return {
    ...span,
    times: [...tracks.values()].map(({ times }) => times),
    charts: KINDS.flatMap((kind) => {
      const lines = keysOf(kind, byKey).flatMap((key, tone) =>
        (byKey.get(key) ?? []).map((line) => ({
          ...{ name: GAUGE_LABELS[key], device: nameOf(line), tone },
          track: tracks.get(line.timesUs)!.at,
          values: withGaps(line.values, tracks.get(line.timesUs)!.gaps, kind.scale),
        })),
      );
      return lines.length === 0 ? [] : [{ id: kind.id, unit: kind.unit, lines, areas: [] }];
    }),
  };
}

/** Before a sample that speaks for no time nothing is known: there the line breaks. */
function trackOf(
  timesUs: Float64Array,
  dtUs: Float64Array,
  fromUs: number,
): { readonly times: number[]; readonly gaps: number[] } {
  const [times, gaps]: [number[], number[]] = [[], []];
  const msOf = (us: number): number => Math.round((us - fromUs) / 100) / 10;
  for (const [index, us] of timesUs.entries()) {
    if (index > 0 && dtUs[index] === 0) {
      gaps.push(index);
      times.push(msOf((us + timesUs[index - 1]!) / 2));
    }
    times.push(msOf(us));
  }
  return { times, gaps };
}

function withGaps(values: Float64Array, gaps: readonly number[], scale: number): (number | null)[] {
  const told = rounded(values.map((value) => value / scale));
  const broken = new Set(gaps);
  return told.flatMap((value, index) => (broken.has(index) ? [null, value] : [value]));
}
