import type { HostDoing } from '../../core/analysis/host-doing.ts';
import type { HostFigures, HostMeans } from '../../figures/job/host/figures.ts';

/** What a job did on its nodes, as JSON; left out where nobody recorded it. */
export function hostJson(host: HostFigures | undefined): object | undefined {
  if (host === undefined) return undefined;
  const { nodeCount, ownedUs, cpuCoresMax, memoryPeakBytes, inPauses, atWork } = host;
  return {
    nodes: nodeCount,
    ownedUs,
    ...meansJson(host),
    cpuCoresMax,
    memoryPeakBytes,
    inPauses: inPauses === undefined ? undefined : meansJson(inPauses),
    atWork: atWork === undefined ? undefined : meansJson(atWork),
  };
}

function meansJson(means: HostMeans): object {
  return {
    seenUs: means.seenUs,
    cpuCores: means.cpuCores,
    cpuWaitRatio: means.cpuWaitRatio,
    ioWaitRatio: means.ioWaitRatio,
    readBytesPerSecond: means.readBytesPerSecond,
    writeBytesPerSecond: means.writeBytesPerSecond,
  };
}

/** What the host did while the GPUs did not. */
export function hostDoingJson({ ioWaitRatio, cpuCores, isAtRest }: HostDoing): object {
  return { ioWaitRatio, cpuCores, isAtRest: isAtRest ? true : undefined };
}
