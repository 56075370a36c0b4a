import type { Found } from '../../figures/job/figures.ts';

/** What to do about it, in few words, where nobody looks at one job; what it is about is told by the job's own report. */
const ADVICE: Readonly<Record<Found['rule'], string>> = {
  'no-data': 'nothing was sampled: did a collector run on its nodes?',
  xid: 'the driver reported an error: the report of the job says which',
  'out-of-memory': 'smaller batches, or a GPU with more memory',
  'crash-loop': 'failed soon, several times: mend the first before the next is started',
  unused: 'ask for fewer GPUs, or see whether the program finds them',
  hang: 'no progress for minutes: do processes wait for each other?',
  'idle-tail': 'end the job when its work is done',
  'idle-head': 'stage data and containers before the job',
  throttle: 'a GPU was slowed down: the report of the job says by what',
  'computes-longest': 'the others wait for one GPU: the report of the job says why',
  'fed-late': 'the others wait for the input of one GPU',
  imbalance: 'divide the work more evenly among the GPUs',
  dips: 'checkpoints or evaluations? Rarer, or beside the work',
  pauses: 'checkpoints or evaluations? Rarer, or beside the work',
  'kernel-gaps': 'faster input: more workers, pinned memory, larger batches',
  'low-occupancy': 'larger batches, fewer small kernels',
  idle: 'fewer GPUs, or several jobs on one',
  'no-tensor': 'numbers of 16 bits, or TF32, for the tensor cores',
  'memory-half': 'a GPU or MIG slice of half the memory would do',
  'power-cap': 'nothing that a job can change',
  'pcie-degraded': 'tell whoever runs the nodes',
  fragmented: 'ask for fewer nodes with more GPUs each',
  regressed: 'it took more than its last runs: the report of the job shows them',
  coverage: 'a part was not sampled: its figures are of the rest',
  'energy-check': 'one of two sensors is wrong: tell whoever runs the nodes',
};

/** @returns undefined of a rule that another version knew */
export function ruleAdvice(rule: string): string | undefined {
  return Object.hasOwn(ADVICE, rule) ? ADVICE[rule as Found['rule']] : undefined;
}
