import type { GaugeKey } from '../../figures/gauges.ts';
import type { JobDevice } from '../../figures/job/figures.ts';
import type { Band, Steps, Timeline } from '../../figures/job/timeline/figures.ts';
import { GAUGE_LABELS } from '../text/wording.ts';

/** Values of one step after the other, in the unit of the chart; NaN where nothing is known. */
interface Line {
  readonly name: string;
  readonly steps: Steps;
  readonly values: Float64Array;
}

/** Between two values in each step. `samples`: the extremes of all samples; `devices`: means of the least and the highest device. */
interface Area {
  readonly of: 'samples' | 'devices';
  readonly steps: Steps;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** The axis is from 0 up to here. */
  readonly top: number;
  readonly lines: readonly Line[];
  /** Of the first line. */
  readonly areas: readonly Area[];
  /** What cannot be passed, as the memory of a device. */
  readonly limit: { readonly value: number; readonly name: string } | undefined;
}

/** What belongs into one chart. */
export interface ChartKind {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** What one is of the unit of the gauges. */
  readonly scale: number;
  /** The first of them has areas. */
  readonly keys: readonly GaugeKey[];
  /** Nothing of the kind can be more. */
  readonly top?: number;
}

const GIB = 2 ** 30;

/** In the order in which they are shown. */
export const KINDS: readonly ChartKind[] = [
  {
    id: 'activity',
    title: 'Activity',
    unit: '%',
    scale: 0.01,
    keys: ['smActive', 'tensorActive', 'dramActive'],
    top: 100,
  },
  { id: 'power', title: 'Power of a GPU', unit: 'W', scale: 1, keys: ['power'] },
  { id: 'memory', title: 'Memory of a GPU', unit: 'GiB', scale: GIB, keys: ['memoryUsed'] },
  {
    id: 'links',
    title: 'Links of a GPU',
    unit: 'GB/s',
    scale: 1e9,
    keys: ['nvlinkSent', 'nvlinkReceived', 'pcieSent', 'pcieReceived'],
  },
];

/** Of the lines of an activity chart where no lane holds SM activity. */
const INSTEAD: readonly GaugeKey[] = ['engineActive', 'gpuUtil'];

/** What is drawn of a job over its time; a chart without any value is left out. */
export function chartsOf(
  { bands: all, powerLimitWatts }: Pick<Timeline, 'bands' | 'powerLimitWatts'>,
  { devices }: { readonly devices: readonly Pick<JobDevice, 'memoryBytes'>[] },
): Chart[] {
  const bands = new Map(all.map((band) => [band.key, band]));
  return KINDS.flatMap((kind): Chart[] => {
    const own = keysOf(kind, bands).flatMap((key) => bands.get(key) ?? []);
    const [first] = own;
    if (first === undefined) return [];
    const limit = limitOf(kind, devices, powerLimitWatts);
    return [
      {
        id: kind.id,
        title: kind.title,
        unit: kind.unit,
        top:
          kind.top ?? roundTop(Math.max(limit?.value ?? 0, ...own.map((band) => highest(band) / kind.scale))),
        lines: own.map(({ key, steps, mean }) => ({
          name: GAUGE_LABELS[key],
          steps,
          values: mean.map((value) => value / kind.scale),
        })),
        areas: areasOf(first, kind.scale),
        limit,
      },
    ];
  });
}

/** Of a chart whose first gauge no lane holds others are drawn. */
export function keysOf(
  { id, keys }: Pick<ChartKind, 'id' | 'keys'>,
  known: { has: (key: GaugeKey) => boolean },
): readonly GaugeKey[] {
  return id === 'activity' && !known.has('smActive') ? [...INSTEAD, ...keys] : keys;
}

/** What cannot be passed: the memory of the smallest device, the lowest power limit in force. */
function limitOf(
  { id }: ChartKind,
  devices: readonly Pick<JobDevice, 'memoryBytes'>[],
  powerLimitWatts: number | undefined,
): Chart['limit'] {
  if (id === 'power')
    return powerLimitWatts === undefined ? undefined : { value: powerLimitWatts, name: 'limit in force' };
  const sizes = devices.flatMap(({ memoryBytes }) => memoryBytes ?? []);
  return id === 'memory' && sizes.length > 0
    ? { value: Math.min(...sizes) / GIB, name: 'of the smallest GPU' }
    : undefined;
}

function areasOf({ steps, min, max, devices }: Band, scale: number): Area[] {
  const scaled = (values: Float64Array): Float64Array => values.map((value) => value / scale);
  const areas: Area[] = [{ of: 'samples', steps, low: scaled(min), high: scaled(max) }];
  if (devices !== undefined)
    areas.push({
      of: 'devices',
      steps: devices.steps,
      low: scaled(devices.low),
      high: scaled(devices.high),
    });
  return areas.filter(({ low }) => low.some((value) => !Number.isNaN(value)));
}

function highest({ max, mean }: Band): number {
  return [...max, ...mean].reduce((top, value) => (value > top ? value : top), 0);
}

/** The next number that people can read off an axis. */
function roundTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return (
    [1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10].map((one) => one * power).find((one) => one >= value) ?? 10 * power
  );
}
