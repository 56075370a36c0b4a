import { FINDING_LIMITS, type FindingLimitName } from '../../core/analysis/finding-limits.ts';
import type * as values from '../values.ts';

/** A minute of idleness is nothing yet; nobody waits for a month. */
const LIMIT_BOUNDS = { minMs: 60_000, maxMs: 30 * 86_400_000 };

function limitKey(name: FindingLimitName, doc: string) {
  return {
    type: (is: typeof values) => is.part.prefault(FINDING_LIMITS[name].usual),
    doc,
  };
}

/** Where the rules on what stands out begin to speak. */
export const FINDING_KEYS = {
  about: 'from where on the rules of `report job` speak of what stands out: docs/reports.md',
  keys: {
    throttled_ratio: limitKey('throttledRatio', 'a throttled GPU with less of the SM activity of the others'),
    idle_ratio: limitKey('idleRatio', 'GPUs that were used are idle for this part of their time'),
    idle_tail: {
      type: (is: typeof values) => is.durationMs(LIMIT_BOUNDS).prefault('10m'),
      doc: 'all GPUs are idle at the end for so long',
      as: 'idleTailMs',
    },
    idle_tail_ratio: limitKey('idleTailRatio', 'and for this part of the job'),
    idle_head: {
      type: (is: typeof values) => is.durationMs(LIMIT_BOUNDS).prefault('5m'),
      doc: 'nothing runs from the start on for so long',
      as: 'idleHeadMs',
    },
    idle_head_ratio: limitKey('idleHeadRatio', 'or for a minute and this part of the job'),
    imbalance_ratio: limitKey('imbalanceRatio', 'the slowest mean SM activity is so far below the fastest'),
    pauses_ratio: limitKey('pausesRatio', 'pauses of all GPUs take this part of the time'),
    kernel_gaps_ratio: limitKey('kernelGapsRatio', 'gaps between kernels take this part of the time'),
    low_engine_ratio: limitKey('lowEngineRatio', 'some kernel runs for this part of the time'),
    low_sm_ratio: limitKey('lowSmRatio', 'while fewer of the SMs are active'),
    tensorless_sm_ratio: limitKey('tensorlessSmRatio', 'SM activity of a job that leaves tensor cores alone'),
    tensorless_fp32_ratio: limitKey('tensorlessFp32Ratio', 'and its FP32 activity'),
    power_cap_ratio: limitKey(
      'powerCapRatio',
      'the power limit holds down the clocks for this part of the time',
    ),
    memory_ratio: limitKey('memoryRatio', 'the memory peak is at most this part of the GPU'),
    coverage_ratio: limitKey('coverageRatio', 'less of the owned time was sampled'),
    energy_ratio: limitKey('energyRatio', 'counter and power integral differ by more'),
    regression_ratio: limitKey('regressionRatio', 'a job takes this part more than its last runs, at least'),
  },
} as const;
