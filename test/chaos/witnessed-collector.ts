import { fileURLToPath } from 'node:url';

/** Arguments of node for a collector whose synthetic source writes down its ticks, into `GPULEDGER_WITNESS_FILE`. */
export const WITNESSED_COLLECTOR: readonly string[] = [
  '--import',
  new URL('./witness-hook.ts', import.meta.url).href,
  fileURLToPath(new URL('./collector-process.ts', import.meta.url)),
];
