import { CAUSES } from '../../../core/analysis/causes.ts';
import type { CauseAmounts, DeviceCauses, JobCauses } from './figures.ts';

/** Several devices together, or several stays of one. */
export function addCauses(
  parts: readonly Pick<DeviceCauses, 'causes' | 'waiting'>[],
): Pick<JobCauses, 'causes' | 'waiting'> {
  const waits = parts.flatMap(({ waiting }) => (waiting === undefined ? [] : [waiting]));
  return {
    causes: addAmounts(parts.map(({ causes }) => causes)),
    waiting:
      waits.length === 0
        ? undefined
        : {
            leastUs: waits.reduce((sum, { leastUs }) => sum + leastUs, 0),
            mostUs: waits.reduce((sum, { mostUs }) => sum + mostUs, 0),
          },
  };
}

function addAmounts(parts: readonly CauseAmounts[]): CauseAmounts {
  return new Map(
    CAUSES.flatMap((cause) => {
      const own = parts.flatMap((causes) => causes.get(cause) ?? []);
      const joules = own.flatMap((amount) => amount.joules ?? []);
      const us = own.reduce((sum, amount) => sum + amount.us, 0);
      const sum = joules.length === 0 ? undefined : joules.reduce((a, b) => a + b, 0);
      return us === 0 ? [] : [[cause, { us, joules: sum }] as const];
    }),
  );
}
