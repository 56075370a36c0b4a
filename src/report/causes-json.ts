import type { CauseAmounts, JobCauses, NoCauses, WaitingRange } from '../figures/job/causes/figures.ts';
import type { JobCosts, JobFigures } from '../figures/job/figures.ts';
import { costsJson } from './costs-json.ts';

/** Where the time of all devices went: µs that add up to `ownedUs`, causes of no time left out; or why that is not told. */
export function causesJson({ causes, costs }: Pick<JobFigures, 'causes' | 'costs'>): object | undefined {
  if (causes === undefined) return undefined;
  if ('why' in causes) return { notTold: causes.why };
  return {
    ...amountsOf(causes, costs?.causes),
    origin: causes.origin,
    isKept: causes.isKept ? true : undefined,
    isCut: causes.isCut ? true : undefined,
  };
}

/** The same of one device. */
export function deviceCausesJson(causes: JobCauses | NoCauses | undefined, gpu: string): object | undefined {
  if (causes === undefined || 'why' in causes) return undefined;
  const own = causes.devices.find((device) => device.gpu === gpu);
  return own === undefined ? undefined : amountsOf(own);
}

function amountsOf(
  {
    causes,
    waiting,
  }: {
    readonly causes: CauseAmounts;
    readonly waiting: WaitingRange | undefined;
  },
  costs?: JobCosts['causes'],
): object {
  const told = [...causes].map(
    ([cause, { us, joules }]) => [cause, { us, joules, costs: costsJson(costs?.get(cause)) }] as const,
  );
  return {
    ownedUs: told.reduce((sum, [, { us }]) => sum + us, 0),
    parts: Object.fromEntries(told),
    waitingLeastUs: waiting?.leastUs,
    waitingMostUs: waiting?.mostUs,
  };
}
