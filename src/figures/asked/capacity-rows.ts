import { nearestWords } from '../../../schemas/nearest.ts';
import {
  CAPACITY_GROUPINGS,
  CAPACITY_NAMES,
  CAPACITY_PERIODS,
  isPeriod,
  type CapacityFilter,
  type CapacityGrouping,
  type CapacityName,
  type CapacityPeriod,
} from '../capacity/figures.ts';

/** Over what rows are summed: names, and after them maybe a period; or a period alone. */
export interface CapacityRows {
  readonly by: CapacityGrouping;
  readonly also?: readonly CapacityName[];
  readonly every?: CapacityPeriod;
}

/** What `readCapacityRows` reads, for whoever wrote something else. */
export function capacityRowsExpected(text: string): string {
  return `${meantText(text.split(','), CAPACITY_GROUPINGS)}Allowed choices are ${CAPACITY_GROUPINGS.join(', ')}; of those that are no times several, each once, with commas between them, and after them maybe ${CAPACITY_PERIODS.map((period) => `,${period}`).join(' or ')}.`;
}

/** A question whether a known word was meant by one of these that is none; nothing where none is near. */
function meantText(words: readonly string[], known: readonly string[]): string {
  const near = words.flatMap((word) => (known.includes(word) ? [] : nearestWords(word, known, 1)));
  return near.length === 0 ? '' : `Did you mean ${near.join(', ')}? `;
}

/** Of `account`, `account,month` or `account,model,month`; undefined of anything else. */
export function readCapacityRows(text: string): CapacityRows | undefined {
  const words = text.split(',');
  const groups = words.flatMap((word) => CAPACITY_GROUPINGS.find((known) => known === word) ?? []);
  if (groups.length < words.length || new Set(groups).size < groups.length) return undefined;
  const last = groups.at(-1)!;
  const every = isPeriod(last) ? last : undefined;
  const names = groups.slice(0, every === undefined ? undefined : -1);
  const [by, ...also] = names.filter((name) => !isPeriod(name));
  // A time stands behind all names.
  if (names.some(isPeriod)) return undefined;
  if (by === undefined) return { by: last };
  return {
    by,
    ...(also.length === 0 ? {} : { also }),
    ...(every === undefined ? {} : { every }),
  };
}

/** What `readCapacityFilter` reads, for whoever wrote something else. */
export function capacityFilterExpected(text: string): string {
  return `${meantText(text.split('=', 1), CAPACITY_NAMES)}Expected one of ${CAPACITY_NAMES.join(', ')} with = and a name after it, as account=physics.`;
}

/** Of `account=physics`; undefined of anything else. A name may have `=` in it. */
export function readCapacityFilter(
  text: string,
): { readonly by: CapacityName; readonly name: string } | undefined {
  const at = text.indexOf('=');
  const by = CAPACITY_NAMES.find((known) => known === text.slice(0, at));
  const name = text.slice(at + 1);
  return at < 0 || by === undefined || name.trim() === '' ? undefined : { by, name };
}

/** Several names of one kind are any of them; of several kinds each must fit. */
export function capacityFilters(
  told: readonly { readonly by: CapacityName; readonly name: string }[],
): CapacityFilter[] {
  return [...Map.groupBy(told, ({ by }) => by)].map(([by, some]) => ({
    by,
    names: [...new Set(some.map(({ name }) => name))],
  }));
}

/** Of `10`; undefined of anything that is no number of rows. */
export function readTop(text: string): number | undefined {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
}
