import type { HostDoing } from '../../core/analysis/host-doing.ts';
import type { HostFigures } from '../../figures/job/host/figures.ts';
import {
  formatCoverage,
  formatMemory,
  formatNumber,
  formatRate,
  formatRatio,
} from '../text/format-quantity.ts';
import { wrap } from '../text/table-text.ts';

/** What is known of less of the time says so. */
const SEEN_RATIO_MIN = 0.95;

/** What a job did with the CPUs, the storage and the memory of its nodes; nothing where nobody recorded it. */
export function hostLines(host: HostFigures | undefined, width: number): string[] {
  if (host === undefined) return [];
  const { cpuCores, cpuCoresMax, ioWaitRatio, readBytesPerSecond, writeBytesPerSecond, memoryPeakBytes } =
    host;
  const rates = [
    ...(readBytesPerSecond === undefined ? [] : [`reads ${formatRate(readBytesPerSecond)}`]),
    ...(writeBytesPerSecond === undefined ? [] : [`writes ${formatRate(writeBytesPerSecond)}`]),
  ];
  const most = cpuCoresMax === undefined ? '' : ` (at most ${formatNumber(cpuCoresMax)})`;
  const texts = [
    ...(cpuCores === undefined ? [] : [`${formatNumber(cpuCores)} CPU cores busy${most}`]),
    ...(ioWaitRatio === undefined ? [] : [`waits for storage ${formatRatio(ioWaitRatio)} of the time`]),
    ...(rates.length === 0 ? [] : [rates.join(', ')]),
    ...(memoryPeakBytes === undefined ? [] : [`memory peak ${formatMemory(memoryPeakBytes)}`]),
  ];
  if (texts.length === 0) return [];
  return wrap(`host: ${texts.join(' · ')}${ofText(host)}`, width, '  ', '    ');
}

/** Of how many nodes, and of how much of the time where that is not nearly all. */
function ofText({ nodeCount, seenUs, ownedUs }: HostFigures): string {
  const of = [
    ...(nodeCount === 1 ? [] : [`of a node, ${nodeCount} were seen`]),
    ...(seenUs >= SEEN_RATIO_MIN * ownedUs
      ? []
      : [`over ${formatCoverage(Math.min(1, seenUs / ownedUs))} of the time`]),
  ];
  return of.length === 0 ? '' : ` (${of.join('; ')})`;
}

/** A sentence behind a finding: what its processes did meanwhile. Empty where that is not known, or says nothing. */
export function hostDoingText(when: string, host: HostDoing | undefined): string {
  if (host === undefined) return '';
  const { ioWaitRatio, cpuCores, isAtRest } = host;
  if (isAtRest) return ` ${when} its processes hardly ran, and hardly waited for storage.`;
  const parts = [
    ...(ioWaitRatio === undefined ? [] : [`waited for storage ${formatRatio(ioWaitRatio)} of the time`]),
    ...(cpuCores === undefined ? [] : [`kept ${formatNumber(cpuCores)} CPU cores of a node busy`]),
  ];
  return ` ${when} its processes ${parts.join(' and ')}.`;
}
