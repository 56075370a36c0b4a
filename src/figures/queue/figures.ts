import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { RequestSize, WaitSpread } from '../../core/queue/waits.ts';

/** What the queue and the GPUs had of each other in a window: fromUs < t ≤ toUs, epoch µs. Of whole GPUs alone. */
export interface QueueFigures {
  readonly fromUs: number;
  readonly toUs: number;
  /** That was asked for; undefined: all. */
  readonly cluster: string | undefined;
  readonly isSynthetic: boolean;
  /** Whole GPUs; MIG instances are left out, and counted. */
  readonly devices: number;
  readonly migInstances: number;
  readonly time: DeviceTime;
  /** Undefined where nobody asked the queue in this time. */
  readonly queue: QueueTime | undefined;
  readonly beside: {
    /** Undefined where nobody asked the queue of a cluster that has GPUs here, or nobody told how any node is. */
    readonly free: Beside | undefined;
    /** Undefined where nobody asked such a queue, or SM activity was not recorded. */
    readonly idle: (Beside & IdleReading) | undefined;
  };
  /** By the size of a request on one node, as far as some node is so large. Undefined where nobody told how any node is. */
  readonly fragmentation: readonly Fragmentation[] | undefined;
  /** Those that waited longest in all first. */
  readonly waits: readonly WaitRow[];
  /** Runs that began in the window of which nobody told when they were submitted. */
  readonly unknownWaits: number;
  readonly idleLimits: IdleLimits;
}

/** GPU time from the first to the last sign of life of each: known = owned + free + out of use + untold. */
export interface DeviceTime {
  readonly knownUs: number;
  readonly ownedUs: number;
  /** Of no job, and the node took jobs. */
  readonly freeUs: number;
  /** Of no job, and the node was drained or down. */
  readonly outOfUseUs: number;
  /** Of no job, and nobody told how the node was. */
  readonly untoldUs: number;
}

export interface QueueTime {
  /** Time for which polls speak; of several clusters they add up. */
  readonly askedUs: number;
  /** The window, as often as clusters were asked. */
  readonly windowUs: number;
  /** GPUs × time that jobs waited for GPUs. */
  readonly waitedGpuUs: number;
  /** The same of jobs that ask for a type that is no word of any model here: they fit nowhere. */
  readonly unknownTypeGpuUs: number;
  readonly unknownTypes: readonly string[];
  /** Of the last poll of each cluster. */
  readonly lastPollUs: number;
  readonly waitingJobs: number;
  readonly waitingGpus: number;
  /** Jobs that wait for something else: held, for another job, for a limit of their owner, or for parts of GPUs. */
  readonly otherJobs: number;
}

/** GPUs beside jobs that they would have held. */
export interface Beside {
  /** GPU time, at most as much as was asked for. */
  readonly besideUs: number;
  /** All of the kind, beside a queue or not, while the queue was asked. */
  readonly hadUs: number;
  /** Time in which at least one waiting job would have fitted. */
  readonly fitsUs: number;
}

interface IdleReading {
  /** A GPU counts that was owned and idle for the whole of so long. */
  readonly bucketUs: number;
  /** Time of the window of which so fine a reading is kept. */
  readonly keptUs: number;
}

export interface Fragmentation {
  /** Of a request on one node. */
  readonly gpus: number;
  /** Free GPU time that such requests can use. */
  readonly usableUs: number;
  /** 1 − usable / free: 0 none of it is in the way, 1 all of it. Undefined where nothing was free. */
  readonly ratio: number | undefined;
}

export interface WaitRow {
  readonly account: string | undefined;
  /** Of started jobs the models that they had; of those that wait what they ask for. Undefined: any. */
  readonly model: string | undefined;
  readonly size: RequestSize;
  /** Runs that began in the window. */
  readonly started: WaitSpread | undefined;
  /** At the last poll. */
  readonly waiting: { readonly jobs: number; readonly gpus: number; readonly meanWaitUs: number } | undefined;
}
