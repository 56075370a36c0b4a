import type { IdleLimit, IdleLimits } from '../../core/fields/idle-limits.ts';
import type { Sharing } from '../../core/jobs/device-parts.ts';
import type { PipeKey } from '../../core/fields/well-known.ts';
import type { GaugeKey } from '../../figures/gauges.ts';
import type { InvalidRollup } from '../../figures/invalid-rollups.ts';
import type { TaskFigures } from '../../figures/job/tasks-figures.ts';
import type { NotMeasured } from '../../figures/job/figures.ts';
import { formatRatio } from './format-quantity.ts';

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

export const PIPE_LABELS: Readonly<Record<PipeKey, string>> = {
  tensor: 'tensor',
  fp64: 'FP64',
  fp32: 'FP32',
  fp16: 'FP16',
};

export const NOT_MEASURED_REASONS: Readonly<Record<NotMeasured['why'], string>> = {
  no_lane: 'no lane records it',
  blank: 'the device gave no values',
};

/** Of a job of which `jobs` alone knows. */
export const NO_DEVICES = 'it had no GPUs, or nobody recorded which';

/** How the parts of shared devices were found. */
export const WAYS_TO_SHARE: Readonly<Record<Exclude<Sharing, 'whole'>, string>> = {
  stated: 'by stated shares',
  measured: 'by measured use',
  equal: 'in equal parts',
};

/** `SM activity below 5 %`, `SM activity below 5 % (NVIDIA A30: 10 %)`. */
export function idleText({ smRatio, models = new Map<string, IdleLimit>() }: IdleLimits): string {
  const others = [...models].map(([model, limit]) => `${model}: ${formatRatio(limit)}`);
  return `SM activity below ${formatRatio(smRatio)}${others.length === 0 ? '' : ` (${others.join(', ')})`}`;
}

/** `below 5 %`, `below 5 % or 10 %`. @param limits of the devices that are spoken of, ascending */
export function belowText(limits: readonly IdleLimit[]): string {
  return `below ${limits.map((limit) => formatRatio(limit)).join(' or ')}`;
}

/** How a job's amounts were found, of several ways by the least certain: somebody else's share may have been told. */
export function dividedText(sharing: keyof typeof WAYS_TO_SHARE): string {
  const what = sharing === 'stated' ? 'hours and energy' : 'hours and energy that no stated share covers';
  return `${what} are divided ${WAYS_TO_SHARE[sharing]}`;
}

/** `gpu_profiling_1m (base table is dropped)`. */
export function rollupText({ name, reason }: InvalidRollup): string {
  return `${name} (${reason ?? 'no reason told'})`;
}

/** One sentence, or none. */
export function invalidRollupTexts(rollups: readonly InvalidRollup[]): string[] {
  if (rollups.length === 0) return [];
  const names = rollups.map(rollupText).join(', ');
  return [
    `The server has stopped updating ${names}: later changes are missing. Mend it: gpuledger schema apply`,
  ];
}

/** `COMPLETED`, `FAILED (exit 1), run 1`. */
export function stateText({
  state,
  exitCode,
  isOpen,
  run,
  runCount,
}: Pick<TaskFigures, 'state' | 'exitCode' | 'isOpen' | 'run' | 'runCount'>): string {
  const told = state ?? (isOpen ? 'running' : 'ended');
  const exit = exitCode === undefined || exitCode === 0 || isOpen ? '' : ` (exit ${exitCode})`;
  return `${told}${exit}${runCount === 1 ? '' : `, run ${run}`}`;
}
