/** What is sampled: a GPU, or a MIG GPU instance of one. Known fleet-wide by `uuid`. */
export interface Device {
  /** `GPU-…` or `MIG-…`, as NVML and DCGM spell it. The `gpu` column of every table. */
  readonly uuid: string;
  /** Of the node, by Slurm's ClusterName or by the configuration. Absent where nobody told. */
  readonly cluster?: string;
  /** Host name of the node that holds it. */
  readonly node: string;
  /** Position among the GPUs of the node as the source counts them (NVML index, DCGM gpu id); for MIG, of the parent. */
  readonly index: number;
  readonly model: string;
  readonly memoryBytes: number;
  readonly driver?: string;
  /** `/dev/nvidia<minor>`. */
  readonly minor?: number;
  /** `00000000:0F:00.0`. */
  readonly pciBusId?: string;
  /** A whole GPU that is cut into MIG instances: it is handed out in these, never whole, so its time is nobody's GPU-hours. */
  readonly isCut?: true;
  /** For a MIG instance: the GPU it is cut from. */
  readonly parentUuid?: string;
  /** For a MIG instance: NVML GPU instance id, the second number of an exporter map file `2.3`. */
  readonly gpuInstanceId?: number;
  readonly computeInstanceId?: number;
  /** `1g.18gb`. */
  readonly migProfile?: string;
  /** Of a MIG instance: those of its GPU. */
  readonly facts?: DeviceFacts;
}

/** What people look up of a GPU and nothing here depends on, as the source spells it; absent where it does not say. */
export interface DeviceFacts {
  readonly brand?: string;
  readonly serial?: string;
  readonly vbiosVersion?: string;
  readonly inforomImageVersion?: string;
  readonly inforomOemVersion?: string;
  readonly inforomEccVersion?: string;
  readonly inforomPowerVersion?: string;
  readonly nvmlVersion?: string;
  /** Of the process that the engine lives in: `nv-hostengine`, or this one. */
  readonly processName?: string;
}

/** Whether it is a MIG instance. A record of the store names the parent, and not the number of the instance. */
export function isInstance({ parentUuid, gpuInstanceId }: Device): boolean {
  return parentUuid !== undefined || gpuInstanceId !== undefined;
}

/** The same devices as those of a cluster; as they are where nobody told which. */
export function inCluster(devices: readonly Device[], cluster: string | undefined): readonly Device[] {
  return cluster === undefined ? devices : devices.map((device) => ({ ...device, cluster }));
}
