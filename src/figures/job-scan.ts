import type { GaugeKey, LaneGauges } from './gauges.ts';
import type { Energy, GaugeFigures } from './job/figures.ts';
import type { Cells } from './query-cells.ts';

/** Sums over the samples of one gauge: what `GaugeFigures` are divided from. */
export interface GaugeSums {
  sum: number;
  knownUs: number;
  min: number;
  max: number;
}

/** Sums over any set of a job's samples; additive, so that parts and devices can be added up. */
export interface SampleSums {
  samples: number;
  /** Samples that speak for some time. */
  steps: number;
  sampledUs: number;
  attributedUs: number;
  firstUs: number;
  lastUs: number;
  counterJoules: number | undefined;
  counterUs: number;
  powerJoules: number | undefined;
  powerUs: number;
  idleUs: number | undefined;
  lastActiveUs: number | undefined;
  readonly gauges: Map<GaugeKey, GaugeSums>;
}

export function emptySums(): SampleSums {
  return {
    samples: 0,
    steps: 0,
    sampledUs: 0,
    attributedUs: 0,
    firstUs: Infinity,
    lastUs: -Infinity,
    counterJoules: undefined,
    counterUs: 0,
    powerJoules: undefined,
    powerUs: 0,
    idleUs: undefined,
    lastActiveUs: undefined,
    gauges: new Map(),
  };
}

/** Adds one row of `scanLane`. @param isPrimary whether the lane decides samples and coverage. */
export function addRow(
  sums: SampleSums,
  row: Cells,
  { gauges, hasEnergy }: LaneGauges,
  isPrimary: boolean,
): void {
  if (isPrimary) {
    sums.samples += row.number('samples') ?? 0;
    sums.steps += row.number('steps') ?? 0;
    sums.sampledUs += row.number('dt_us') ?? 0;
    sums.attributedUs += row.number('attributed_us') ?? 0;
    sums.firstUs = Math.min(sums.firstUs, row.number('first_us') ?? Infinity);
    sums.lastUs = Math.max(sums.lastUs, row.number('last_us') ?? -Infinity);
  }
  gauges.forEach(([key], index) => {
    const max = row.number(`max${index}`);
    if (max === undefined) return;
    const known = sums.gauges.get(key) ?? { sum: 0, knownUs: 0, min: Infinity, max: -Infinity };
    known.sum += row.number(`sum${index}`) ?? 0;
    known.knownUs += row.number(`known${index}`) ?? 0;
    known.min = Math.min(known.min, row.number(`min${index}`) ?? Infinity);
    known.max = Math.max(known.max, max);
    sums.gauges.set(key, known);
    if (key === 'power') sums.powerUs += row.number(`known${index}`) ?? 0;
    // A device without any idle sample has been idle for no time, which is known and not missing.
    if (key === 'smActive') sums.idleUs = (sums.idleUs ?? 0) + (row.number('idle_us') ?? 0);
  });
  if (hasEnergy) {
    sums.counterJoules = plus(sums.counterJoules, row.number('counter_joules'));
    sums.counterUs += row.number('counter_us') ?? 0;
  }
  const keys = new Set(gauges.map(([key]) => key));
  if (keys.has('power')) sums.powerJoules = plus(sums.powerJoules, row.number('power_joules'));
  if (keys.has('smActive')) sums.lastActiveUs = later(sums.lastActiveUs, row.number('last_active_us'));
}

/** Adds the sums of one device to those of the job. */
export function addSums(into: SampleSums, from: SampleSums): void {
  into.samples += from.samples;
  into.steps += from.steps;
  into.sampledUs += from.sampledUs;
  into.attributedUs += from.attributedUs;
  into.firstUs = Math.min(into.firstUs, from.firstUs);
  into.lastUs = Math.max(into.lastUs, from.lastUs);
  into.counterJoules = plus(into.counterJoules, from.counterJoules);
  into.counterUs += from.counterUs;
  into.powerJoules = plus(into.powerJoules, from.powerJoules);
  into.powerUs += from.powerUs;
  into.idleUs = plus(into.idleUs, from.idleUs);
  into.lastActiveUs = later(into.lastActiveUs, from.lastActiveUs);
  for (const [key, gauge] of from.gauges) {
    const known = into.gauges.get(key) ?? { sum: 0, knownUs: 0, min: Infinity, max: -Infinity };
    into.gauges.set(key, {
      sum: known.sum + gauge.sum,
      knownUs: known.knownUs + gauge.knownUs,
      min: Math.min(known.min, gauge.min),
      max: Math.max(known.max, gauge.max),
    });
  }
}

export function energyOf(sums: SampleSums): Energy {
  return {
    ...(sums.counterJoules === undefined ? {} : { counterJoules: sums.counterJoules }),
    counterUs: sums.counterUs,
    ...(sums.powerJoules === undefined ? {} : { powerJoules: sums.powerJoules }),
    powerUs: sums.powerUs,
  };
}

export function figuresOf(gauge: GaugeSums): GaugeFigures {
  return {
    mean: gauge.knownUs > 0 ? gauge.sum / gauge.knownUs : NaN,
    max: gauge.max,
    knownUs: gauge.knownUs,
  };
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  if (b === undefined) return a;
  return (a ?? 0) + b;
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  if (b === undefined) return a;
  return a === undefined ? b : Math.max(a, b);
}
