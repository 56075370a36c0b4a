import { addCosts } from '../../core/costs/costs.ts';
import { quantity, type Energy, type Quantity } from '../quantity.ts';
import type { CapacityRow } from './figures.ts';

/** The rows with one for all groups that are not shown, of each period: between the groups and the other kinds. */
export function withOthers(
  rows: readonly CapacityRow[],
  isShown: (row: CapacityRow) => boolean,
): CapacityRow[] {
  const groups = rows.filter(({ kind }) => kind === 'group');
  const hidden = rows.filter((row) => row.kind === 'others' || (row.kind === 'group' && !isShown(row)));
  const merged = [...Map.groupBy(hidden, ({ period }) => period).values()].map(othersOf);
  const rest = rows.filter(({ kind }) => kind !== 'group' && kind !== 'others');
  return [...groups.filter(isShown), ...merged, ...rest];
}

function othersOf(rows: readonly CapacityRow[]): CapacityRow {
  const sum = (of: (row: CapacityRow) => number): number => rows.reduce((all, row) => all + of(row), 0);
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
    jobs: sum(({ jobs }) => jobs),
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
