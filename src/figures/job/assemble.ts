import { GAUGE_KEYS, GAUGES, type GaugeKey, type LaneGauges } from '../gauges.ts';
import type { GaugeSums, JobSums, SampleSums } from './rows/scan.ts';
import { emptySums } from './rows/scan.ts';
import type { DeviceIdleLimits } from '../idle-limits.ts';
import { energyOf, quantity, type Quantity } from '../quantity.ts';
import type { Cells } from '../query-cells.ts';
import type { Course } from './course.ts';
import type { JobInterval, SliceRatios } from './facts.ts';
import type { JobLabel } from './rows/job-rows.ts';
import type { Percentiles } from './rows/percentiles.ts';
import type {
  GaugeFigures,
  IdleStretch,
  JobDevice,
  JobEvent,
  JobFigures,
  JobGauge,
  NotMeasured,
  OwnedFigures,
  Ranked,
} from './figures.ts';

/** What the sums say of owned time: of the intervals that they are of. */
export function ownedFigures(
  intervals: readonly JobInterval[],
  sliceRatios: SliceRatios,
  sums: SampleSums,
): OwnedFigures {
  const ownedUs = ownedUsOf(intervals);
  const { sampledUs, attributedUs, samples, idleUs, idleKnownUs, usedUs, usedKnownUs } = sums;
  const { lastActiveUs, lastUs } = sums;
  return {
    ownedUs,
    ownedGpuUs: intervals.reduce(
      (sum, { gpu, startUs, endUs }) => sum + (endUs - startUs) * (sliceRatios.get(gpu) ?? 1),
      0,
    ),
    sampledUs,
    attributedUs,
    samples,
    // A sample at its begin speaks for time of before it, too: no more than all of its own was seen.
    coverage: quantity(samples > 0 ? Math.min(1, sampledUs / ownedUs) : undefined, 'ratio', sampledUs),
    energy: energyOf(sums),
    idle: quantity(idleKnownUs > 0 ? idleUs : undefined, 'microseconds', idleKnownUs),
    used: quantity(usedKnownUs > 0 ? usedUs : undefined, 'microseconds', usedKnownUs),
    smShares: smSharesOf(sums),
    lastActiveUs,
    lastSampleUs: Number.isFinite(lastUs) ? lastUs : undefined,
  };
}

function smSharesOf({ pipes }: SampleSums): OwnedFigures['smShares'] {
  const told = [...pipes].filter(([, { smSum }]) => smSum > 0);
  return Object.fromEntries(
    told.map(([key, { pipeSum, smSum, knownUs }]) => [key, quantity(pipeSum / smSum, 'ratio', knownUs)]),
  );
}

function ownedUsOf(intervals: readonly JobInterval[]): number {
  return intervals.reduce((sum, { startUs, endUs }) => sum + endUs - startUs, 0);
}

/** @param ranked undefined where there are no percentiles of it */
function gaugeFigures(
  key: GaugeKey,
  { sum, knownUs, min, max }: GaugeSums,
  ranked: Percentiles | undefined,
): GaugeFigures {
  const { unit } = GAUGES[key];
  const rank = (value: number | undefined): Ranked | undefined =>
    value === undefined ? undefined : { value, unit, knownUs, barWidth: ranked?.barWidth };
  return {
    mean: knownUs > 0 ? { value: sum / knownUs, unit, knownUs } : undefined,
    min: quantity(Number.isFinite(min) ? min : undefined, unit, knownUs),
    max: { value: max, unit, knownUs },
    p50: rank(ranked?.p50),
    p95: rank(ranked?.p95),
  };
}

/** The gauges that have values. */
export function jobGauges(
  { all, devices }: JobSums,
  { percentiles, series }: Pick<Course, 'percentiles' | 'series'>,
): JobGauge[] {
  return GAUGE_KEYS.flatMap((key): JobGauge[] => {
    const sums = all.gauges.get(key);
    if (sums === undefined) return [];
    return [
      {
        key,
        ...gaugeFigures(key, sums, percentiles.all.get(key)),
        spread: spreadOf(key, devices, sums.knownUs),
        series: series.get(key) ?? [],
      },
    ];
  });
}

function spreadOf(key: GaugeKey, devices: JobSums['devices'], knownUs: number): Quantity | undefined {
  const means = [...devices.values()]
    .map(({ gauges }) => meanOf(gauges.get(key)))
    .filter((mean) => mean !== null);
  return means.length < 2
    ? undefined
    : { value: Math.max(...means) - Math.min(...means), unit: GAUGES[key].unit, knownUs };
}

function meanOf(known: GaugeSums | undefined): number | null {
  return known === undefined || known.knownUs === 0 ? null : known.sum / known.knownUs;
}

/** What is known of the devices beside their samples. */
interface DeviceFacts {
  /** What it last said of each device, by UUID. */
  readonly inventory: ReadonlyMap<string, Cells>;
  readonly sliceRatios: SliceRatios;
  readonly events: readonly JobEvent[];
  readonly idle: DeviceIdleLimits;
}

/** By node and position. */
export function jobDevices(
  intervals: readonly JobInterval[],
  sums: JobSums,
  { inventory, sliceRatios, events, idle }: DeviceFacts,
  { percentiles, longestIdle }: Pick<Course, 'percentiles' | 'longestIdle'>,
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
      endUs: own.reduce((us, { endUs }) => Math.max(us, endUs), -Infinity),
      sliceRatio: sliceRatios.get(gpu),
      ...ownedFigures(own, sliceRatios, device),
      longestIdle: longestIdle.get(gpu),
      idleSmRatio: idle.of(gpu),
      gauges: Object.fromEntries(
        [...device.gauges].map(([key, gauge]) => [
          key,
          gaugeFigures(key, gauge, percentiles.devices.get(gpu)?.get(key)),
        ]),
      ),
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

/** The longest stretch of any device; of several that are as long, the first device's. */
export function longestIdleOf({
  devices,
}: Pick<JobFigures, 'devices'>): { readonly device: JobDevice; readonly stretch: IdleStretch } | undefined {
  const told = devices.flatMap((device) =>
    device.longestIdle === undefined ? [] : [{ device, stretch: device.longestIdle }],
  );
  const longestUs = Math.max(...told.map(({ stretch }) => stretch.lengthUs));
  return told.find(({ stretch }) => stretch.lengthUs === longestUs);
}

/** The least certain of the ways in which the job's parts of its devices were found. @param seen owner sets that had rows */
export function sharingOf(
  { sets }: JobLabel,
  seen: ReadonlySet<string>,
): Pick<JobFigures, 'sharing' | 'areSharesScaled'> {
  const parts = [...sets].flatMap(([set, part]) => (seen.has(set) ? [part] : []));
  return {
    sharing: SHARINGS.find((sharing) => parts.some((part) => part.sharing === sharing)) ?? 'whole',
    areSharesScaled: parts.some(({ isScaled }) => isScaled),
  };
}

/** Of kept figures no row tells its set any more: all of the job's, where its amounts were divided. */
export function setsOfKept({ sets }: JobLabel, { devices }: JobSums): ReadonlySet<string> {
  const isDivided = [...devices.values()].some(({ attributedUs, sampledUs }) => attributedUs !== sampledUs);
  return new Set(isDivided ? sets.keys() : []);
}

/** The least certain first. */
const SHARINGS = ['equal', 'measured', 'stated', 'whole'] as const;

/** Which gauges are left out. @param isKept of kept figures no lane needs to hold the gauge. */
export function notMeasuredOf(
  sources: readonly LaneGauges[],
  { gauges }: SampleSums,
  isKept: boolean,
): NotMeasured[] {
  const inLanes = new Set(sources.flatMap((source) => source.gauges.map(([key]) => key)));
  const noLane = GAUGE_KEYS.filter((key) => !inLanes.has(key) && !(isKept && gauges.has(key)));
  const blank = GAUGE_KEYS.filter((key) => inLanes.has(key) && !gauges.has(key));
  const left: readonly NotMeasured[] = [
    { keys: noLane, why: 'no_lane' },
    { keys: blank, why: 'blank' },
  ];
  return left.filter(({ keys }) => keys.length > 0);
}
