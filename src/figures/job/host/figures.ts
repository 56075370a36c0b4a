/** What a job did on its nodes in some time, by the rows of `host_jobs`: means of a node. Undefined where less than half of it is known. */
export interface HostMeans {
  /** Time for which rows speak, over all nodes, µs. */
  readonly seenUs: number;
  /** CPUs that were busy. */
  readonly cpuCores: number | undefined;
  /** Part of the time in which some process waited for a CPU, and for storage. */
  readonly cpuWaitRatio: number | undefined;
  readonly ioWaitRatio: number | undefined;
  readonly readBytesPerSecond: number | undefined;
  readonly writeBytesPerSecond: number | undefined;
}

/** What a job did on its nodes. */
export interface HostFigures extends HostMeans {
  /** Of which there are rows. */
  readonly nodeCount: number;
  /** How long the job had GPUs on its nodes, over all of them, µs. */
  readonly ownedUs: number;
  /** The most of a node, over the time of a row. */
  readonly cpuCoresMax: number | undefined;
  /** The most of a node, with its page cache. */
  readonly memoryPeakBytes: number | undefined;
  /** While all GPUs rested together; undefined where they never did, or less than half of that time was seen. */
  readonly inPauses: HostMeans | undefined;
  /** While they worked: between the first and the last work, without pauses and hangs. */
  readonly atWork: HostMeans | undefined;
}
