import type { ToldNode } from './cluster-load.ts';

/** Time in which a node was told to be in one state: fromUs < t ≤ toUs, within one hour. Without length where it is told for the first time. */
export interface NodeSpell extends ToldNode {
  /** Epoch µs. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** What the poll before left. */
export interface LastPoll {
  /** Epoch µs; undefined where there was none that is near enough to matter. */
  readonly atUs: number | undefined;
  /** The newest spell of each node. */
  readonly spells: ReadonlyMap<string, Pick<NodeSpell, 'fromUs' | 'toUs' | 'state' | 'gpus' | 'reason'>>;
}

const HOUR_US = 3600e6;

/** The time that a poll speaks for: since the poll before, as a sample's dt; none after a longer gap than is allowed. */
export function spokenForUs(lastUs: number | undefined, nowUs: number, gapUsMax: number): number {
  return lastUs !== undefined && lastUs < nowUs && nowUs - lastUs <= gapUsMax ? nowUs - lastUs : 0;
}

/**
 * The rows that a poll makes: each takes the place of one with the same start and node. A node whose state, reason and GPUs are
 * as they were goes on with its row; cut at whole hours, so that what changes is small and new.
 * @returns none where a later poll has been (a clock that was set back)
 */
export function spellsOf(
  nodes: readonly ToldNode[],
  last: LastPoll,
  nowUs: number,
  gapUsMax: number,
): NodeSpell[] {
  if (last.atUs !== undefined && last.atUs >= nowUs) return [];
  const sinceUs = nowUs - spokenForUs(last.atUs, nowUs, gapUsMax);
  return nodes.flatMap((node) => {
    const former = last.spells.get(node.node);
    const goesOn =
      former?.toUs === sinceUs &&
      former.state === node.state &&
      former.gpus === node.gpus &&
      former.reason === node.reason;
    return pieces(goesOn ? former.fromUs : sinceUs, nowUs).map((piece) => ({ ...node, ...piece }));
  });
}

function pieces(fromUs: number, toUs: number): { readonly fromUs: number; readonly toUs: number }[] {
  const found = [];
  let atUs = fromUs;
  do {
    const endUs = Math.min((Math.floor(atUs / HOUR_US) + 1) * HOUR_US, toUs);
    found.push({ fromUs: atUs, toUs: endUs });
    atUs = endUs;
  } while (atUs < toUs);
  return found;
}
