/** Stands in for the synthetic source where `witness-hook.ts` is loaded. */
import { openSynthetic as open } from '../../src/source/synthetic.ts';
import { witnessed } from './witness.ts';

export const openSynthetic: typeof open = (scenario, onEvent) => {
  const file = process.env['GPULEDGER_WITNESS_FILE'];
  if (file === undefined) throw new Error('a witnessed collector needs GPULEDGER_WITNESS_FILE');
  return witnessed(open(scenario, onEvent), file);
};
