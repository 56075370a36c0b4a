import { MIN, type FleetRun, type FleetStay } from '../draw/fleet.ts';
import { belowOf, type DeviceTruth, type JobTruth, type Picked } from './job.ts';
import { bucketAt } from './left.ts';
import type { DeviceLedger } from './ledger.ts';
import type { EnergyTruth } from './sums.ts';

/** Which rules speak of a job, by the table of docs/reports.md: surely, or surely not; of those that are neither it is too close. */
export interface FindingsTruth {
  readonly certain: ReadonlySet<string>;
  readonly possible: ReadonlySet<string>;
}

const SEEN = 0.95;

export function findingsTruth(truth: JobTruth): FindingsTruth {
  const { run, all, devices, startUs, endUs } = truth;
  const [certain, possible] = [new Set<string>(), new Set<string>()];
  const speaks = (rule: string, is: boolean, isClose = false): void => {
    if (is && !isClose) certain.add(rule);
    if (is || isClose) possible.add(rule);
  };
  if (all.samples === 0) speaks('no-data', true);
  speaks('dips', all.samples > 0 && truth.dips !== undefined);
  const state = run.isRecorded ? run.state : '';
  const memory = devices.flatMap(({ gauges, ledger }) => {
    const gauge = gauges.get('fb_used_bytes');
    return gauge === undefined ? [] : [gauge.max / ledger.device.memoryBytes];
  });
  const fullest = Math.max(...memory);
  const hasFailed = run.isRecorded && (state === 'FAILED' || run.exitCode !== 0);
  speaks('out-of-memory', state === 'OUT_OF_MEMORY' || (hasFailed && fullest >= SEEN));
  const unused = unusedOf(truth);
  speaks('unused', unused.length > 0);
  const { idleUs, knownUs, allUs } = idlenessOf(usedDevices(truth));
  const ratio = idleUs / Math.max(knownUs, allUs);
  speaks('idle', knownUs > 0 && ratio >= 0.5, Math.abs(ratio - 0.5) < 1e-6);
  tail(truth, speaks);
  const means = devices
    .filter((one) => isKnown(one, 'sm_active_ratio'))
    .map(({ gauges, ledger }) => ({ ledger, mean: gauges.get('sm_active_ratio')!.mean! }))
    .sort((a, b) => a.mean - b.mean);
  const [least = 0, most = 0] = [means[0]?.mean, means.at(-1)?.mean];
  const isLoad = most >= 2 * Math.max(...means.slice(-1).map(({ ledger }) => belowOf(ledger)));
  speaks('imbalance', unused.length === 0 && isLoad && (most - least) / most >= 0.3);
  speaks(
    'memory-half',
    endUs - startUs >= 10 * MIN &&
      state !== 'OUT_OF_MEMORY' &&
      unused.length < devices.length &&
      isMemoryKnown(devices) &&
      fullest <= 0.5,
  );
  // Of a job that began before anybody told of the fleet, or of nodes of no cluster, the inventory of other fleets speaks.
  const isOfOthers = run.cluster === undefined || startUs < devices[0]!.ledger.fleet.fromUs;
  speaks('fragmented', all.samples > 0 && spreadOf(truth) !== undefined, isOfOthers);
  speaks('coverage', all.samples > 0 && all.sampledUs < SEEN * all.ownedUs);
  speaks('energy-check', (strayOf(all.energy) ?? 0) > 0.1);
  return { certain, possible };
}

/** On how many nodes a job's whole GPUs are, and how many of the smallest of them would hold as many; undefined where that is no fewer. */
export function spreadOf({
  run,
  devices,
  ways,
  startUs,
}: JobTruth): { readonly nodes: number; readonly enough: number; readonly smallest: number } | undefined {
  const { fleet } = devices[0]!.ledger;
  const nodes = new Set(devices.map(({ ledger }) => ledger.device.node));
  const isTogether =
    Math.max(...run.stays.map(({ startUs }) => startUs)) < Math.min(...run.stays.map((stay) => stay.endUs));
  const isPlain = devices.every(({ ledger }) => ledger.device.instance === undefined);
  if (!isTogether || !isPlain || [...ways].some((way) => way !== 'whole')) return undefined;
  const sizes = [...nodes].map((node) => {
    const seen = fleet.sightings.filter(
      ({ device, tsUs }) => device.node === node && device.cluster === run.cluster && tsUs <= startUs,
    );
    const isCut = seen.some(({ device }) => device.instance !== undefined);
    return isCut ? 0 : new Set(seen.map(({ device }) => device.uuid)).size;
  });
  const smallest = Math.min(...sizes);
  const enough = smallest === 0 ? Infinity : Math.ceil(devices.length / smallest);
  return enough < nodes.size ? { nodes: nodes.size, enough, smallest } : undefined;
}

export function unusedOf({ devices }: JobTruth): DeviceTruth[] {
  return devices.filter((one) => isKnown(one, 'sm_active_ratio') && maxOf(one) < belowOf(one.ledger));
}

export function usedDevices(truth: JobTruth): DeviceTruth[] {
  const unused = unusedOf(truth);
  return truth.devices.filter((one) => !unused.includes(one));
}

export function isMemoryKnown(devices: readonly DeviceTruth[]): boolean {
  return devices.every((one) => isKnown(one, 'fb_used_bytes'));
}

/** By which part of the larger one counter and power differ; undefined where they are of different times, or of less than a minute. */
export function strayOf({ counterJoules, counterUs, powerJoules, powerUs }: EnergyTruth): number | undefined {
  if (counterJoules === undefined || powerJoules === undefined) return undefined;
  if (Math.abs(counterUs - powerUs) > 0.02 * powerUs || Math.min(counterUs, powerUs) < MIN) return undefined;
  const joules = counterJoules * (powerUs / counterUs);
  return Math.abs(joules - powerJoules) / Math.max(joules, powerJoules, 1);
}

/** Whether a level was known for nearly all of the device's time. */
function isKnown({ gauges, ownedUs }: DeviceTruth, column: string): boolean {
  return (gauges.get(column)?.knownUs ?? 0) >= SEEN * ownedUs && gauges.get(column)?.mean !== undefined;
}

function maxOf({ gauges }: DeviceTruth): number {
  return gauges.get('sm_active_ratio')!.max;
}

type Speaks = (rule: string, is: boolean, isClose?: boolean) => void;

/** How long devices were idle, over how much known time, and how long all of it is, whatever was done while nobody saw it. */
export function idlenessOf(used: readonly DeviceTruth[]): {
  readonly idleUs: number;
  readonly knownUs: number;
  readonly allUs: number;
} {
  const sum = (of: (one: DeviceTruth) => number): number => used.reduce((us, one) => us + of(one), 0);
  return {
    idleUs: sum(({ idleUs }) => idleUs ?? 0),
    knownUs: sum(({ ownKnownUs }) => ownKnownUs),
    // Their part of what was not seen is not known to the sample.
    allUs: sum((one) => one.ownedUs * (one.sampledUs > 0 ? one.attributedUs / one.sampledUs : 1)),
  };
}

/** From when on all devices were idle, up to where they were seen; undefined where none was ever active. */
export function tailOf({
  devices,
  all,
  endUs,
  boundaryUs,
}: JobTruth): { readonly fromUs: number; readonly untilUs: number } | undefined {
  const fromUs = all.lastActiveUs;
  if (fromUs === undefined) return undefined;
  const untilUs = heldAfter(devices, fromUs).reduce((us, one) => {
    const { lastSampleUs } = one;
    const isSeenToTheEnd =
      lastSampleUs === undefined || lastSampleUs >= stayOf(one.run, one.ledger).endUs - boundaryUs;
    return isSeenToTheEnd ? us : Math.min(us, lastSampleUs);
  }, endUs);
  return { fromUs, untilUs };
}

function heldAfter(devices: readonly DeviceTruth[], us: number): DeviceTruth[] {
  return devices.filter(({ run, ledger }) => stayOf(run, ledger).endUs > us);
}

/** All devices idle at the end for ten minutes and a tenth of the job, as far as they were seen. */
function tail(truth: JobTruth, speaks: Speaks): void {
  const { devices, all, startUs, endUs } = truth;
  const found = tailOf(truth);
  if (found === undefined || all.samples === 0) return;
  const { fromUs, untilUs } = found;
  const lengthUs = untilUs - fromUs;
  if (lengthUs < 10 * MIN || lengthUs < 0.1 * (endUs - startUs)) return;
  const isSeen = devices.every((one) => unseenUs(one, fromUs, untilUs) <= UNSEEN_TAIL_MAX * lengthUs);
  speaks('idle-tail', isSeen);
}

/** A tail of which more than this part was not seen says nothing. */
const UNSEEN_TAIL_MAX = 0.05;

function stayOf(run: FleetRun, { device }: DeviceLedger): FleetStay {
  return run.stays.find(({ gpu }) => gpu === device.uuid)!;
}

/** Time of a device in a tail, up to its last sample, while the job had it, in which its activity is not surely known. */
function unseenUs({ picked, lastSampleUs }: DeviceTruth, fromUs: number, untilUs: number): number {
  const held = new Map(
    picked.map(({ stay }) => [
      stay,
      [Math.max(stay.startUs, fromUs), Math.min(stay.endUs, untilUs, lastSampleUs ?? untilUs)] as const,
    ]),
  );
  const inTail = (from: number, to: number): number =>
    [...held.values()].reduce((us, [a, b]) => us + Math.max(0, Math.min(b, to) - Math.max(a, from)), 0);
  let unseen = inTail(-Infinity, Infinity);
  let toldUs = -Infinity;
  const pieces = picked.flatMap((one) => knownPieces(one, fromUs, untilUs));
  for (const { beginUs, endUs, knownUs } of pieces.sort((a, b) => a.beginUs - b.beginUs)) {
    const insideUs = endUs > toldUs ? inTail(Math.max(beginUs, toldUs), endUs) : 0;
    // As much of it as can may have been known elsewhere.
    const elsewhereUs = endUs - beginUs - insideUs;
    unseen -= Math.max(0, knownUs - elsewhereUs);
    toldUs = Math.max(toldUs, endUs);
  }
  return unseen;
}

/** Between two moments the activity was known for so long. */
interface Piece {
  readonly beginUs: number;
  endUs: number;
  knownUs: number;
}

/** The samples of the tail with a value; of buckets that reach into it all that is left. */
function knownPieces({ rows, at, left }: Picked, fromUs: number, untilUs: number): Piece[] {
  const sm = rows.values.get('sm_active_ratio');
  const buckets = new Map<number, Piece>();
  for (const row of at) {
    if (sm === undefined || rows.isSmTaken(row)) continue;
    const [us, dtUs, isKnown] = [rows.tsUs[row]!, rows.dtUs[row]!, !Number.isNaN(sm[row]!)];
    const bucket = bucketAt(us, left, 'sums');
    if (bucket === undefined ? us <= fromUs || us > untilUs || !isKnown : bucket.toUs <= fromUs) continue;
    const key = bucket === undefined ? us : bucket.fromUs;
    const piece = buckets.get(key) ?? { beginUs: us - dtUs, endUs: us, knownUs: 0 };
    buckets.set(key, piece);
    piece.endUs = us;
    if (isKnown) piece.knownUs += dtUs;
  }
  return [...buckets.values()].filter(({ knownUs }) => knownUs > 0);
}
