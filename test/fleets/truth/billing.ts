import { UNRESOLVED, type FleetRun } from '../draw/fleet.ts';

/** What the scheduler counted for jobs (GPUs × time), against the time for which they owned devices. */
export interface BillingTruth {
  readonly compared: number;
  readonly unbilled: number;
  readonly unrecorded: number;
  readonly differences: readonly BillingDifferenceTruth[];
}

interface BillingDifferenceTruth {
  readonly jobId: string;
  readonly run: number;
  readonly cluster: string | undefined;
  readonly ownedUs: number;
  readonly billedUs: number;
  readonly gpus: number;
  readonly devices: number;
}

/** So much a GPU is no difference. */
const TOLERANCE_US = 60e6;

interface Spell {
  readonly startUs: number;
  readonly endUs: number;
}

/** By id, and only ids of which all that reaches into the window lies in it. @param runs of all fleets */
export function billingTruth(
  runs: readonly FleetRun[],
  {
    fromUs,
    toUs,
    cluster,
  }: { readonly fromUs: number; readonly toUs: number; readonly cluster: string | undefined },
): BillingTruth {
  const meant = runs.filter(
    (run) => run.jobId !== UNRESOLVED && (cluster === undefined || run.cluster === cluster),
  );
  let [compared, unbilled] = [0, 0];
  const differences: BillingDifferenceTruth[] = [];
  for (const own of Map.groupBy(meant, ({ jobId }) => jobId).values()) {
    const records = own.filter(({ isRecorded }) => isRecorded).map(recordOf);
    const spells: Spell[] = [...records, ...own.flatMap(({ stays }) => stays)];
    const reaching = spells.filter(({ startUs, endUs }) => startUs < toUs && endUs >= fromUs);
    const isWithin = reaching.every(({ startUs, endUs }) => startUs >= fromUs && endUs <= toUs);
    if (reaching.length === 0 || !isWithin) continue;
    const isBilled = records.some((record) => reaching.includes(record));
    if (!isBilled) unbilled += 1;
    else compared += 1;
    const there = own.filter(
      ({ isRecorded, stays }) => isRecorded && stays.some((stay) => reaching.includes(stay)),
    );
    differences.push(...there.map(differenceOf).filter((one) => one !== undefined));
  }
  const stray = ({ ownedUs, billedUs }: BillingDifferenceTruth): number => Math.abs(ownedUs - billedUs);
  return {
    ...{ compared, unbilled, unrecorded: 0 },
    differences: differences.sort((a, b) => stray(b) - stray(a) || (a.jobId < b.jobId ? -1 : 1)),
  };
}

/** From its first start to its last end, with as many GPUs as it had stays. */
function recordOf({ stays }: FleetRun): Spell {
  return {
    startUs: Math.min(...stays.map(({ startUs }) => startUs)),
    endUs: Math.max(...stays.map(({ endUs }) => endUs)),
  };
}

function differenceOf(run: FleetRun): BillingDifferenceTruth | undefined {
  const { stays, jobId, count, cluster } = run;
  const { startUs, endUs } = recordOf(run);
  const gpus = stays.length;
  const devices = new Set(stays.map(({ gpu }) => gpu)).size;
  const billedUs = gpus * (endUs - startUs);
  const ownedUs = stays.reduce((sum, stay) => sum + stay.endUs - stay.startUs, 0);
  const isSame = Math.abs(ownedUs - billedUs) <= TOLERANCE_US * Math.max(gpus, devices);
  return isSame ? undefined : { jobId, run: count, cluster, ownedUs, billedUs, gpus, devices };
}
