/** What the kernel counts of a job's cgroup on a node; undefined where it does not tell. */
export interface HostReading {
  /** When it was read, µs of a clock that nobody sets. */
  readonly atUs: number;
  /** Tells a cgroup from the next one of the same name. */
  readonly cgroup: string;
  /** CPU time of its processes. */
  readonly cpuUs: number | undefined;
  /** Time in which some process of it waited for a CPU, or for storage. */
  readonly cpuWaitUs: number | undefined;
  readonly ioWaitUs: number | undefined;
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
  /** Now, and the most since it began; with the page cache. */
  readonly memoryBytes: number | undefined;
  readonly memoryPeakBytes: number | undefined;
}

/** What a job did on a node between two readings. */
export interface HostUse {
  /** Whole µs, above 0. */
  readonly dtUs: number;
  /** CPUs that were busy, on the mean. */
  readonly cpuCores: number | undefined;
  /** 0 to 1. */
  readonly cpuWaitRatio: number | undefined;
  readonly ioWaitRatio: number | undefined;
  readonly readBytesPerSecond: number | undefined;
  readonly writeBytesPerSecond: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly memoryPeakBytes: number | undefined;
}

/** @returns undefined where the two are not of one cgroup, or tell nothing */
export function hostUseBetween(before: HostReading, now: HostReading): HostUse | undefined {
  const dtUs = Math.round(now.atUs - before.atUs);
  if (before.cgroup !== now.cgroup || !(dtUs > 0)) return undefined;
  const perUs = (rise: number | undefined): number | undefined =>
    rise === undefined ? undefined : rise / dtUs;
  const perSecond = (rise: number | undefined): number | undefined =>
    rise === undefined ? undefined : (rise / dtUs) * 1e6;
  const values = {
    cpuCores: perUs(riseOf(before.cpuUs, now.cpuUs)),
    cpuWaitRatio: ratioOf(perUs(riseOf(before.cpuWaitUs, now.cpuWaitUs))),
    ioWaitRatio: ratioOf(perUs(riseOf(before.ioWaitUs, now.ioWaitUs))),
    readBytesPerSecond: perSecond(riseOf(before.readBytes, now.readBytes)),
    writeBytesPerSecond: perSecond(riseOf(before.writtenBytes, now.writtenBytes)),
    memoryBytes: now.memoryBytes,
    memoryPeakBytes: now.memoryPeakBytes,
  };
  return Object.values(values).every((value) => value === undefined) ? undefined : { dtUs, ...values };
}

/** A counter that falls was begun anew: how far it rose is not known. */
function riseOf(before: number | undefined, now: number | undefined): number | undefined {
  return before === undefined || now === undefined || now < before ? undefined : now - before;
}

/** The kernel's clock and ours are read one after the other: a full wait may come out as a little more than the time. */
function ratioOf(ratio: number | undefined): number | undefined {
  return ratio === undefined ? undefined : Math.min(1, ratio);
}
