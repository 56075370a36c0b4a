/** What a device's PCIe link reached at most in a job's time, beside what it and its slot can do. */
export interface NarrowLink {
  readonly gpu: string;
  readonly lanes: number | undefined;
  readonly lanesMax: number | undefined;
  readonly generation: number | undefined;
  readonly generationMax: number | undefined;
}

/** What of the hardware may hold a job back. */
export interface JobHardware {
  /** Of a job on several nodes: how many whole GPUs each of them has. A node of which that is not known is missing. */
  readonly gpusOfNodes: ReadonlyMap<string, number>;
  /** Links that never reached what they can do, where that is recorded. */
  readonly narrowLinks: readonly NarrowLink[];
}

export const NO_HARDWARE: JobHardware = { gpusOfNodes: new Map(), narrowLinks: [] };
