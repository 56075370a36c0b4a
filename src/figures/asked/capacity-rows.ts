import {
  CAPACITY_GROUPINGS,
  CAPACITY_PERIODS,
  isPeriod,
  type CapacityGrouping,
  type CapacityPeriod,
} from '../capacity/figures.ts';

/** Over what rows are summed: one group, and after it maybe a period. */
export interface CapacityRows {
  readonly by: CapacityGrouping;
  readonly every?: CapacityPeriod;
}

/** What `readCapacityRows` reads, for whoever wrote something else. */
export const CAPACITY_ROWS_EXPECTED = `Allowed choices are ${CAPACITY_GROUPINGS.join(', ')}, and after one that is no time ${CAPACITY_PERIODS.map((period) => `,${period}`).join(' or ')}.`;

/** Of `account` or `account,month`; undefined of anything else. */
export function readCapacityRows(text: string): CapacityRows | undefined {
  const [by, every, ...more] = text
    .split(',')
    .map((one) => CAPACITY_GROUPINGS.find((known) => known === one));
  if (by === undefined) return undefined;
  if (!text.includes(',')) return { by };
  const isBoth = !isPeriod(by) && every !== undefined && isPeriod(every) && more.length === 0;
  return isBoth ? { by, every } : undefined;
}
