import type { CostRates } from '../../core/costs/costs.ts';
import { isJobName, isPeriod, type CapacityKind } from './figures.ts';
import { askGroups } from './ask-groups.ts';
import type { DeviceClasses } from './device-classes.ts';
import type { KnownDevice } from './devices.ts';
import { addCutGpus } from './mig.ts';
import type { CapacityPart } from './parts.ts';
import { addSums, emptySums, energyOnly, sumsOf, timeCostsOf, type Sums } from './sums.ts';
import { alsoColumn, isOfNodes, isOfSomeJobs, type Membership } from './membership.ts';
import { periodName, periodStartUs } from './periods.ts';
import { ROW_KINDS, type CapacitySource, type RowKind } from './samples.ts';
import { traitsOf, traitsSql } from './traits.ts';
import type { DeviceIdleLimits } from '../idle-limits.ts';
import { STEP_US } from '../levels.ts';
import type { CutInventory } from '../mig-energy.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';

/** Which row it is. */
export interface GroupKey {
  readonly kind: CapacityKind;
  readonly name: string | undefined;
  readonly also: readonly (string | undefined)[];
  readonly cluster: string | undefined;
  readonly period: string | undefined;
}

export interface Group extends GroupKey {
  readonly sums: Sums;
  /** Of a group of devices or a period: its part of the row `unowned`. */
  unowned: Sums | undefined;
}

/** What is added up. */
export interface Tally {
  readonly groups: Map<string, Group>;
  readonly all: Sums;
  samples: number;
  /** Σ dt with each device counted once. */
  sampledUs: number;
  /** Part of it of which no owner set tells who owned the device. */
  undividedUs: number;
  readonly sharedUs: { stated: number; measured: number; equal: number };
  areSharesScaled: boolean;
  /** Σ dt of MIG instances whose slices are not known. */
  unknownSlicesUs: number;
}

/** What is shown as no group's: `undivided` is of free shares, until somebody tells who owned it. */
const SHOWN_KINDS = { sole: 'group', undivided: 'unattributed' } as const;

/** What a report asks about. */
export interface AskedTally {
  readonly parts: readonly CapacityPart[];
  readonly inventory: CutInventory;
  readonly idle: DeviceIdleLimits;
  readonly devices: DeviceClasses;
  /** Those that are asked about. */
  readonly present: Promise<readonly KnownDevice[]>;
  readonly rates: CostRates | undefined;
  /** Energy is told apart by the hour. */
  readonly isByHour: boolean;
}

export async function tallyOf(
  db: Asked,
  of: Membership,
  sources: readonly (readonly CapacitySource[])[],
  asked: AskedTally,
): Promise<Tally> {
  const { parts, inventory, idle, present, isByHour } = asked;
  const { classes, modelOf } = asked.devices;
  const priced = pricing(asked, sources.flat());
  const tally: Tally = {
    groups: new Map(),
    all: emptySums(),
    samples: 0,
    sampledUs: 0,
    undividedUs: 0,
    sharedUs: { stated: 0, measured: 0, equal: 0 },
    areSharesScaled: false,
    unknownSlicesUs: 0,
  };
  const isCut = inventory.instances.size > 0;
  const scope = isCut ? 'whole' : 'all';
  const question = traitsSql(sources.flat(), of.window);
  const told = question === undefined ? [] : await ask(db, question);
  const traits = traitsOf(sources.flat(), told, scope);
  const { hasSets } = traits;
  const addWhole = async (): Promise<void> => {
    for (const some of sources)
      for (const devices of classes)
        for (const row of await askGroups(db, { of, sources: some, traits, scope, devices, isByHour })) {
          const rowKind = ROW_KINDS[row.number('kind')!]!;
          const own = rowKind === 'cut' ? energyOnly(sumsOf(row)) : sumsOf(row);
          const sums = priced(own, devices.model, isByHour ? row.number('bucket_us') : undefined);
          addRow(tally, of, row, { rowKind, sums, ratio: rowKind === 'cut' ? 0 : 1, hasSets });
        }
  };
  const whole = addWhole();
  const addCut = async (): Promise<void> => {
    await addCutGpus(db, of, parts, inventory, {
      traits: traitsOf(sources.flat(), told, 'instances'),
      idle,
      present,
      after: whole,
      tally: {
        addInstance(row, rowKind, own, ratio) {
          const sums = priced(own, modelOf.get(row.text('cut_gpu')!), row.number('bucket_us'));
          addRow(tally, of, row, { rowKind, sums, ratio, hasSets });
        },
        addRest(kind, own, { gpu, bucketUs }) {
          // What no instance has is no job's.
          if (isOfSomeJobs(of)) return;
          const sums = priced(own, modelOf.get(gpu), bucketUs);
          tally.sampledUs += sums.attributedUs;
          addSums(tally.all, sums);
          const period =
            of.every && periodName(of.every, periodStartUs(of.every, bucketUs, of.months), of.months);
          addSums(groupOf(tally, { ...NO_GROUP, kind, period }).sums, sums);
        },
        addUnknown(us) {
          tally.unknownSlicesUs += us;
        },
      },
    });
  };
  await Promise.all([whole, isCut ? addCut() : undefined]);
  return tally;
}

/** Adds to the sums of a row what they cost, by the model of its devices and, where energy is told apart so, in its hour. */
function pricing(
  { rates, isByHour }: Pick<AskedTally, 'rates' | 'isByHour'>,
  sources: readonly CapacitySource[],
): (sums: Sums, model: string | undefined, bucketUs: number | undefined) => Sums {
  if (rates === undefined) return (sums) => sums;
  // Where hours have aged out.
  const days = sources.flatMap(({ segments }) =>
    segments.flatMap(({ level, spans }) => (level === '1d' ? spans : [])),
  );
  return (sums, model, bucketUs) => {
    const timeCosts = timeCostsOf(rates, model, sums.attributedUs);
    const { bestJoules, bestUs } = sums;
    if (!isByHour || bucketUs === undefined || bestJoules === undefined || bestUs <= 0)
      return { ...sums, timeCosts };
    const isDay = days.some(({ fromUs, toUs }) => bucketUs >= fromUs && bucketUs < toUs);
    const hour = { fromUs: bucketUs, lengthUs: STEP_US[isDay ? '1d' : '1h'], joules: bestJoules };
    return { ...sums, timeCosts, hours: new Map([[bucketUs, hour]]) };
  };
}

interface AddedRow {
  readonly rowKind: RowKind;
  readonly sums: Sums;
  /** The part of a GPU that its device is: the sums are by it already. */
  readonly ratio: number;
  readonly hasSets: boolean;
}

function addRow(tally: Tally, of: Membership, row: Cells, { rowKind, sums, ratio, hasSets }: AddedRow): void {
  const kind = rowKind === 'sole' || rowKind === 'undivided' ? SHOWN_KINDS[rowKind] : rowKind;
  tally.samples += row.number('samples') ?? 0;
  addSums(tally.all, sums);
  // Of some jobs it is what they had: how much of shared devices was seen is told of all their owners together.
  tally.sampledUs += isOfSomeJobs(of) ? sums.attributedUs : (row.number('seen_us') ?? 0) * ratio;
  if (rowKind === 'undivided') tally.undividedUs += sums.attributedUs;
  const group = keyOfRow(of, row);
  addSums(groupOf(tally, kind === 'group' ? group : { ...NO_GROUP, kind, period: group.period }).sums, sums);
  // A node that nobody used all the time is a row too: the one that a planner looks for.
  if (kind === 'unowned' && hasUnowned(of)) {
    const own = groupOf(tally, group);
    addSums((own.unowned ??= emptySums()), sums);
  }
  if (!hasSets) return;
  tally.areSharesScaled ||= row.number('scaled') === 1;
  for (const way of ['stated', 'measured', 'equal'] as const)
    tally.sharedUs[way] += (row.number(`${way}_us`) ?? 0) * ratio;
}

/** Groups of devices and periods have unowned time of their own; groups of jobs cannot. */
function hasUnowned({ by, also }: Membership): boolean {
  return ![by, ...also].some(isJobName);
}

const NO_GROUP = { name: undefined, also: [], cluster: undefined } as const;

export function groupOf({ groups }: Tally, key: GroupKey): Group {
  const text = textOf(key);
  const group = groups.get(text) ?? { ...key, sums: emptySums(), unowned: undefined };
  groups.set(text, group);
  return group;
}

export function textOf({ kind, name, also, cluster, period }: GroupKey): string {
  return JSON.stringify([kind, name, also, cluster, period]);
}

/** The group of a row of an answer. */
export function keyOfRow(of: Membership, row: Cells): GroupKey {
  const { by, also, every, months } = of;
  const name = row.text('name');
  return {
    kind: 'group',
    name: isPeriod(by) && name !== undefined ? periodName(by, Number(name), months) : name,
    also: also.map((_, at) => row.text(alsoColumn(at))),
    cluster: isOfNodes(of) ? row.text('cluster') : undefined,
    period: every && periodName(every, row.number('x_period')!, months),
  };
}
