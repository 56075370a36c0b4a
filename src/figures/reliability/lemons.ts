import { atLeastInPart } from './rates.ts';

/** How often a node may be accused though none is worse than the others: in one of so many windows. */
const ACCUSED_MAX = 0.01;
/** Fewer show nothing, however seldom others fail. */
const FAILURES_MIN = 3;

export interface Tested {
  /** For how long it was seen, µs. */
  readonly seenUs: number;
  readonly failures: number;
}

export interface Verdict {
  /** Its part of all failures, if all nodes failed alike. */
  readonly expected: number;
  /** Probability of as many or more then. */
  readonly p: number;
  /** The same where the worst of so many nodes is looked at (Holm). */
  readonly adjustedP: number;
  readonly isLemon: boolean;
}

/**
 * Which nodes fail more often than the others. Two Poisson rates are compared exactly: given how many failures there were in all, those
 * of a node are binomial with its part of the time. What other lemons have is in `all`, which makes the test more careful.
 */
export function lemonsOf(nodes: readonly Tested[]): Verdict[] {
  const allUs = nodes.reduce((sum, { seenUs }) => sum + seenUs, 0);
  const all = nodes.reduce((sum, { failures }) => sum + failures, 0);
  const tested = nodes.map(({ seenUs, failures }) => {
    const ratio = allUs > 0 ? seenUs / allUs : 0;
    return { failures, expected: all * ratio, p: allUs > 0 ? atLeastInPart(failures, all, ratio) : 1 };
  });
  const order = tested.map((_, index) => index).sort((a, b) => tested[a]!.p - tested[b]!.p);
  const adjusted = new Array<number>(nodes.length).fill(1);
  let least = 0;
  for (const [rank, index] of order.entries()) {
    least = Math.min(1, Math.max(least, tested[index]!.p * (nodes.length - rank)));
    adjusted[index] = least;
  }
  return tested.map(({ failures, expected, p }, index) => ({
    ...{ expected, p, adjustedP: adjusted[index]! },
    isLemon: failures >= FAILURES_MIN && adjusted[index]! < ACCUSED_MAX,
  }));
}
