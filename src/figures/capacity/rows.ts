import type { CostRates } from '../../core/costs/costs.ts';
import { energyOf, type Quantity } from '../quantity.ts';
import { isOwned, isPeriod, type CapacityKind, type TimesRow } from './figures.ts';
import type { Membership } from './membership.ts';
import { capacitySums } from './sums.ts';
import { textOf, type GroupKey, type Tally } from './tally.ts';

/** What rounding of parts may leave over. */
const ROUNDING_US_MAX = 0.5;

const KIND_ORDER: readonly CapacityKind[] = [
  'group',
  'others',
  'unresolved',
  'unattributed',
  'unowned',
  'unallocated',
  'cut',
];

/** Groups by GPU time of the window, most first, periods in their order; then the other kinds. */
export function rowsOf(
  { groups }: Tally,
  { by }: Membership,
  jobs: ReadonlyMap<string, unknown>,
  rates: CostRates | undefined,
): TimesRow[] {
  const wholeKey = (key: GroupKey): string => textOf({ ...key, period: undefined });
  const wholeUs = new Map<string, number>();
  for (const group of groups.values())
    wholeUs.set(wholeKey(group), (wholeUs.get(wholeKey(group)) ?? 0) + group.sums.attributedUs);
  const byText = (a = '', b = ''): number => (a < b ? -1 : Number(a > b));
  const keyed = [...groups.values()]
    .filter(
      ({ sums, unowned, ...key }) =>
        // Energy of a GPU that the lane of time did not see is in `all`, too.
        Math.max(sums.attributedUs, sums.bestUs) > ROUNDING_US_MAX ||
        unowned !== undefined ||
        key.kind === 'cut' ||
        jobs.has(textOf(key)),
    )
    .map((group): { readonly row: TimesRow; readonly key: string } => {
      const { kind, name, also, cluster, period, sums, unowned } = group;
      const own = capacitySums(sums, rates);
      const nobodys = {
        unownedUs: unowned?.attributedUs,
        unownedEnergy: unowned === undefined ? undefined : energyOf(unowned).best,
      };
      return { row: { kind, name, also, cluster, period, ...own, ...nobodys }, key: wholeKey(group) };
    })
    .sort(
      ({ row: a, key }, { row: b, key: other }) =>
        KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) ||
        (isPeriod(by) ? byText(a.name, b.name) : wholeUs.get(other)! - wholeUs.get(key)!) ||
        byText(key, other) ||
        byText(a.period, b.period),
    );
  return keyed.map(({ row }) => row);
}

/** Σ over the rows that are of some job; undefined where nothing is known of any. */
export function ofOwned(
  rows: readonly TimesRow[],
  pick: (row: TimesRow) => Quantity<'microseconds'> | undefined,
): Quantity<'microseconds'> | undefined {
  const known = rows.filter(({ kind }) => isOwned(kind)).flatMap((row) => pick(row) ?? []);
  if (known.length === 0) return undefined;
  return {
    value: known.reduce((sum, { value }) => sum + value, 0),
    unit: 'microseconds',
    knownUs: known.reduce((sum, { knownUs }) => sum + knownUs, 0),
  };
}
