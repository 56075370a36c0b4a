import { GAUGE_KEYS, GAUGES, type GaugeKey, type LaneGauges } from '../gauges.ts';
import type { GaugeSums, JobSums, SampleSums } from './scan.ts';
import { emptySums } from './scan.ts';
import { energyOf, quantity, type Quantity } from '../quantity.ts';
import type { Cells } from '../query-cells.ts';
import type { DividedWindow, JobInterval } from './facts.ts';
import type {
  GaugeFigures,
  JobDevice,
  JobEvent,
  JobFigures,
  JobGauge,
  NotMeasured,
  OwnedFigures,
} from './figures.ts';

/** What the sums say of owned time. @param ownedUs length of the intervals that they are of. */
export function ownedFigures(ownedUs: number, sums: SampleSums): OwnedFigures {
  const { sampledUs, attributedUs, samples, idleUs, lastActiveUs } = sums;
  return {
    ownedUs,
    sampledUs,
    attributedUs,
    samples,
    coverage: quantity(samples > 0 ? sampledUs / ownedUs : undefined, 'ratio', sampledUs),
    energy: energyOf(sums),
    idle: quantity(idleUs, 'microseconds', sums.gauges.get('smActive')?.knownUs ?? 0),
    lastActiveUs,
  };
}

export function ownedUsOf(intervals: readonly JobInterval[]): number {
  return intervals.reduce((sum, { startUs, endUs }) => sum + endUs - startUs, 0);
}

function gaugeFigures(key: GaugeKey, { sum, knownUs, max }: GaugeSums): GaugeFigures {
  const { unit } = GAUGES[key];
  return {
    mean: knownUs > 0 ? { value: sum / knownUs, unit, knownUs } : undefined,
    max: { value: max, unit, knownUs },
  };
}

/** Median and 95th percentile of a gauge, in its unit. */
export type Percentiles = ReadonlyMap<GaugeKey, readonly [number, number]>;

/** The gauges that have values. @param percentiles of those whose samples are left. */
export function jobGauges({ all, parts }: JobSums, percentiles: Percentiles): JobGauge[] {
  return GAUGE_KEYS.flatMap((key): JobGauge[] => {
    const sums = all.gauges.get(key);
    if (sums === undefined) return [];
    const [p50, p95] = percentiles.get(key) ?? [];
    const ranked = (value: number | undefined): Quantity | undefined =>
      quantity(value, GAUGES[key].unit, sums.knownUs);
    return [
      {
        key,
        ...gaugeFigures(key, sums),
        p50: ranked(p50),
        p95: ranked(p95),
        series: parts.map((part) => meanOf(part.gauges.get(key))),
      },
    ];
  });
}

function meanOf(known: GaugeSums | undefined): number | null {
  return known === undefined || known.knownUs === 0 ? null : known.sum / known.knownUs;
}

/** By node and position. @param inventory what it last said of each device, by UUID. */
export function jobDevices(
  intervals: readonly JobInterval[],
  sums: JobSums,
  inventory: ReadonlyMap<string, Cells>,
  events: readonly JobEvent[],
): JobDevice[] {
  const devices = [...Map.groupBy(intervals, ({ gpu }) => gpu)].map(([gpu, own]): JobDevice => {
    const known = inventory.get(gpu);
    const device = sums.devices.get(gpu) ?? emptySums();
    const profile = known?.text('mig_profile');
    return {
      gpu,
      node: own.at(-1)!.node,
      index: known?.number('gpu_index'),
      model: known?.text('model'),
      memoryBytes: known?.number('memory_bytes'),
      migProfile: profile === '' ? undefined : profile,
      ...ownedFigures(ownedUsOf(own), device),
      gauges: Object.fromEntries([...device.gauges].map(([key, gauge]) => [key, gaugeFigures(key, gauge)])),
      events: events.filter((event) => event.gpu === gpu),
    };
  });
  return devices.sort(
    (a, b) =>
      a.node.localeCompare(b.node, 'en', { numeric: true }) ||
      (a.index ?? 0) - (b.index ?? 0) ||
      a.gpu.localeCompare(b.gpu, 'en', { numeric: true }),
  );
}

/**
 * The least certain of the ways in which the job's parts of its devices were found. That nobody told matters only where a
 * sample was divided: amounts are then less than samples.
 */
export function sharingOf(
  { spans }: DividedWindow,
  { devices }: JobSums,
): Pick<JobFigures, 'sharing' | 'areSharesScaled'> {
  const isDivided = (gpu: string): boolean => devices.get(gpu)?.attributedUs !== devices.get(gpu)?.sampledUs;
  const found = new Set(
    spans.filter(({ gpu, sharing }) => sharing !== 'equal' || isDivided(gpu)).map(({ sharing }) => sharing),
  );
  return {
    sharing: SHARINGS.find((sharing) => found.has(sharing)) ?? 'whole',
    areSharesScaled: spans.some(({ isScaled }) => isScaled),
  };
}

/** The least certain first. */
const SHARINGS = ['equal', 'measured', 'stated', 'whole'] as const;

/** Which gauges are left out. @param origin of kept figures no lane needs to hold the gauge. */
export function notMeasuredOf(
  sources: readonly LaneGauges[],
  { gauges }: SampleSums,
  origin: JobFigures['origin'],
): NotMeasured[] {
  const inLanes = new Set(sources.flatMap((source) => source.gauges.map(([key]) => key)));
  const noLane = GAUGE_KEYS.filter((key) => !inLanes.has(key) && !(origin === 'kept' && gauges.has(key)));
  const blank = GAUGE_KEYS.filter((key) => inLanes.has(key) && !gauges.has(key));
  const left: readonly NotMeasured[] = [
    { keys: noLane, why: 'no_lane' },
    { keys: blank, why: 'blank' },
  ];
  return left.filter(({ keys }) => keys.length > 0);
}
