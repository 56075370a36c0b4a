import type { Device } from '../devices/device.ts';
import type { GpuEvent } from '../sampling/event.ts';
import type { JobRecord } from '../jobs/job-fact.ts';
import type { JobStory } from './story.ts';

/** What makes a scenario; two with the same options are the same scenario, in whatever process or thread. */
export interface ScenarioOptions {
  /** `demo`: six hours of two nodes with eight GPUs and 41 jobs. `steady`: jobs of minutes, for ever, any fleet. */
  readonly kind: 'demo' | 'steady';
  /** Any integer; other seeds give other devices, levels and noise. */
  readonly seed: number;
  readonly nodes: number;
  readonly gpusPerNode: number;
  /** Every GPU is cut into MIG instances, which are then devices beside it. Default false. */
  readonly mig?: boolean;
  /** Names of the nodes, in order; default `n1`, `n2`, … */
  readonly nodeNames?: readonly string[];
  /** Epoch microseconds at which the demo begins; a steady scenario hangs on absolute time and uses it for nothing. */
  readonly startUs: number;
}

/** One run of one job, wholly known beforehand. */
export interface ScenarioJob {
  readonly jobId: string;
  /** Restart count: 0 for the first run. */
  readonly run: number;
  /** What the job does to its GPUs, in the words of `shape-catalogue.ts`. */
  readonly shape: string;
  /** The row of `jobs` as it stands after the end: with `endUs`, final state and exit code. */
  readonly record: JobRecord & { readonly endUs: number };
  readonly startUs: number;
  readonly endUs: number;
  readonly devices: readonly ScenarioShare[];
}

/** A job's part of one device. */
interface ScenarioShare {
  /** Position in `Scenario.devices`. */
  readonly device: number;
  /** (0, 1], or NaN where the scheduler did not tell. */
  readonly share: number;
}

/** Reads the fields it was made for, in their order, into the beginning of `into`; see `Scenario.value`. */
export interface FieldReader {
  read(device: number, tsUs: number, overUs: number, into: Float64Array): void;
}

/** A fleet, its jobs and every value of every field at every time. */
export interface Scenario {
  readonly options: ScenarioOptions;
  readonly devices: readonly Device[];
  /** Epoch microseconds. */
  readonly startUs: number;
  /** Epoch microseconds; Infinity when the scenario is open-ended. */
  readonly endUs: number;
  /** Job runs that own anything in (fromUs, toUs], by start time. */
  jobsBetween(fromUs: number, toUs: number): readonly ScenarioJob[];
  /** What happens in (fromUs, toUs], by time. A span appears once at its begin, and again, closed, at its end. */
  eventsBetween(fromUs: number, toUs: number): readonly GpuEvent[];
  /** False while the device is lost or does not answer: it has no row then. */
  answers(device: number, tsUs: number): boolean;
  /** True when the device does not have the field at all: `value` is NaN at every time. */
  lacks(device: number, fieldId: number): boolean;
  /** Prepares some fields for being read together, a row at a time: the fast way to the same numbers as `value`. */
  readerOf(fieldIds: readonly number[]): FieldReader;
  /**
   * What a reading at `tsUs` gives, in base units; NaN is a blank. Ratios and rates are means over the last `overUs`, as on
   * hardware: the time since the reading before. Same arguments, same number; nothing is allocated.
   */
  value(device: number, fieldId: number, tsUs: number, overUs: number): number;
  /** What a job of this scenario did in truth in (fromUs, toUs], epoch µs, as far as it ran. No sample is asked for. */
  storyOf(job: ScenarioJob, fromUs: number, toUs: number): JobStory;
}
