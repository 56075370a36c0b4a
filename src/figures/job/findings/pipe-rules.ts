import type { FindingLimits } from '../../../core/analysis/finding-limits.ts';
import { hasFastMatrices } from '../../../core/devices/model-peaks.ts';
import type { GaugeKey } from '../../gauges.ts';
import type { Quantity } from '../../quantity.ts';
import type { Found, JobFacts, RuleNotTold } from '../figures.ts';
import { seenRatio } from './cause-rules.ts';

/** What was known for less of the time that was seen is not judged. */
const KNOWN_RATIO_MIN = 0.95;
/** Below that the tensor cores do nothing. */
const TENSOR_RATIO_MAX = 0.02;

/** The mean of a gauge over all devices; undefined where it was not known for nearly all of the time. */
function meanOf({ gauges, all }: JobFacts, wanted: GaugeKey): Quantity | undefined {
  const mean = gauges.find(({ key }) => key === wanted)?.mean;
  return mean !== undefined && mean.knownUs >= KNOWN_RATIO_MIN * all.sampledUs ? mean : undefined;
}

/** In which part of the time any kernel ran. */
function busyOf(facts: JobFacts): Quantity | undefined {
  return meanOf(facts, 'gpuUtil') ?? meanOf(facts, 'engineActive');
}

/** nvidia-smi calls a GPU busy that runs a kernel, however few of the SMs that has. */
export function lowOccupancy(
  facts: JobFacts,
  { lowEngineRatio, lowSmRatio }: FindingLimits,
): readonly Found[] {
  const [busy, sm] = [busyOf(facts), meanOf(facts, 'smActive')];
  if (busy === undefined || sm === undefined) return [];
  if (busy.value < lowEngineRatio || sm.value >= lowSmRatio) return [];
  const { causes } = facts;
  // A job that hangs, or devices that wait for another, look so on the mean.
  if (causes !== undefined && !('why' in causes) && seenRatio(causes, 'low') < lowSmRatio) return [];
  return [{ rule: 'low-occupancy', busy, sm }];
}

/** Matrices that the FP32 pipe multiplies, beside tensor cores that rest. */
export function noTensor(
  facts: JobFacts,
  { tensorlessSmRatio, tensorlessFp32Ratio }: FindingLimits,
): readonly Found[] {
  const [sm, tensor, fp32] = [
    meanOf(facts, 'smActive'),
    meanOf(facts, 'tensorActive'),
    facts.all.smShares.fp32,
  ];
  if (sm === undefined || tensor === undefined || fp32 === undefined) return [];
  if (sm.value < tensorlessSmRatio || tensor.value >= TENSOR_RATIO_MAX) return [];
  const fp32Ratio = fp32.value * sm.value;
  if (fp32Ratio < tensorlessFp32Ratio || !haveFastMatrices(facts)) return [];
  return [{ rule: 'no-tensor', sm, tensor, fp32Ratio }];
}

function haveFastMatrices({ devices }: JobFacts): boolean {
  return devices.every(({ model }) => hasFastMatrices(model));
}

/** Rules that may have had something to say, and what they could not know. */
export function pipeRulesNotTold(facts: JobFacts, limits: FindingLimits): RuleNotTold[] {
  const sm = meanOf(facts, 'smActive');
  if (sm === undefined) return [];
  const [busy, tensor, fp32] = [busyOf(facts), meanOf(facts, 'tensorActive'), facts.all.smShares.fp32];
  const isFew = sm.value < limits.lowSmRatio && busy === undefined;
  const isTensorless = tensor === undefined || tensor.value < TENSOR_RATIO_MAX;
  const isMany = sm.value >= limits.tensorlessSmRatio && isTensorless && haveFastMatrices(facts);
  const lacks = [
    ...(tensor === undefined ? ['tensorActive' as const] : []),
    ...(fp32 === undefined ? ['fp32' as const] : []),
  ];
  return [
    ...(isFew ? [{ rule: 'low-occupancy' as const, lacks: ['engineActive' as const] }] : []),
    ...(isMany && lacks.length > 0 ? [{ rule: 'no-tensor' as const, lacks }] : []),
  ];
}
