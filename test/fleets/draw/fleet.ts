/**
 * A made-up fleet and all that happened in it, in truth: devices, samples, jobs, and who was told of what when. Nothing of
 * gpuledger is used here but the names of columns. Times are epoch µs.
 */
export interface FleetDevice {
  readonly uuid: string;
  /** Undefined where nobody told. */
  readonly cluster: string | undefined;
  readonly node: string;
  /** Position among the GPUs of the node; of a MIG instance, of its GPU. */
  readonly index: number;
  readonly model: string;
  readonly memoryBytes: number;
  readonly idleWatts: number;
  readonly fullWatts: number;
  readonly hasCounter: boolean;
  /** A whole GPU that is handed out in MIG instances. */
  readonly isCut: boolean;
  readonly instance: FleetInstance | undefined;
}

interface FleetInstance {
  readonly parent: string;
  readonly profile: string;
  /** Compute slices of its own, and of its whole GPU: undefined of a model of which nobody knows them. */
  readonly slices: number;
  readonly totalSlices: number | undefined;
  readonly id: number;
}

/** One lane: its table, how often it samples in this fleet, and which columns it has, in the order of the ring. */
export interface FleetLane {
  readonly table: string;
  readonly intervalUs: number;
  readonly columns: readonly string[];
  readonly rows: readonly FleetRows[];
  /** When the collectors ticked: a device that did not answer then has no row. */
  readonly tickCount: number;
}

/** What one device answered in one lane. */
export interface FleetRows {
  readonly gpu: string;
  /** Number of the tick and time of each row, ascending. */
  readonly tick: Int32Array;
  readonly tsUs: Float64Array;
  /** By column; NaN where it was blank. */
  readonly values: ReadonlyMap<string, Float64Array>;
}

/** (startUs, endUs] on one device. */
export interface FleetStay {
  readonly run: FleetRun;
  readonly gpu: string;
  readonly startUs: number;
  readonly endUs: number;
  /** In (0, 1]; NaN where nobody told. */
  readonly share: number;
}

/** One run of one job. */
export interface FleetRun {
  /** What a job is: runs of one job bear the same. */
  readonly job: string;
  readonly cluster: string | undefined;
  readonly jobId: string;
  readonly count: number;
  readonly submitUs: number;
  readonly name: string;
  readonly user: string;
  readonly account: string | undefined;
  readonly partition: string;
  readonly qos: string | undefined;
  readonly state: string;
  readonly exitCode: number;
  /** Whether the scheduler told of it: else no more than its stays is known. */
  readonly isRecorded: boolean;
  readonly stays: FleetStay[];
}

/** What somebody told of a stay, and when. */
export interface FleetFact {
  readonly kind: 'start' | 'end';
  readonly atUs: number;
  readonly toldUs: number;
  readonly stay: FleetStay;
  /** As it was known then. */
  readonly share: number;
}

/** A row of the inventory: the start of a collector. */
export interface FleetSighting {
  readonly device: FleetDevice;
  readonly tsUs: number;
}

/** Below which SM activity whoever asks about the fleet calls a device idle: of all, and by the beginning of a model's name. */
export interface FleetIdleLimits {
  readonly smRatio: number;
  readonly models: ReadonlyMap<string, number>;
}

export interface Fleet {
  readonly seed: number;
  /** First and last moment at which anything is sampled. */
  readonly fromUs: number;
  readonly toUs: number;
  readonly devices: readonly FleetDevice[];
  readonly sightings: readonly FleetSighting[];
  readonly runs: readonly FleetRun[];
  /** In the order of telling. */
  readonly facts: readonly FleetFact[];
  readonly lanes: readonly FleetLane[];
  readonly idleLimits: FleetIdleLimits;
}

/** Somebody owned the device, and nobody knows beyond doubt who. */
export const UNRESOLVED = 'unresolved';

export const S = 1e6;
export const MIN = 60e6;
export const HOUR = 3600e6;
export const DAY = 86_400e6;

export type Random = () => number;

/** A whole number in [min, max). */
export function between(random: Random, min: number, max: number): number {
  return Math.floor(min + random() * (max - min));
}

export function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}
