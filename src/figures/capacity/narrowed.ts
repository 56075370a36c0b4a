import { addCosts } from '../../core/costs/costs.ts';
import { quantity, type Energy, type Quantity } from '../quantity.ts';
import type { Sight } from '../sight.ts';
import { isPeriod, type CapacityFigures, type CapacityRow } from './figures.ts';

/**
 * The same for somebody who may not see everybody's names: own groups stay, all others of a period become one row, no device and no job
 * is named. Sums are what they were.
 * @param sight undefined: everything may be seen
 */
export function narrowedTo(sight: Sight | undefined, figures: CapacityFigures): CapacityFigures {
  if (sight === undefined) return figures;
  const isOwn = ({ kind, name }: CapacityRow): boolean => kind !== 'group' || isNameFor(sight, figures, name);
  const others = figures.rows.filter((row) => !isOwn(row));
  const merged = [...Map.groupBy(others, ({ period }) => period).values()].map(othersOf);
  const own = figures.rows.filter(isOwn);
  const groups = own.filter(({ kind }) => kind === 'group');
  return {
    ...figures,
    rows: [...groups, ...merged, ...own.filter(({ kind }) => kind !== 'group')],
    lastSigns: [],
    billing: undefined,
    isNarrowed: true,
  };
}

/** Names of times and models are nobody's. */
function isNameFor(sight: Sight, { by }: CapacityFigures, name: string | undefined): boolean {
  if (isPeriod(by) || by === 'model') return true;
  if (name === undefined) return false;
  if (by === 'user') return name === sight.user;
  return by === 'account' && sight.accounts.has(name);
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
    ...{ kind: 'others', name: undefined, cluster: undefined, period },
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
