import type { Found } from '../figures/job/figures.ts';
import { hostDoingText } from './host/host-text.ts';
import { deviceNames } from './text/device-name.ts';
import { clockTime, formatRatio, formatSpan } from './text/format-quantity.ts';

type Costly = Extract<
  Found,
  {
    rule: 'idle-head' | 'hang' | 'pauses' | 'kernel-gaps' | 'low-occupancy' | 'no-tensor' | 'power-cap';
  }
>;

/** What took time that a job could have worked in, or made less of it than there was to be had. */
export function lostText(finding: Costly): string {
  switch (finding.rule) {
    case 'idle-head': {
      const [length, until] = [formatSpan(finding.toUs - finding.fromUs), clockTime(finding.toUs)];
      return `no GPU did anything for the first ${length} (until ${until}; ${formatRatio(finding.ratio)} of its time): what was it waiting for?`;
    }
    case 'hang':
      return hangText(finding);
    case 'pauses':
      return `all GPUs rested together for ${formatRatio(finding.ratio)} of the time, in pauses of five seconds and more (checkpoints, evaluation, a change of data?).${hostDoingText('Meanwhile', finding.host)}`;
    case 'kernel-gaps':
      return `no kernel ran for ${formatRatio(finding.ratio)} of the time, between others: late input, code of the host, or launches.${hostDoingText('While it worked,', finding.host)}`;
    case 'low-occupancy':
      return (
        `some kernel ran for ${formatRatio(finding.busy.value)} of the time, which nvidia-smi calls utilization, but on the mean` +
        ` ${formatRatio(finding.sm.value)} of the SMs were active: small kernels, or kernels that wait.`
      );
    case 'no-tensor':
      return (
        `SM activity was ${formatRatio(finding.sm.value)}, that of the FP32 pipe ${formatRatio(finding.fp32Ratio)}, of the tensor cores` +
        ` ${formatRatio(finding.tensor.value)}: numbers of 16 bits or TF32 (PyTorch: set_float32_matmul_precision("high")) would use them.`
      );
    case 'power-cap':
      return (
        `the power limit held down the clocks of ${deviceNames(finding.devices)} for ${formatRatio(finding.ratio)} of the time:` +
        ' nothing that the job can change.'
      );
  }
}

function hangText({ fromUs, toUs, count, isOpen }: Extract<Found, { rule: 'hang' }>): string {
  const [from, length] = [clockTime(fromUs), formatSpan(toUs - fromUs)];
  const what = 'kernels ran on all GPUs and computed, read and sent nothing';
  if (isOpen) return `no progress since ${from} (${length}): ${what}. Processes that wait for each other?`;
  const others = count === 1 ? '' : `, and ${count - 1} more such times`;
  return `no progress for ${length} from ${from}${others}: ${what}. Processes that waited for each other?`;
}
