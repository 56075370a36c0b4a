import {
  between,
  DAY,
  HOUR,
  MIN,
  oneOf,
  S,
  UNRESOLVED,
  type FleetDevice,
  type FleetFact,
  type FleetRun,
  type FleetStay,
  type Random,
} from './fleet.ts';

const RUNS_MIN = 5;
const RUNS_MAX = 12;
/** Slurm keeps a requeued job back for two minutes. */
const REQUEUE_US = 121 * S;
/** An id comes round again at the earliest so long after its last run. */
const REUSE_US = 10 * MIN;
const SHARES = [0.25, 0.5, 0.3, 0.7, 0.6, 1 / 3] as const;
const ENDS = [
  ['COMPLETED', 0],
  ['FAILED', 1],
  ['TIMEOUT', 0],
  ['OUT_OF_MEMORY', 137],
] as const;

/** How a device is handed out: whole, told or not told; in parts; or to somebody of whom nobody knows who it is. */
type Mode = 'whole' | 'untold' | 'parts' | 'untold parts' | 'mixed parts';

interface Ground {
  readonly seed: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly devices: readonly FleetDevice[];
  readonly modes: ReadonlyMap<string, Mode>;
  readonly random: Random;
  readonly runs: FleetRun[];
}

/** Jobs on these devices, some of them beginning before or ending after the time that is sampled. */
export function drawRuns(
  seed: number,
  devices: readonly FleetDevice[],
  { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number },
  random: Random,
): FleetRun[] {
  const owned = devices.filter(({ isCut }) => !isCut);
  const modes = new Map(
    owned.map(({ uuid }) => [
      uuid,
      oneOf<Mode>(random, ['whole', 'whole', 'untold', 'parts', 'untold parts', 'mixed parts']),
    ]),
  );
  const ground = { seed, fromUs, toUs, devices: owned, modes, random, runs: [] };
  const count = between(random, RUNS_MIN, RUNS_MAX);
  for (let number = 0; number < count; number += 1) drawJob(ground, number);
  return ground.runs;
}

function drawJob(ground: Ground, number: number): void {
  const { random, runs, seed } = ground;
  const lengthUs = lengthOf(ground);
  const startUs = between(random, ground.fromUs - lengthUs / 2, ground.toUs);
  const devices = devicesOfJob(ground);
  const { cluster } = devices[0]!;
  // Two such stays at once on a device could not be told apart.
  const isUnresolved = random() < 0.06 && devices.every(({ uuid }) => isWhole(ground.modes.get(uuid)!));
  const former = random() < 0.2 ? reusable(runs, cluster, startUs) : undefined;
  const jobId = isUnresolved ? UNRESOLVED : (former?.jobId ?? String(1000 * (seed + 1) + number));
  const whose = {
    job: `${seed}/${number}`,
    cluster,
    jobId,
    name: `train-${number}`,
    user: `user-${number % 7}`,
    account: number % 11 === 3 ? undefined : `acc-${number % 4}`,
    partition: `part-${number % 2}`,
    qos: number % 5 === 0 ? undefined : `qos-${number % 3}`,
    isRecorded: !isUnresolved && random() < 0.9,
  };
  const requeues = !isUnresolved && random() < 0.15 ? between(random, 1, 3) : 0;
  let atUs = startUs;
  for (let count = 0; count <= requeues; count += 1) {
    const stays = staysOf(ground, devices, atUs, lengthOf(ground));
    if (stays === undefined) return;
    const [state, exitCode] = count < requeues ? (['REQUEUED', 0] as const) : oneOf(random, ENDS);
    const run: FleetRun = {
      ...whose,
      count,
      submitUs: atUs - between(random, 1, 60) * S - count,
      state,
      exitCode,
      stays: [],
    };
    for (const stay of stays) run.stays.push({ ...stay, run });
    runs.push(run);
    atUs = Math.max(...stays.map(({ endUs }) => endUs)) + REQUEUE_US + between(random, 0, 900 * S);
  }
}

/** From minutes to a day and more. */
function lengthOf({ random, fromUs, toUs }: Ground): number {
  const longest = Math.min(30 * HOUR, 0.7 * (toUs - fromUs));
  return Math.floor(2 * MIN + (longest - 2 * MIN) * random() ** 3) + between(random, 0, S);
}

/** Of one cluster: a job is on some devices of one kind, or on any. */
function devicesOfJob({ random, devices }: Ground): FleetDevice[] {
  const first = oneOf(random, devices);
  const others = devices.filter((one) => one.cluster === first.cluster && one !== first);
  return [first, ...others.filter(() => random() < 0.3)];
}

/** An id that a job of this cluster had, which is over by then. */
function reusable(
  runs: readonly FleetRun[],
  cluster: string | undefined,
  startUs: number,
): FleetRun | undefined {
  return runs.find(
    (run) =>
      run.cluster === cluster &&
      run.jobId !== UNRESOLVED &&
      run.isRecorded &&
      runs
        .filter((one) => one.jobId === run.jobId)
        .every(({ stays }) => stays.every(({ endUs }) => endUs + REUSE_US < startUs)),
  );
}

/** The stays of a run on those of its devices that are free then; undefined where none is. */
function staysOf(
  ground: Ground,
  devices: readonly FleetDevice[],
  startUs: number,
  lengthUs: number,
): Omit<FleetStay, 'run'>[] | undefined {
  const { random, modes, runs } = ground;
  const lag = new Map(devices.map(({ node }) => [node, between(random, 0, 2 * S)]));
  const stays = devices.flatMap((device): Omit<FleetStay, 'run'>[] => {
    const fromUs = startUs + lag.get(device.node)!;
    const there = runs.flatMap((run) => run.stays).filter(({ gpu }) => gpu === device.uuid);
    const mode = modes.get(device.uuid)!;
    const isAlone = isWhole(mode);
    const before = there.filter((stay) => stay.startUs <= fromUs);
    if (isAlone && before.some(({ endUs }) => endUs > fromUs)) return [];
    const nextUs = Math.min(...there.map((stay) => stay.startUs).filter((us) => us > fromUs));
    // Some take over at the very moment at which the other one ends.
    const endUs = isAlone ? Math.min(fromUs + lengthUs, nextUs) : fromUs + lengthUs;
    if (!isAlone && there.filter((stay) => stay.startUs < endUs && stay.endUs > fromUs).length >= 3)
      return [];
    if (endUs - fromUs < S) return [];
    return [{ gpu: device.uuid, startUs: fromUs, endUs, share: shareOf(mode, random) }];
  });
  return stays.length === 0 ? undefined : stays;
}

function isWhole(mode: Mode): boolean {
  return mode === 'whole' || mode === 'untold';
}

function shareOf(mode: Mode, random: Random): number {
  switch (mode) {
    case 'whole':
      return 1;
    case 'untold':
    case 'untold parts':
      return NaN;
    case 'parts':
      return oneOf(random, SHARES);
    case 'mixed parts':
      return random() < 0.5 ? NaN : oneOf(random, SHARES);
  }
}

/** Most facts are told within seconds; some hours, days or weeks later; some shares after the start. */
export function drawFacts(runs: readonly FleetRun[], random: Random): FleetFact[] {
  const facts = runs.flatMap((run): FleetFact[] => {
    const how = random();
    const lateUs = lateness(random);
    return run.stays.flatMap((stay): FleetFact[] => {
      const soon = (): number => between(random, 0, 20 * S);
      const startLate = how < 0.15 ? lateUs : soon();
      const endLate = how < 0.25 ? lateUs : soon();
      const isShareLate = how >= 0.25 && how < 0.35 && stay.share < 1;
      const start = { kind: 'start', atUs: stay.startUs, stay } as const;
      const end = { kind: 'end', atUs: stay.endUs, stay, share: stay.share } as const;
      const againUs = stay.startUs + lateUs;
      // What is read once more later tells all of the stay.
      const again = [
        { ...start, toldUs: againUs, share: stay.share },
        ...(againUs > stay.endUs ? [{ ...end, toldUs: againUs }] : []),
      ];
      return [
        { ...start, toldUs: stay.startUs + startLate, share: isShareLate ? NaN : stay.share },
        { ...end, toldUs: stay.endUs + endLate },
        ...(isShareLate ? again : []),
      ];
    });
  });
  return facts.sort((a, b) => a.toldUs - b.toldUs);
}

function lateness(random: Random): number {
  const how = random();
  if (how < 0.4) return between(random, MIN, 20 * HOUR);
  return how < 0.7 ? between(random, DAY, 5 * DAY) : between(random, 7 * DAY, 28 * DAY);
}
