import { UNRESOLVED, type FleetRun } from './fleet.ts';
import type { DeviceLedger, Part, Way } from './truth-ledger.ts';
import {
  addEnergy,
  addRow,
  emptyAmounts,
  energyOf,
  knownUsOf,
  rowsBetween,
  type Amounts,
  type EnergyTruth,
} from './truth-sums.ts';
import { Sum } from './truth-ledger.ts';

export type Grouping = 'user' | 'account' | 'partition' | 'node' | 'model' | 'cluster';

export interface RowTruth {
  readonly kind: 'group' | 'unresolved' | 'unattributed' | 'unowned' | 'cut';
  readonly name: string | undefined;
  readonly cluster: string | undefined;
  readonly sums: SumsTruth;
  readonly unownedUs: number | undefined;
  readonly jobs: number;
}

export interface SumsTruth {
  readonly dtUs: number;
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
}

export interface CapacityQuestion {
  /** Samples with from ≤ ts < to count. */
  readonly fromUs: number;
  readonly toUs: number;
  readonly by: Grouping;
  /** Only its devices. */
  readonly cluster: string | undefined;
  readonly table: string;
}

const SILENT_US = 3600e6;

interface Group {
  readonly kind: RowTruth['kind'];
  readonly name: string | undefined;
  readonly cluster: string | undefined;
  readonly amounts: Amounts;
  readonly unowned: Sum;
  hasUnowned: boolean;
}

/** What a capacity report over these devices should show. */
export function capacityTruth(
  ledgers: readonly DeviceLedger[],
  { fromUs, toUs, by, cluster, table }: CapacityQuestion,
): CapacityTruth {
  const meant = ledgers.filter(({ device }) => cluster === undefined || device.cluster === cluster);
  const groups = new Map<string, Group>();
  const all = emptyAmounts();
  const ways: Record<Exclude<Way, 'whole'>, Sum> = { stated: new Sum(), equal: new Sum() };
  let samples = 0;
  let areSharesScaled = false;
  const groupOf = (kind: RowTruth['kind'], name?: string, of?: string): Group => {
    const key = JSON.stringify([kind, name, of]);
    const group: Group = groups.get(key) ?? {
      ...{ kind, name, cluster: of, amounts: emptyAmounts(), unowned: new Sum(), hasUnowned: false },
    };
    groups.set(key, group);
    return group;
  };
  for (const ledger of meant) {
    const { device } = ledger;
    for (const [lane, rows] of ledger.lanes) {
      const isPrimary = lane === table;
      const [first, end] = rowsBetween(rows, fromUs, toUs);
      if (isPrimary) samples += end - first;
      const add = (group: Group, row: number, part: number, owner: string): void => {
        const adding = { rows, isPrimary, part, key: `${device.uuid} ${owner}` };
        addRow(group.amounts, row, adding);
        addRow(all, row, adding);
      };
      for (let row = first; row < end; row += 1) {
        if (device.isCut) {
          addEnergy(groupOf('cut').amounts, rows, row, 1, device.uuid);
          addEnergy(all, rows, row, 1, device.uuid);
          continue;
        }
        const { parts, rest } = rows.owners[row]!;
        if (parts.length === 0) {
          add(groupOf('unowned'), row, 1, '');
          if (isOfDevices(by) && isPrimary) {
            const group = groupOf('group', ...nameOf(by, ledger));
            group.hasUnowned = true;
            group.unowned.add(rows.dtUs[row]!);
          }
        }
        for (const one of parts) {
          add(ownerGroup(one, by, ledger, groupOf), row, one.part, one.run.job);
          if (!isPrimary) continue;
          const isShared = parts.length > 1 || (one.way === 'stated' && rest > 0);
          if (isShared) ways[one.way === 'whole' ? 'stated' : one.way].add(rows.dtUs[row]! * one.part);
          areSharesScaled ||= one.isScaled;
        }
        if (rest > 0) add(groupOf('unattributed'), row, rest, 'rest');
      }
    }
  }
  const jobs = jobsIn(meant, by, fromUs, toUs);
  const known = meant.filter((ledger) => !ledger.device.isCut && knownUsOf(ledger, fromUs, toUs) > 0);
  return {
    rows: [...groups.values()]
      .map((group): RowTruth => rowTruth(group, jobs))
      .filter(({ kind, sums, unownedUs }) => sums.dtUs > 0 || unownedUs !== undefined || kind === 'cut'),
    all: sumsTruth(all),
    allJobs: new Set([...jobs.values()].flatMap((some) => [...some])).size,
    samples,
    devices: known.length,
    migInstances: known.filter(({ device }) => device.instance !== undefined).length,
    nodes: new Set(known.map(({ device }) => JSON.stringify([device.cluster, device.node]))).size,
    knownUs: known.reduce((sum, ledger) => sum + knownUsOf(ledger, fromUs, toUs), 0),
    lastSigns: known
      .filter(({ lastSignUs }) => lastSignUs < toUs - SILENT_US)
      .map(({ device: { uuid: gpu, node }, lastSignUs: lastUs }) => ({ gpu, node, lastUs }))
      .sort((a, b) => a.lastUs - b.lastUs || (a.gpu < b.gpu ? -1 : 1)),
    sharedUs: { stated: ways.stated.value, measured: 0, equal: ways.equal.value },
    areSharesScaled,
  };
}

function rowTruth(
  { kind, name, cluster, amounts, unowned, hasUnowned }: Group,
  jobs: ReadonlyMap<string, ReadonlySet<string>>,
): RowTruth {
  return {
    kind,
    name,
    cluster,
    sums: sumsTruth(amounts),
    unownedUs: hasUnowned ? unowned.value : undefined,
    jobs: kind === 'group' ? (jobs.get(JSON.stringify([name, cluster]))?.size ?? 0) : 0,
  };
}

function sumsTruth({ dt, smKnown, smActive, idle, energies }: Amounts): SumsTruth {
  return {
    dtUs: dt.value,
    smKnownUs: smKnown.value,
    smActive: smActive.value,
    idleUs: idle.value,
    energy: energyOf(energies.values()),
  };
}

function isOfDevices(by: Grouping): boolean {
  return by === 'node' || by === 'model' || by === 'cluster';
}

function ownerGroup(
  { run }: Part,
  by: Grouping,
  ledger: DeviceLedger,
  groupOf: (kind: RowTruth['kind'], name?: string, cluster?: string) => Group,
): Group {
  if (run.jobId === UNRESOLVED) return groupOf('unresolved');
  return groupOf('group', ...(isOfDevices(by) ? nameOf(by, ledger) : [jobName(by, run)]));
}

/** A node is named together with its cluster. */
function nameOf(by: Grouping, { device }: DeviceLedger): [name: string | undefined, cluster?: string] {
  if (by === 'model') return [device.model];
  if (by === 'cluster') return [device.cluster];
  return device.cluster === undefined ? [device.node] : [device.node, device.cluster];
}

function jobName(by: Grouping, run: FleetRun): string | undefined {
  if (!run.isRecorded) return undefined;
  if (by === 'user') return run.user;
  return by === 'account' ? run.account : run.partition;
}

/** Jobs that owned a device in the window, by group: requeues of a job are one. */
function jobsIn(
  ledgers: readonly DeviceLedger[],
  by: Grouping,
  fromUs: number,
  toUs: number,
): Map<string, Set<string>> {
  const jobs = new Map<string, Set<string>>();
  for (const ledger of ledgers) {
    for (const { run, startUs, endUs } of ledger.stays) {
      if (run.jobId === UNRESOLVED || startUs >= toUs || endUs < fromUs) continue;
      const [name, cluster] = isOfDevices(by) ? nameOf(by, ledger) : [jobName(by, run)];
      const key = JSON.stringify([name, cluster]);
      jobs.set(key, (jobs.get(key) ?? new Set()).add(run.job));
    }
  }
  return jobs;
}
