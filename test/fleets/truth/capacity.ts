import { HOUR, UNRESOLVED, type FleetIdleLimits, type FleetRun } from '../draw/fleet.ts';
import { rowsBetween, Sum, type DeviceLedger, type Way } from './ledger.ts';
import type { Left } from './left.ts';
import {
  addCutPart,
  addUse,
  divideHour,
  emptyUse,
  gpuHour,
  hoursBetween,
  isCounted,
  ratioOf,
  type Use,
} from './mig.ts';
import {
  addRow,
  emptyAmounts,
  energyOf,
  knownUsOf,
  type Amounts,
  type EnergyAmounts,
  type EnergyTruth,
} from './sums.ts';
import { idleBelow } from './idle-limits.ts';
import { isPeriod, periodOf, periodsBetween, type Period } from './periods.ts';
import { mixedIds, shownRun } from './reused.ts';

export type Grouping = 'user' | 'account' | 'partition' | 'qos' | 'node' | 'model' | 'cluster' | Period;

export interface RowTruth {
  readonly kind: 'group' | 'unresolved' | 'unattributed' | 'unowned' | 'unallocated' | 'cut';
  readonly name: string | undefined;
  readonly cluster: string | undefined;
  /** Where there is a row for each week or month of a group. */
  readonly period: string | undefined;
  readonly sums: SumsTruth;
  readonly unownedUs: number | undefined;
  readonly jobs: number;
}

export interface SumsTruth {
  readonly dtUs: number;
  readonly instanceUs: number;
  readonly smKnownUs: number;
  readonly smActive: number;
  readonly idleUs: number;
  readonly energy: EnergyTruth;
}

export interface CapacityTruth {
  readonly rows: readonly RowTruth[];
  readonly all: SumsTruth;
  readonly allJobs: number;
  readonly samples: number;
  readonly devices: number;
  readonly migInstances: number;
  readonly nodes: number;
  readonly knownUs: number;
  /** Devices that were not heard of any more for the last hour and longer, oldest first. */
  readonly lastSigns: readonly { readonly gpu: string; readonly node: string; readonly lastUs: number }[];
  readonly sharedUs: Readonly<Record<'stated' | 'measured' | 'equal', number>>;
  readonly areSharesScaled: boolean;
  /** Σ dt of MIG instances whose slices are not known. */
  readonly unknownSlicesUs: number;
  /** Ids of which one job ended and the next began within a bucket that is left: all of it is with the later one. */
  readonly mixedIds: number;
}

export interface CapacityQuestion {
  /** Samples with from ≤ ts < to count. */
  readonly fromUs: number;
  readonly toUs: number;
  readonly by: Grouping;
  /** A row for each of them. */
  readonly every: Period | undefined;
  /** Only its devices. */
  readonly cluster: string | undefined;
  readonly table: string;
  readonly idleLimits: FleetIdleLimits;
  /** What has not aged out. */
  readonly left: Left;
}

const SILENT_US = 3600e6;

interface Group {
  readonly kind: RowTruth['kind'];
  readonly name: string | undefined;
  readonly cluster: string | undefined;
  readonly period: string | undefined;
  readonly amounts: Amounts;
  readonly unowned: Sum;
  hasUnowned: boolean;
}

/** What somebody had of the instances of a GPU, hour by hour: by start of the hour, then by group and instance. */
type Uses = Map<number, Map<string, { readonly group: Group; readonly use: Use }>>;

/** What is added up. */
interface Tally {
  readonly question: CapacityQuestion;
  readonly groups: Map<string, Group>;
  readonly all: Amounts;
  readonly ways: Record<Exclude<Way, 'whole'>, Sum>;
  /** By UUID of the GPU. */
  readonly uses: Map<string, Uses>;
  samples: number;
  areSharesScaled: boolean;
  unknownSlicesUs: number;
}

/** What a capacity report over these devices should show. */
export function capacityTruth(ledgers: readonly DeviceLedger[], question: CapacityQuestion): CapacityTruth {
  const { cluster } = question;
  const meant = ledgers.filter(({ device }) => cluster === undefined || device.cluster === cluster);
  const tally: Tally = {
    ...{ question, groups: new Map(), all: emptyAmounts(), uses: new Map() },
    ...{
      ways: { stated: new Sum(), equal: new Sum() },
      samples: 0,
      areSharesScaled: false,
      unknownSlicesUs: 0,
    },
  };
  for (const ledger of meant) if (!ledger.device.isCut) addDevice(tally, ledger);
  for (const ledger of meant) if (ledger.device.isCut) addCutGpu(tally, ledger);
  const jobs = jobsIn(meant, question);
  // A job of which nothing was seen counts all the same.
  for (const { name, cluster: of, period } of jobs.values()) groupAt(tally, 'group', period, name, of);
  const { all, groups, ways, samples, areSharesScaled, unknownSlicesUs } = tally;
  return {
    rows: [...groups.values()]
      .map((group): RowTruth => rowTruth(group, jobs, all.energies))
      .filter(
        ({ kind, sums, unownedUs, jobs: count }) =>
          sums.dtUs > 0.5 || unownedUs !== undefined || kind === 'cut' || count > 0,
      ),
    all: sumsTruth(all, all.energies),
    allJobs: new Set([...jobs.values()].flatMap(({ ids }) => [...ids])).size,
    samples,
    ...fleetTruth(meant, question),
    sharedUs: { stated: ways.stated.value, measured: 0, equal: ways.equal.value },
    areSharesScaled,
    unknownSlicesUs,
    mixedIds: mixedIds(new Set(ledgers.map(({ fleet }) => fleet)), question),
  };
}

function groupIn(tally: Tally, kind: RowTruth['kind'], tsUs: number, name?: string, of?: string): Group {
  const { every } = tally.question;
  return groupAt(tally, kind, every && periodOf(every, tsUs), name, of);
}

function groupAt(
  { groups }: Tally,
  kind: RowTruth['kind'],
  period: string | undefined,
  name: string | undefined,
  of: string | undefined,
): Group {
  const key = JSON.stringify([kind, name, of, period]);
  const group: Group = groups.get(key) ?? {
    ...{ kind, name, cluster: of, period },
    ...{ amounts: emptyAmounts(), unowned: new Sum(), hasUnowned: false },
  };
  groups.set(key, group);
  return group;
}

/** All rows of a device that is no GPU beside its instances. */
function addDevice(tally: Tally, ledger: DeviceLedger): void {
  const { question } = tally;
  const { fromUs, toUs, by, table, idleLimits } = question;
  const { device } = ledger;
  const below = idleBelow(device, idleLimits);
  const ratio = ratioOf(ledger);
  for (const [lane, rows] of ledger.lanes) {
    const isPrimary = lane === table;
    const [first, end] = rowsBetween(rows, fromUs, toUs);
    if (isPrimary && ratio !== undefined) tally.samples += end - first;
    for (let row = first; row < end; row += 1) {
      const add = (group: Group, part: number, owner: string): void => {
        if (device.instance !== undefined)
          addUse(useIn(tally, ledger, rows.tsUs[row]!, group), rows, row, part, isPrimary);
        if (ratio === undefined) return;
        const key = `${device.uuid} ${owner}`;
        const isInstance = device.instance !== undefined;
        const adding = { rows, isPrimary, part, ratio, isInstance, idleBelow: below, key };
        addRow(group.amounts, row, adding);
        addRow(tally.all, row, adding);
      };
      const dtUs = isPrimary ? rows.dtUs[row]! * (ratio ?? 0) : 0;
      if (isPrimary && ratio === undefined) tally.unknownSlicesUs += rows.dtUs[row]!;
      const { parts, rest } = rows.owners[row]!;
      if (parts.length === 0) {
        add(groupIn(tally, 'unowned', rows.tsUs[row]!), 1, '');
        if (hasUnowned(by) && isPrimary && ratio !== undefined) {
          const group = groupIn(tally, 'group', rows.tsUs[row]!, ...nameOf(by, ledger, rows.tsUs[row]!));
          group.hasUnowned = true;
          group.unowned.add(dtUs);
        }
      }
      for (const one of parts) {
        // An owner set tells its members by itself.
        const isSole = parts.length === 1 && one.part === 1;
        const shown =
          isSole && isPrimary ? shownRun(question.left, ledger.fleet, one.run, rows.tsUs[row]!) : one.run;
        add(ownerGroup(tally, shown, ledger, rows.tsUs[row]!), one.part, shown.job);
        if (ratio === undefined) continue;
        tally.areSharesScaled ||= one.isScaled;
        const isShared = parts.length > 1 || (one.way === 'stated' && rest > 0);
        if (isShared) tally.ways[one.way === 'whole' ? 'stated' : one.way].add(dtUs * one.part);
      }
      if (rest > 0) add(groupIn(tally, 'unattributed', rows.tsUs[row]!), rest, 'rest');
    }
  }
}

function useIn({ uses, question }: Tally, ledger: DeviceLedger, tsUs: number, group: Group): Use {
  const { parent } = ledger.device.instance!;
  const own: Uses =
    uses.get(parent) ?? new Map<number, Map<string, { readonly group: Group; readonly use: Use }>>();
  uses.set(parent, own);
  const hourUs = Math.max(question.fromUs, Math.floor(tsUs / HOUR) * HOUR);
  const hour = own.get(hourUs) ?? new Map<string, { group: Group; use: Use }>();
  own.set(hourUs, hour);
  const key = JSON.stringify([group.kind, group.name, group.cluster, group.period, ledger.device.uuid]);
  const found = hour.get(key) ?? { group, use: emptyUse(ledger) };
  hour.set(key, found);
  return found.use;
}

/** The energy of a GPU that is cut, among what was had of its instances; and what these leave of it. */
function addCutGpu(tally: Tally, ledger: DeviceLedger): void {
  const { fromUs, toUs, table } = tally.question;
  const hours = hoursBetween(fromUs, toUs).map(([us, untilUs]) => ({
    us,
    hour: gpuHour(ledger, us, untilUs, table),
  }));
  const isCounter = isCounted(hours.map(({ hour }) => hour));
  for (const { us, hour } of hours) {
    if (hour === undefined) continue;
    const uses = [...(tally.uses.get(ledger.device.uuid)?.get(us)?.values() ?? [])];
    const { parts, rest, restUs } = divideHour(
      hour,
      uses.map(({ use }) => use),
    );
    const given = areSlicesKnown(ledger) ? parts : undefined;
    const isDivided = given !== undefined;
    for (const [at, part] of (given ?? []).entries())
      for (const { cut } of [uses[at]!.group.amounts, tally.all])
        addCutPart(cut, part, { isCounter, isDivided });
    const left = groupIn(tally, isDivided ? 'unallocated' : 'cut', us);
    for (const { cut, dt } of [left.amounts, tally.all]) {
      addCutPart(cut, rest, { isCounter, isDivided });
      dt.add(restUs);
    }
  }
}

function areSlicesKnown({ device: { uuid }, fleet }: DeviceLedger): boolean {
  return fleet.devices.some(
    ({ instance }) => instance?.parent === uuid && instance.totalSlices !== undefined,
  );
}

/** Devices that were known in the window, and for how long. */
function fleetTruth(
  meant: readonly DeviceLedger[],
  { fromUs, toUs }: CapacityQuestion,
): Pick<CapacityTruth, 'devices' | 'migInstances' | 'nodes' | 'knownUs' | 'lastSigns'> {
  const known = meant.filter((ledger) => !ledger.device.isCut && knownUsOf(ledger, fromUs, toUs) > 0);
  const cut = meant.filter(
    ({ device, lanes }) =>
      device.isCut &&
      [...lanes.values()].some(({ tsUs }) => tsUs.length > 0 && tsUs[0]! < toUs && tsUs.at(-1)! >= fromUs),
  );
  // A GPU counts for all of its instances, where it was sampled itself.
  const weightOf = (ledger: DeviceLedger): number =>
    cut.some(({ device }) => device.uuid === ledger.device.instance?.parent) ? 0 : (ratioOf(ledger) ?? 0);
  const sum = new Sum();
  for (const ledger of known) sum.add(knownUsOf(ledger, fromUs, toUs) * weightOf(ledger));
  for (const ledger of cut) sum.add(knownUsOf(ledger, fromUs, toUs));
  return {
    devices: known.length,
    migInstances: known.filter(({ device }) => device.instance !== undefined).length,
    nodes: new Set(known.map(({ device }) => JSON.stringify([device.cluster, device.node]))).size,
    knownUs: sum.value,
    lastSigns: known
      .filter(({ lastSignUs }) => lastSignUs < toUs - SILENT_US)
      .map(({ device: { uuid: gpu, node }, lastSignUs: lastUs }) => ({ gpu, node, lastUs }))
      .sort((a, b) => a.lastUs - b.lastUs || (a.gpu < b.gpu ? -1 : 1)),
  };
}

function rowTruth(
  { kind, name, cluster, period, amounts, unowned, hasUnowned }: Group,
  jobs: ReadonlyMap<string, GroupJobs>,
  decidedBy: ReadonlyMap<string, EnergyAmounts>,
): RowTruth {
  return {
    kind,
    name,
    cluster,
    period,
    sums: sumsTruth(amounts, decidedBy),
    unownedUs: hasUnowned ? unowned.value : undefined,
    jobs: kind === 'group' ? (jobs.get(JSON.stringify([name, cluster, period]))?.ids.size ?? 0) : 0,
  };
}

/** @param decidedBy what each device and owner had in all of the window says whether its counter counts, also in one of its weeks */
function sumsTruth(
  { dt, instance, smKnown, smActive, idle, energies, cut }: Amounts,
  decidedBy: ReadonlyMap<string, EnergyAmounts>,
): SumsTruth {
  return {
    dtUs: dt.value,
    instanceUs: instance.value,
    smKnownUs: smKnown.value,
    smActive: smActive.value,
    idleUs: idle.value,
    energy: energyOf({ energies, cut }, decidedBy),
  };
}

/** Groups that hold devices, whoever owned them. */
function isOfDevices(by: Grouping): by is 'node' | 'model' | 'cluster' {
  return by === 'node' || by === 'model' || by === 'cluster';
}

function hasUnowned(by: Grouping): boolean {
  return isOfDevices(by) || isPeriod(by);
}

function ownerGroup(tally: Tally, run: FleetRun, ledger: DeviceLedger, tsUs: number): Group {
  const { by } = tally.question;
  if (run.jobId === UNRESOLVED) return groupIn(tally, 'unresolved', tsUs);
  return groupIn(tally, 'group', tsUs, ...(hasUnowned(by) ? nameOf(by, ledger, tsUs) : [jobName(by, run)]));
}

/** A node is named together with its cluster. */
function nameOf(
  by: Grouping,
  { device }: DeviceLedger,
  tsUs: number,
): [name: string | undefined, cluster?: string] {
  if (isPeriod(by)) return [periodOf(by, tsUs)];
  if (by === 'model') return [device.model];
  if (by === 'cluster') return [device.cluster];
  return device.cluster === undefined ? [device.node] : [device.node, device.cluster];
}

function jobName(by: Grouping, run: FleetRun): string | undefined {
  if (!run.isRecorded) return undefined;
  if (by === 'user') return run.user;
  if (by === 'qos') return run.qos;
  return by === 'account' ? run.account : run.partition;
}

interface GroupJobs extends Pick<RowTruth, 'name' | 'cluster' | 'period'> {
  readonly ids: Set<string>;
}

/** Jobs that owned a device in the window, by group: requeues of a job are one. */
function jobsIn(
  ledgers: readonly DeviceLedger[],
  { by, every, fromUs, toUs }: CapacityQuestion,
): Map<string, GroupJobs> {
  const jobs = new Map<string, GroupJobs>();
  for (const ledger of ledgers) {
    for (const { run, startUs, endUs } of ledger.stays) {
      if (run.jobId === UNRESOLVED || startUs >= toUs || endUs < fromUs) continue;
      const within = [Math.max(startUs, fromUs), Math.min(endUs, toUs - 1)] as const;
      const names: [name: string | undefined, cluster?: string][] = isPeriod(by)
        ? periodsBetween(by, ...within).map((name) => [name])
        : [isOfDevices(by) ? nameOf(by, ledger, NaN) : [jobName(by, run)]];
      const periods = every === undefined ? [undefined] : periodsBetween(every, ...within);
      for (const [name, cluster] of names)
        for (const period of periods) {
          const key = JSON.stringify([name, cluster, period]);
          const own = jobs.get(key) ?? { name, cluster, period, ids: new Set<string>() };
          own.ids.add(run.job);
          jobs.set(key, own);
        }
    }
  }
  return jobs;
}
