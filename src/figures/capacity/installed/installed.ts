import type { Asked } from '../../query-cells.ts';
import type { DeviceClasses } from '../device-classes.ts';
import type { KnownDevice } from '../devices.ts';
import {
  isJobName,
  isOwned,
  isPeriod,
  type CapacityRow,
  type InPieces,
  type Installed,
  type InstalledRow,
  type UnseenNode,
} from '../figures.ts';
import { isOfNodes, type Membership } from '../membership.ts';
import { textOf, type GroupKey } from '../tally.ts';
import { seenKey } from './device-times.ts';
import { readFragmented } from './fragmented.ts';
import { readNobodys, type NobodysOfDevice, type NobodysRead } from './nobodys.ts';
import { ownedParts, type ToldOwned } from './owned-parts.ts';
import { addTimes, type InstalledPart, type InstalledTimes } from './parts.ts';
import { wholeParts } from './whole-parts.ts';

/** What is known beside the rows of a capacity report. */
export interface InstalledFacts {
  readonly told: ReadonlyMap<string, ToldOwned>;
  readonly nobodys: readonly InPiecesOrNot[];
  readonly inPieces: InPieces;
}

/** Its free time, told apart: `free` and `fragmented`. */
interface InPiecesOrNot extends NobodysOfDevice {
  readonly fragmented: number;
}

/**
 * What it takes to tell where the time of all GPUs went.
 * @throws what `ask` throws
 */
export async function readInstalled(
  db: Asked,
  of: Membership,
  {
    known,
    devices,
    classes,
    nodeDays,
    ...read
  }: Omit<NobodysRead, 'nodeDays'> & {
    /** All that there are. */
    readonly known: Promise<readonly KnownDevice[]>;
    /** Those that are asked about. */
    readonly devices: Promise<readonly KnownDevice[]>;
    readonly classes: DeviceClasses;
    /** Undefined of some jobs: GPUs were there for others, too. */
    readonly nodeDays: NobodysRead['nodeDays'] | undefined;
  },
): Promise<InstalledFacts> {
  if (nodeDays === undefined)
    return { told: await ownedParts(db, of, classes), nobodys: [], inPieces: undefined };
  const [told, nobodys, { told: inPieces, ratios }] = await Promise.all([
    ownedParts(db, of, classes),
    devices.then(async (present) => await readNobodys(db, of, present, { ...read, nodeDays })),
    known.then(async (all) => await readFragmented(db, of, all)),
  ]);
  const apart = nobodys.map((one) => {
    const fragmented = one.free * (ratios.get(seenKey(one.device.gpu, one.period)) ?? 0);
    return { ...one, fragmented, free: one.free - fragmented };
  });
  return { told, nobodys: apart, inPieces };
}

/** @param rows of all groups, none of them together yet */
export function installedOf(
  of: Membership,
  rows: readonly CapacityRow[],
  { told, nobodys, inPieces }: InstalledFacts,
): Installed {
  const isOfDevices = ![of.by, ...of.also].some(isJobName);
  const found = new Map<string, InstalledRow>();
  const add = (key: GroupKey | UnseenKey, parts: InstalledTimes): void => {
    const text = textOf(key as GroupKey);
    const { kind, name, also, cluster, period } = key;
    const before = found.get(text)?.parts ?? {};
    found.set(text, { kind, name, also, cluster, period, parts: addTimes([before, parts]) });
  };
  const byKey = Map.groupBy(nobodys, (one) =>
    textOf(isOfDevices ? keyOfDevice(of, one) : { ...UNOWNED, period: of.every && one.period }),
  );
  for (const row of rows) {
    // Groups of devices have their unowned time themselves.
    if (row.kind === 'unowned' && isOfDevices) continue;
    const own = byKey.get(textOf(row)) ?? [];
    if (row.kind === 'unowned') add(row, unownedTimes(own, Math.round(row.attributedUs)));
    else add(row, partsOfRow(row, told));
    if (isOfDevices && row.kind === 'group') add(row, unownedTimes(own, Math.round(row.unownedUs ?? 0)));
  }
  for (const own of byKey.values()) {
    const key = isOfDevices ? keyOfDevice(of, own[0]!) : { ...UNSEEN, period: of.every && own[0]!.period };
    add(key, unseenOf(own));
  }
  const all = [...found.values()].filter(({ parts }) => Object.keys(parts).length > 0);
  return { rows: all, all: addTimes(all.map(({ parts }) => parts)), inPieces };
}

/** The same by node, of all of the window. */
export function unseenNodes({ nobodys }: InstalledFacts): UnseenNode[] {
  const nodes = Map.groupBy(nobodys, ({ device: { cluster, nodes } }) =>
    JSON.stringify([cluster, nodes.at(-1)]),
  );
  return [...nodes.values()].map((own) => {
    const { cluster, nodes } = own[0]!.device;
    return { name: nodes.at(-1), cluster, parts: unseenOf(own) };
  });
}

type UnseenKey = Omit<GroupKey, 'kind'> & { readonly kind: 'unseen' };
const UNSEEN = { kind: 'unseen', name: undefined, also: [], cluster: undefined } as const;
const UNOWNED = { ...UNSEEN, kind: 'unowned' } as const;

/** The group of a device: by the node that it is on last. */
function keyOfDevice(of: Membership, { device, period }: NobodysOfDevice): GroupKey {
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

/** What was seen and unowned, in the proportions of its devices: of instances it is counted hour by hour, by the slices of that time. */
function unownedTimes(devices: readonly InPiecesOrNot[], us: number): InstalledTimes {
  const sum = (of: (one: InPiecesOrNot) => number): number =>
    devices.reduce((total, one) => total + of(one) * one.device.ratio, 0);
  const allUs = sum(({ seenUnowned }) => seenUnowned);
  if (allUs === 0) return wholeParts({}, us, 'unowned');
  const part = (of: (one: InPiecesOrNot) => number): number => (us * sum(of)) / allUs;
  return wholeParts(
    {
      free: part(({ free }) => free),
      fragmented: part(({ fragmented }) => fragmented),
      drained: part(({ seenDrained }) => seenDrained),
      down: part(({ seenDown }) => seenDown),
      unowned: part(({ unowned }) => unowned),
    },
    us,
    'unowned',
  );
}

/** What nobody saw: of instances whose GPU was seen that stands for all of them. */
function unseenOf(devices: readonly NobodysOfDevice[]): InstalledTimes {
  const sum = (of: (one: NobodysOfDevice) => number): number =>
    devices.reduce((total, one) => total + of(one) * one.device.weight, 0);
  const parts: Readonly<Partial<Record<InstalledPart, number>>> = {
    unseen: sum(({ unseen }) => unseen),
    drained: sum(({ drained, seenDrained }) => drained - seenDrained),
    down: sum(({ down, seenDown }) => down - seenDown),
  };
  const us = Math.round(Object.values(parts).reduce((total, one) => total + one, 0));
  return wholeParts(parts, us, 'unseen');
}

function partsOfRow(row: CapacityRow, told: ReadonlyMap<string, ToldOwned>): InstalledTimes {
  const us = Math.round(row.attributedUs);
  if (isOwned(row.kind)) return ownedTimes(row, us, told.get(textOf(row)));
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
