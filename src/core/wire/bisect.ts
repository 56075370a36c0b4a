import { assert } from '../base/assert.ts';

/** Rows [from, to) of a batch. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** What the store says to a part of a batch. `line` is the bad row's place in that part, counted from 1, or a guess of it. */
export type PartReply =
  | { readonly kind: 'acknowledged' }
  | { readonly kind: 'refused'; readonly message: string; readonly line?: number }
  | { readonly kind: 'held' };

export interface RefusedRows extends RowRange {
  /** The store's words. */
  readonly reason: string;
}

export interface BisectOutcome {
  readonly acknowledgedRows: number;
  /** Rows that the store refuses; more than one together only when the requests ran out. */
  readonly refused: readonly RefusedRows[];
  /** Parts that the store did not take now, in order; empty unless it answered `held`. */
  readonly unsent: readonly RowRange[];
  readonly requests: number;
}

/**
 * Finds the bad rows of a batch that the store has refused as a whole, and has the others written. One bad row among n
 * costs at most 2·log2(n) + 4 requests, and three when the store names the line.
 *
 * @param send sends rows [from, to) as one request
 * @param requestsMax when they are used up, what was refused and not yet searched is given up as refused: a batch in
 * which every row is bad would otherwise take a request or two for each
 */
export async function bisectRefused(
  rowCount: number,
  refusal: { readonly message: string; readonly line?: number },
  send: (part: RowRange) => Promise<PartReply>,
  requestsMax: number,
): Promise<BisectOutcome> {
  assert(rowCount >= 1 && requestsMax >= 1, 'bisect needs a row and a request');
  let acknowledgedRows = 0;
  let requests = 0;
  const refused: RefusedRows[] = [];
  /** Parts still to be looked at, the first one last. A part that is known to be bad carries the refusal. */
  const parts: Part[] = [{ from: 0, to: rowCount, refusal }];
  let isLineTrusted = true;
  while (parts.length > 0) {
    const part = parts.pop()!;
    const { from, to } = part;
    if (part.refusal === undefined) {
      const isOver = requests >= requestsMax;
      requests += isOver ? 0 : 1;
      const reply: PartReply = isOver
        ? { kind: 'refused', message: refusal.message }
        : await send({ from, to });
      if (reply.kind === 'held') {
        const unsent = [part, ...parts.toReversed()].map((each) => ({ from: each.from, to: each.to }));
        return { acknowledgedRows, refused, unsent, requests };
      }
      // A line that turns out to be another one would make the search linear: halves from then on.
      if (part.expected !== undefined && part.expected !== reply.kind) isLineTrusted = false;
      if (reply.kind === 'acknowledged') acknowledgedRows += to - from;
      else parts.push({ from, to, refusal: reply });
    } else if (to - from === 1 || requests >= requestsMax) {
      refused.push({ from, to, reason: part.refusal.message });
    } else {
      parts.push(...split(part, isLineTrusted ? part.refusal.line : undefined).toReversed());
    }
  }
  return { acknowledgedRows, refused, unsent: [], requests };
}

/** Rows still to be looked at. `refusal` when they are known to be bad; `expected` what a named line lets us expect. */
interface Part extends RowRange {
  readonly refusal?: { readonly message: string; readonly line?: number };
  readonly expected?: 'acknowledged' | 'refused';
}

/** Before the named line, that line, and after it; in halves when no line, or none of these, is named. */
function split({ from, to }: RowRange, line: number | undefined): Part[] {
  const bad = line === undefined ? NaN : from + line - 1;
  if (!(bad >= from && bad < to)) {
    const middle = (from + to) >> 1;
    return [
      { from, to: middle },
      { from: middle, to },
    ];
  }
  const parts: Part[] = [
    { from, to: bad, expected: 'acknowledged' },
    { from: bad, to: bad + 1, expected: 'refused' },
    { from: bad + 1, to },
  ];
  return parts.filter((part) => part.to > part.from);
}
