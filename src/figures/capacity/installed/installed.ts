import type { Asked } from '../../query-cells.ts';
import type { DeviceClasses } from '../device-classes.ts';
import type { KnownDevice } from '../devices.ts';
import {
  isJobName,
  isOwned,
  isPeriod,
  type CapacityRow,
  type Installed,
  type InstalledRow,
} from '../figures.ts';
import { isOfNodes, isOfSomeJobs, periodOf, type Membership } from '../membership.ts';
import type { CapacitySource } from '../samples.ts';
import { textOf, type GroupKey } from '../tally.ts';
import { unseenTimes, type UnseenTime } from './device-times.ts';
import { addTimes, type InstalledTimes } from './parts.ts';
import { ownedParts, type ToldOwned } from './owned-parts.ts';
import { wholeParts } from './whole-parts.ts';

/** What is known beside the rows of a capacity report. */
interface InstalledFacts {
  readonly told: ReadonlyMap<string, ToldOwned>;
  readonly unseen: readonly UnseenTime[];
}

/**
 * What it takes to tell where the time of all GPUs went.
 * @throws what `ask` throws
 */
export async function readInstalled(
  db: Asked,
  of: Membership,
  {
    devices,
    sources,
    classes,
  }: {
    readonly devices: Promise<readonly KnownDevice[]>;
    readonly sources: readonly CapacitySource[];
    readonly classes: DeviceClasses;
  },
): Promise<InstalledFacts> {
  const [told, present] = await Promise.all([ownedParts(db, of, classes), devices]);
  // GPUs were there for others than these jobs.
  const unseen = isOfSomeJobs(of) ? [] : await unseenTimes(db, present, sources, of.window, periodOf(of));
  return { told, unseen };
}

/** @param rows of all groups, none of them together yet */
export function installedOf(
  of: Membership,
  rows: readonly CapacityRow[],
  { told, unseen }: InstalledFacts,
): Installed {
  const isOfDevices = ![of.by, ...of.also].some(isJobName);
  const found = new Map<string, InstalledRow>();
  const add = (key: GroupKey | UnseenKey, parts: InstalledTimes): void => {
    const text = textOf(key as GroupKey);
    const { kind, name, also, cluster, period } = key;
    const before = found.get(text)?.parts ?? {};
    found.set(text, { kind, name, also, cluster, period, parts: addTimes([before, parts]) });
  };
  for (const row of rows) {
    // Groups of devices have their unowned time themselves.
    if (row.kind === 'unowned' && isOfDevices) continue;
    add(row, partsOfRow(row, told));
    if (isOfDevices && row.kind === 'group') add(row, { unowned: Math.round(row.unownedUs ?? 0) });
  }
  const unseenUs = new Map<string, { readonly key: GroupKey | UnseenKey; us: number }>();
  for (const one of unseen) {
    const key = isOfDevices ? keyOfDevice(of, one) : { ...UNSEEN, period: of.every && one.period };
    const text = textOf(key as GroupKey);
    const sum = unseenUs.get(text) ?? { key, us: 0 };
    unseenUs.set(text, { key, us: sum.us + one.us });
  }
  for (const { key, us } of unseenUs.values()) add(key, { unseen: Math.round(us) });
  const all = [...found.values()].filter(({ parts }) => Object.keys(parts).length > 0);
  return { rows: all, all: addTimes(all.map(({ parts }) => parts)) };
}

type UnseenKey = Omit<GroupKey, 'kind'> & { readonly kind: 'unseen' };
const UNSEEN = { kind: 'unseen', name: undefined, also: [], cluster: undefined } as const;

/** The group of a device: by the node that it is on last. */
function keyOfDevice(of: Membership, { device, period }: UnseenTime): GroupKey {
  const nameOf = (by: Membership['by']): string | undefined => {
    if (isPeriod(by)) return period;
    return by === 'node' ? device.nodes.at(-1) : by === 'model' ? device.model : device.cluster;
  };
  return {
    kind: 'group',
    name: nameOf(of.by),
    also: of.also.map(nameOf),
    cluster: isOfNodes(of) ? device.cluster : undefined,
    period: of.every && period,
  };
}

function partsOfRow(row: CapacityRow, told: ReadonlyMap<string, ToldOwned>): InstalledTimes {
  const us = Math.round(row.attributedUs);
  if (isOwned(row.kind)) return ownedTimes(row, us, told.get(textOf(row)));
  if (row.kind === 'unowned') return wholeParts({}, us, 'unowned');
  return wholeParts({}, us, row.kind === 'cut' ? 'untold' : 'partlyFree');
}

/**
 * What is told of ended jobs, then of the others of the group what their samples say alone: that they idled, without when, or that nobody
 * knows what was done.
 */
function ownedTimes({ idle }: CapacityRow, us: number, told: ToldOwned | undefined): InstalledTimes {
  const parts = { ...told?.parts };
  const leftUs = us - Object.values(parts).reduce((sum, part) => sum + part, 0);
  const idleLeftUs = Math.min(leftUs, (idle?.value ?? 0) - (told?.idleUs ?? 0));
  if (idleLeftUs > 0) parts.idle = (parts.idle ?? 0) + idleLeftUs;
  return wholeParts(parts, us, 'untold');
}
