import { addCosts } from '../../core/costs/costs.ts';
import { quantity, type Energy, type Quantity } from '../quantity.ts';
import type { CapacityFigures, CapacityRow, CapacityTimes, InstalledRow, TimesRow } from './figures.ts';
import { addTimes } from './installed/parts.ts';

/** Which group a row is of. */
type GroupNames = Pick<CapacityRow, 'name' | 'also' | 'cluster'>;

/** The rows with one for all groups that are not shown, of each period. */
export function withOthers(
  { rows, installed }: CapacityFigures,
  isShown: (group: GroupNames) => boolean,
): Pick<CapacityFigures, 'rows' | 'installed'> {
  return {
    rows: merged(rows, isShown, (own) => ({
      ...othersOf(own),
      jobs: own.reduce((all, { jobs }) => all + jobs, 0),
    })),
    installed: { ...installed, rows: merged(installed.rows, isShown, installedOthersOf) },
  };
}

/** The same of whose the time was alone. */
export function timesWithOthers(
  { rows }: CapacityTimes,
  isShown: (group: GroupNames) => boolean,
): Pick<CapacityTimes, 'rows'> {
  return { rows: merged(rows, isShown, othersOf) };
}

/** Between the groups and the other kinds. */
function merged<Row extends TimesRow | InstalledRow>(
  rows: readonly Row[],
  isShown: (group: GroupNames) => boolean,
  together: (rows: readonly Row[]) => Row,
): Row[] {
  const groups = rows.filter((row) => row.kind === 'group' && isShown(row));
  const hidden = rows.filter((row) => row.kind === 'others' || (row.kind === 'group' && !isShown(row)));
  const others = [...Map.groupBy(hidden, ({ period }) => period).values()].map(together);
  const rest = rows.filter(({ kind }) => kind !== 'group' && kind !== 'others');
  return [...groups, ...others, ...rest];
}

function installedOthersOf(rows: readonly InstalledRow[]): InstalledRow {
  const { period } = rows[0]!;
  const parts = addTimes(rows.map((row) => row.parts));
  return { kind: 'others', name: undefined, also: [], cluster: undefined, period, parts };
}

function othersOf(rows: readonly TimesRow[]): TimesRow {
  const sum = (of: (row: TimesRow) => number): number => rows.reduce((all, row) => all + of(row), 0);
  const { period } = rows[0]!;
  const smKnown = rows.flatMap(({ smActive }) => smActive ?? []);
  const smUs = smKnown.reduce((us, { knownUs }) => us + knownUs, 0);
  const smSum = smKnown.reduce((all, { value, knownUs }) => all + value * knownUs, 0);
  const costs = rows.flatMap((row) => row.costs ?? []);
  const hasUnowned = rows.some(({ unownedUs }) => unownedUs !== undefined);
  return {
    ...{ kind: 'others', name: undefined, also: [], cluster: undefined, period },
    attributedUs: sum(({ attributedUs }) => attributedUs),
    idle: added(rows.map(({ idle }) => idle)),
    smActive: smUs > 0 ? quantity(smSum / smUs, 'ratio', smUs) : undefined,
    wasted: added(rows.map(({ wasted }) => wasted)),
    energy: energyOf(rows.map(({ energy }) => energy)),
    instanceUs: sum(({ instanceUs }) => instanceUs),
    costs: costs.length === 0 ? undefined : addCosts(costs),
    unownedUs: hasUnowned ? sum(({ unownedUs = 0 }) => unownedUs) : undefined,
    unownedEnergy: added(rows.map(({ unownedEnergy }) => unownedEnergy)),
  };
}

function energyOf(all: readonly Energy[]): Energy {
  return {
    counter: added(all.map(({ counter }) => counter)),
    power: added(all.map(({ power }) => power)),
    best: added(all.map(({ best }) => best)),
    divided: added(all.map(({ divided }) => divided)),
  };
}

/** Undefined where none is known. */
function added<U extends 'microseconds' | 'joules'>(
  all: readonly (Quantity<U> | undefined)[],
): Quantity<U> | undefined {
  const known = all.filter((one) => one !== undefined);
  const [first] = known;
  if (first === undefined) return undefined;
  return {
    value: known.reduce((sum, { value }) => sum + value, 0),
    unit: first.unit,
    knownUs: known.reduce((sum, { knownUs }) => sum + knownUs, 0),
  };
}
