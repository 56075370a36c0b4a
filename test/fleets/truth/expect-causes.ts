import type { Check, Expected } from '../differences.ts';
import type { DeviceTruth, JobTruth, OwnedTruth } from './job.ts';
import { ratioOf } from './mig.ts';

/** What `causes` of a job or device are. */
interface Told {
  readonly ownedUs: number;
  readonly parts: Readonly<Record<string, { readonly us: number; readonly joules?: number }>>;
  readonly waitingLeastUs?: number;
  readonly waitingMostUs?: number;
}

/** In the order in which they are told. */
const CAUSES = [
  'notSeen',
  'untold',
  'idleHead',
  'idleTail',
  'pause',
  'hang',
  'deviceIdle',
  'gaps',
  'waiting',
  'throttled',
  'low',
  'effective',
];
const ENGINE = 'gr_engine_active_ratio';

/**
 * Which cause has what is told by `test/core/analysis`. Whatever was drawn: they add up to what was owned, what nobody saw is of none
 * of the others, the energy is all that is told, and nothing is told where no engine activity was known.
 */
export function expectedCauses(truth: JobTruth, isAged: boolean): Expected {
  const { all, devices } = truth;
  if (all.samples === 0) return undefined;
  if (!all.gauges.has(ENGINE)) return { notTold: 'no_engine' };
  return (got) => {
    const told = got as unknown as (Told & { origin: string; isCut?: true }) | { notTold: string };
    if ('notTold' in told) return isAged && told.notTold === 'aged_out' ? undefined : 'causes';
    if (!['samples', 'minutes', 'minutes_alone'].includes(told.origin)) return 'an origin';
    const wanted = devices.reduce((sum, device) => sum + ownPart(device).ownedUs, 0);
    return wrongIn(told, wanted, all);
  };
}

export function expectedCausesOf(truth: DeviceTruth): Check {
  return (got) => {
    if (got === undefined) return undefined;
    const told = got as unknown as Told;
    const { ownedUs, seenUs } = ownPart(truth);
    const notSeenUs = told.parts['notSeen']?.us ?? 0;
    if (Math.abs(notSeenUs - Math.max(0, ownedUs - seenUs)) > CAUSES.length)
      return `not seen ${ownedUs - seenUs} µs`;
    return wrongIn(told, ownedUs, truth);
  };
}

/** By the job's part of the device, of a MIG instance by slices. */
function ownPart({ ownedUs, sampledUs, attributedUs, ledger }: DeviceTruth): {
  ownedUs: number;
  seenUs: number;
} {
  const { instance } = ledger.device;
  const part = sampledUs > 0 ? attributedUs / sampledUs : instance === undefined ? 1 : (ratioOf(ledger) ?? 1);
  return { ownedUs: Math.round(ownedUs * part), seenUs: attributedUs };
}

function wrongIn(told: Told, ownedUs: number, { energy }: Pick<OwnedTruth, 'energy'>): string | undefined {
  const parts = Object.values(told.parts);
  const sumUs = parts.reduce((sum, { us }) => sum + us, 0);
  if (sumUs !== told.ownedUs || Math.abs(sumUs - ownedUs) > 1) return `${ownedUs} µs in all`;
  if (!parts.every(({ us }) => Number.isSafeInteger(us) && us > 0)) return 'whole µs';
  const order = CAUSES.filter((cause) => cause in told.parts);
  if (Object.keys(told.parts).join() !== order.join()) return order.join();
  const { waiting } = told.parts;
  const { waitingLeastUs: least, waitingMostUs: most } = told;
  if (
    least === undefined
      ? waiting !== undefined
      : !(least <= (waiting?.us ?? 0) && (waiting?.us ?? 0) <= most!)
  )
    return 'waiting within its range';
  const joules = parts.flatMap((part) => part.joules ?? []).reduce((sum, one) => sum + one, 0);
  // Instances have none of their own, and those of which nothing is known none at all.
  const best = energy.bestJoules ?? 0;
  return joules <= best * (1 + 1e-9) + 1e-9 ? undefined : `at most ${best} J`;
}
