import type { BillHead, IssuedBill, ReckonedBill } from './figures.ts';
import { billTotals, type BillGrouping, type BillTotals } from './totals.ts';

/** A bill as it is shown: all that `gpuledger report bill` prints, without any text of its own. Epoch µs. */
export interface BillFigures {
  /** `provisional`: of a month that has not ended. `draft`: it could not be stored. */
  readonly state: 'issued' | 'draft' | 'provisional';
  readonly head: BillHead;
  /** Up to where it is reckoned. */
  readonly untilUs: number;
  /** The next three of an issued one. */
  readonly version: number | undefined;
  readonly issuedUs: number | undefined;
  readonly id: string | undefined;
  /** When the store first heard of an owner of a GPU; undefined where it never did, or the bill was read as it was issued. */
  readonly firstUs: number | undefined;
  readonly totals: BillTotals;
  /** Of the version before it. */
  readonly before: BillBefore | undefined;
}

interface BillBefore {
  readonly version: number;
  readonly issuedUs: number;
  readonly totals: BillTotals;
}

/** How its lines are put together. */
export interface BillShape {
  readonly by: BillGrouping;
  /** Only what is of this cluster. */
  readonly cluster: string | undefined;
}

/** @param former the version before it, or for a draft the newest that was issued */
export function issuedFigures(
  bill: IssuedBill,
  former: IssuedBill | undefined,
  shape: BillShape,
): BillFigures {
  const { head, version, issuedUs, id } = bill;
  return {
    ...{ state: 'issued', head, untilUs: head.toUs, version, issuedUs, id, firstUs: undefined },
    totals: billTotals(bill, shape.by, shape.cluster),
    before: former && beforeOf(former, shape),
  };
}

/** Of one that is not stored. */
export function unissuedFigures(
  bill: ReckonedBill,
  former: IssuedBill | undefined,
  shape: BillShape,
): BillFigures {
  const { head, untilUs, firstUs } = bill;
  return {
    state: untilUs < head.toUs ? 'provisional' : 'draft',
    ...{ head, untilUs, firstUs, version: undefined, issuedUs: undefined, id: undefined },
    totals: billTotals(bill, shape.by, shape.cluster),
    before: former && beforeOf(former, shape),
  };
}

function beforeOf(bill: IssuedBill, { by, cluster }: BillShape): BillBefore {
  return { version: bill.version, issuedUs: bill.issuedUs, totals: billTotals(bill, by, cluster) };
}
