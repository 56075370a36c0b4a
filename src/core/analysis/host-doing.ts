/** What the host of a job did while its GPUs did not, as far as that tells why. */
export interface HostDoing {
  /** Some process waited for storage for so much of the time, 0 to 1; undefined where that is little, or not known. */
  readonly ioWaitRatio: number | undefined;
  /** So many CPUs of a node were busy, on the mean; undefined where these are few, or not known. */
  readonly cpuCores: number | undefined;
  /** Its processes hardly ran and hardly waited for storage: what they waited for is not known. */
  readonly isAtRest: boolean;
}

/** From here on waits for storage are worth a word. A job that reads in time has some. */
const IO_WAIT_RATIO_MIN = 0.3;
/** Nearly one CPU: Python runs its code on one at a time. */
const CPU_CORES_MIN = 0.8;
/** With less of both nothing goes on. */
const REST = { cpuCoresMax: 0.1, ioWaitRatioMax: 0.05 } as const;

/**
 * @param means over the time of which that is asked; undefined where too little of it was seen
 * @returns undefined where nothing stands out
 */
export function hostDoing(
  means: { readonly cpuCores: number | undefined; readonly ioWaitRatio: number | undefined } | undefined,
): HostDoing | undefined {
  const { cpuCores, ioWaitRatio } = means ?? {};
  const isBusy = cpuCores !== undefined && cpuCores >= CPU_CORES_MIN;
  const isWaiting = ioWaitRatio !== undefined && ioWaitRatio >= IO_WAIT_RATIO_MIN;
  const isAtRest =
    cpuCores !== undefined &&
    ioWaitRatio !== undefined &&
    cpuCores < REST.cpuCoresMax &&
    ioWaitRatio < REST.ioWaitRatioMax;
  if (!isBusy && !isWaiting && !isAtRest) return undefined;
  return {
    ioWaitRatio: isWaiting ? ioWaitRatio : undefined,
    cpuCores: isBusy ? cpuCores : undefined,
    isAtRest,
  };
}
