import type { JobsFigures, JobsRow } from '../job/jobs-figures.ts';

/** What a device did last, by its newest samples of a day. */
export interface LastSample {
  /** Epoch µs. */
  readonly tsUs: number;
  readonly smActiveRatio: number | undefined;
  readonly powerWatts: number | undefined;
  readonly memoryUsedBytes: number | undefined;
}

/** A device of a node, or a MIG instance, as the inventory has it last. */
export interface NodeDevice {
  readonly cluster: string | undefined;
  readonly gpu: string;
  readonly index: number | undefined;
  readonly model: string | undefined;
  readonly memoryBytes: number | undefined;
  readonly migProfile: string | undefined;
  readonly driver: string | undefined;
  /** Running jobs that have it now. */
  readonly owners: readonly JobsRow[];
  readonly last: LastSample | undefined;
}

export interface NodeEvent {
  readonly tsUs: number;
  readonly endUs: number | undefined;
  /** Undefined of the whole node. */
  readonly gpu: string | undefined;
  readonly kind: string;
  readonly code: number | undefined;
  readonly subject: string | undefined;
  readonly text: string | undefined;
  readonly jobId: string | undefined;
}

/** What there is on a node, what it does, and what happened there. Times are epoch µs. */
export interface NodeFigures {
  readonly node: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly isSynthetic: boolean;
  /** By cluster, index and UUID. */
  readonly devices: readonly NodeDevice[];
  /** Device time of the window that was seen, of that between the first and the last sign; undefined where nothing was. */
  readonly coverage: { readonly seenUs: number; readonly knownUs: number } | undefined;
  /** The newest of the window, newest first. */
  readonly events: readonly NodeEvent[];
  /** All of the window. */
  readonly eventCount: number;
  /** Runs that had a device of it in the window, each whole. */
  readonly jobs: JobsFigures;
}
