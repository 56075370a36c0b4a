import type { Sight } from '../sight.ts';
import {
  isPeriod,
  type CapacityFigures,
  type CapacityGrouping,
  type CapacityRow,
  type CapacityTimes,
} from './figures.ts';
import { timesWithOthers, withOthers } from './others.ts';

/**
 * The same for somebody who may not see everybody's names: own groups stay, all others of a period become one row, no device and no job
 * is named. Sums are what they were.
 * @param sight undefined: everything may be seen
 */
export function narrowedTo(sight: Sight | undefined, figures: CapacityFigures): CapacityFigures {
  if (sight === undefined) return figures;
  return {
    ...figures,
    ...withOthers(figures, (group) => areNamesFor(sight, figures, group)),
    lastSigns: [],
    unseenNodes: [],
    billing: undefined,
    isNarrowed: true,
  };
}

/** The same of whose the time was alone. */
export function timesNarrowedTo(sight: Sight | undefined, times: CapacityTimes): CapacityTimes {
  if (sight === undefined) return times;
  return {
    ...times,
    ...timesWithOthers(times, (group) => areNamesFor(sight, times, group)),
    lastSigns: [],
    isNarrowed: true,
  };
}

function areNamesFor(
  sight: Sight,
  { by, also }: Pick<CapacityFigures, 'by' | 'also'>,
  row: Pick<CapacityRow, 'name' | 'also'>,
): boolean {
  return isNameFor(sight, by, row.name) && also.every((other, at) => isNameFor(sight, other, row.also[at]));
}

/** Names of times and models are nobody's. */
export function isNameFor(sight: Sight, by: CapacityGrouping, name: string | undefined): boolean {
  if (isPeriod(by) || by === 'model') return true;
  if (name === undefined) return false;
  if (by === 'user') return name === sight.user;
  return by === 'account' && sight.accounts.has(name);
}
