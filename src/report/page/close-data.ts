import type { CloseLook, SampleLine } from '../../figures/job/timeline/close-look.ts';
import type { JobDevice } from '../../figures/job/figures.ts';
import { deviceName, type NamedDevice } from '../text/device-name.ts';
import { GAUGE_LABELS } from '../text/wording.ts';
import { chartOfBands, rounded } from './chart-data.ts';
import { chartsOf, keysOf, KINDS } from './charts.ts';

/** Of a device what stands beside its lines. */
type ShownDevice = NamedDevice & Pick<JobDevice, 'memoryBytes'>;

/**
 * A part of a job's time for the page's script, in columns: as small as CSV, and nothing to parse. Of samples a line for each device
 * and gauge, times in ms from `from` on, null where nothing is known.
 */
export function closeData(look: CloseLook, devices: readonly ShownDevice[]): object {
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
  const byGpu = new Map(devices.map((device) => [device.gpu, device]));
  const nameOf = ({ gpu, node }: SampleLine): string => {
    const device = byGpu.get(gpu);
    return device === undefined ? `${node} ${gpu}` : deviceName(device);
  };
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
