import { lineKey, type Bill, type BillLine } from './figures.ts';
import { termsText } from './terms.ts';

/**
 * A bill that was reckoned anew, with what was known of energy when the version before it was issued where less is known now, of as much
 * time: samples have aged out since, and that is no fact that came late.
 */
export function withFormerEnergy<One extends Bill>(bill: One, former: Bill | undefined): One {
  if (former === undefined) return bill;
  const known = new Map(former.lines.map((line) => [lineKey(line), line]));
  const lines = bill.lines.map((line): BillLine => {
    const before = known.get(lineKey(line));
    if (before?.ownedUs !== line.ownedUs) return line;
    const { millijoules, energyUs, milligrams, carbonMillijoules } = before;
    return {
      ...line,
      ...(line.energyUs < energyUs ? { millijoules, energyUs } : {}),
      ...(line.energyUs < energyUs || line.carbonMillijoules < carbonMillijoules
        ? { milligrams, carbonMillijoules }
        : {}),
    };
  });
  return { ...bill, lines };
}

/** What decides whether two bills are the same: who had what, and by which terms. */
export function contentOf({ head: { month, fromUs, toUs, terms }, lines }: Bill): string {
  const all = lines.map((line) => [
    lineKey(line),
    ...[
      line.ownedUs,
      line.millijoules,
      line.energyUs,
      line.milligrams,
      line.carbonMillijoules,
      line.idleTailUs,
    ],
  ]);
  return JSON.stringify([month, fromUs, toUs, termsText(terms), all]);
}
