import type { InvalidRollup } from '../../figures/capacity/figures.ts';
import type { GaugeKey } from '../../figures/gauges.ts';
import type { NotMeasured } from '../../figures/job/figures.ts';

/** What people call a gauge. */
export const GAUGE_LABELS: Readonly<Record<GaugeKey, string>> = {
  smActive: 'SM active',
  tensorActive: 'tensor active',
  dramActive: 'DRAM active',
  engineActive: 'engine active',
  gpuUtil: 'any kernel ran',
  power: 'power',
  memoryUsed: 'memory',
  pcieSent: 'PCIe sent',
  pcieReceived: 'PCIe received',
  nvlinkSent: 'NVLink sent',
  nvlinkReceived: 'NVLink received',
};

export const NOT_MEASURED_REASONS: Readonly<Record<NotMeasured['why'], string>> = {
  no_lane: 'no lane records it',
  blank: 'the device gave no values',
};

/** `gpu_profiling_1m (base table is dropped)`. */
export function rollupText({ name, reason }: InvalidRollup): string {
  return `${name} (${reason ?? 'no reason told'})`;
}
