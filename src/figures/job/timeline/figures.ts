import type { GaugeKey } from '../../gauges.ts';

/** Equal steps from the epoch on that hold a job's time. */
export interface Steps {
  /** Of the first one, epoch µs. */
  readonly fromUs: number;
  readonly stepUs: number;
  readonly count: number;
}

/** A gauge over the time of a job, step by step; NaN where nothing is known. */
export interface Band {
  readonly key: GaugeKey;
  readonly steps: Steps;
  /** Extremes of the samples, so that no peak is lost. */
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Mean over all devices. */
  readonly mean: Float64Array;
  /** Undefined of a single device, of devices that are shared, and of gauges of which a chart draws no areas. */
  readonly devices: DeviceBand | undefined;
}

/** Means of the device with the least and of the one with the highest, which show who lags. Of many devices in longer steps. */
export interface DeviceBand {
  readonly steps: Steps;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** SM activity of each device, or of each node where there are many, over the time of a job. */
export interface HeatMap {
  /** Its columns. */
  readonly steps: Steps;
  /** By node, and of one node by position. */
  readonly rows: readonly HeatRow[];
  /** Where rows are of nodes: the devices that were furthest from the median of all of them, furthest first. */
  readonly outliers: readonly HeatRow[];
}

export interface HeatRow {
  readonly node: string;
  /** Undefined where the row is of all devices of the node. */
  readonly gpu: string | undefined;
  /** Mean SM activity; NaN where nothing is known. */
  readonly means: Float64Array;
  /** Σ dt of which it is the mean. */
  readonly knownUs: Float64Array;
}

/** How a job went, to be drawn. */
export interface Timeline {
  /** In the order of `GAUGES`. */
  readonly bands: readonly Band[];
  /** Undefined where no lane holds SM activity. */
  readonly heatMap: HeatMap | undefined;
  /** The lowest power limit that was in force on any device; undefined where no lane holds it, or the samples have aged out. */
  readonly powerLimitWatts: number | undefined;
}
