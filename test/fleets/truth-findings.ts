import { HOUR, MIN, S } from './fleet.ts';
import type { DeviceTruth, JobTruth } from './truth-job.ts';

/** Which rules speak of a job, by the table of docs/reports.md: surely, or surely not; of those that are neither it is too close. */
export interface FindingsTruth {
  readonly certain: ReadonlySet<string>;
  readonly possible: ReadonlySet<string>;
}

const SEEN = 0.95;

/** @param isAged whether gaps are not all told by their time */
export function findingsTruth(truth: JobTruth, isAged: boolean): FindingsTruth {
  const { run, all, devices, startUs, endUs } = truth;
  const [certain, possible] = [new Set<string>(), new Set<string>(['dips'])];
  const speaks = (rule: string, is: boolean, isClose = false): void => {
    if (is && !isClose) certain.add(rule);
    if (is || isClose) possible.add(rule);
  };
  if (all.samples === 0) speaks('no-data', true);
  const state = run.isRecorded ? run.state : '';
  const memory = devices.flatMap(({ gauges, ledger }) => {
    const gauge = gauges.get('fb_used_bytes');
    return gauge === undefined ? [] : [gauge.max / ledger.device.memoryBytes];
  });
  const fullest = Math.max(...memory);
  const hasFailed = run.isRecorded && (state === 'FAILED' || run.exitCode !== 0);
  speaks('out-of-memory', state === 'OUT_OF_MEMORY' || (hasFailed && fullest >= SEEN));
  const unused = devices.filter((one) => isKnown(one, 'sm_active_ratio') && maxOf(one) < 0.05);
  speaks('unused', unused.length > 0);
  idleness(truth, unused, speaks);
  const lengthUs = endUs - startUs;
  if (all.lastActiveUs !== undefined) tail(truth, all.lastActiveUs, isAged, speaks);
  const means = devices
    .filter((one) => isKnown(one, 'sm_active_ratio'))
    .map(({ gauges }) => gauges.get('sm_active_ratio')!.mean!);
  const [least, most] = [Math.min(...means), Math.max(...means)];
  speaks('imbalance', unused.length === 0 && most >= 0.1 && (most - least) / most >= 0.3);
  speaks(
    'memory-half',
    lengthUs >= 10 * MIN &&
      state !== 'OUT_OF_MEMORY' &&
      unused.length < devices.length &&
      devices.every((one) => isKnown(one, 'fb_used_bytes')) &&
      fullest <= 0.5,
  );
  speaks('coverage', all.samples > 0 && all.sampledUs < SEEN * all.ownedUs);
  const { counterJoules, counterUs, powerJoules, powerUs } = all.energy;
  if (counterJoules !== undefined && powerJoules !== undefined) {
    const joules = counterJoules * (powerUs / counterUs);
    const isOfOneTime =
      Math.abs(counterUs - powerUs) <= 0.02 * powerUs && Math.min(counterUs, powerUs) >= MIN;
    const stray = Math.abs(joules - powerJoules) / Math.max(joules, powerJoules, 1);
    speaks('energy-check', isOfOneTime && stray > 0.1);
  }
  return { certain, possible };
}

/** Whether a level was known for nearly all of the device's time. */
function isKnown({ gauges, ownedUs }: DeviceTruth, column: string): boolean {
  return (gauges.get(column)?.knownUs ?? 0) >= SEEN * ownedUs && gauges.get(column)?.mean !== undefined;
}

function maxOf({ gauges }: DeviceTruth): number {
  return gauges.get('sm_active_ratio')!.max;
}

type Speaks = (rule: string, is: boolean, isClose?: boolean) => void;

/** Idle for half of the time, whatever was done while nobody saw it. */
function idleness({ devices }: JobTruth, unused: readonly DeviceTruth[], speaks: Speaks): void {
  const used = devices.filter((one) => !unused.includes(one));
  const sum = (of: (one: DeviceTruth) => number): number => used.reduce((us, one) => us + of(one), 0);
  const idleUs = sum(({ idleUs: us }) => us ?? 0);
  const knownUs = sum(({ ownKnownUs }) => ownKnownUs);
  // Their part of what was not seen is not known to the sample.
  const allUs = sum((one) => one.ownedUs * (one.sampledUs > 0 ? one.attributedUs / one.sampledUs : 1));
  const ratio = idleUs / Math.max(knownUs, allUs);
  speaks('idle', knownUs > 0 && ratio >= 0.5, Math.abs(ratio - 0.5) < 1e-6);
}

/** All devices idle at the end for ten minutes and a tenth of the job, as far as they were seen. */
function tail(
  { devices, all, startUs, endUs, boundaryUs }: JobTruth,
  fromUs: number,
  isAged: boolean,
  speaks: Speaks,
): void {
  const held = devices.flatMap((one) => {
    const stay = one.ledger.stays.find(({ run, gpu }) => run === one.run && gpu === one.ledger.device.uuid)!;
    return stay.endUs > fromUs ? [{ stay, rows: one.ledger.lanes }] : [];
  });
  const seenUntilUs = held.map(({ stay, rows }) => {
    const times = [...rows.get('gpu_main')!.tsUs].filter((us) => stay.startUs < us && us <= stay.endUs);
    const lastUs = times.at(-1);
    return lastUs === undefined || lastUs >= stay.endUs - boundaryUs ? endUs : lastUs;
  });
  const lengthUs = Math.min(endUs, ...seenUntilUs) - fromUs;
  const isLong = lengthUs >= 10 * MIN && lengthUs >= 0.1 * (endUs - startUs);
  const isAllSeen = all.idleKnownUs >= all.ownedUs - 60 * S * devices.length;
  // Where some of it was not seen, how much of that lies in the tail is the product's own estimate.
  speaks('idle-tail', isLong && isAllSeen, isLong && (!isAllSeen || isAged || lengthUs < HOUR / 60));
}
