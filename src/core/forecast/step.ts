/** A step in a history: what came with another machine, or another group, at once. No method goes on over one. */
import { medianOf } from '../analysis/median.ts';
import { slopesOf, type KnownWeek } from './methods.ts';

/** The weeks beside a step that are held against each other. */
const BESIDE_WEEKS = 4;
/** How far apart the middles of both sides are, in units of how far weeks mostly are from the middle of their side. */
const MADS_MIN = 3;
/** How far apart the weeks beside it are, as a part of the higher ones: noise and a season go as far in so few weeks, too. */
const JUMP_RATIO_MIN = 0.2;
/** So many on either side tell by how much a trend alone would have brought them apart. */
const TREND_WEEKS = 8;

export interface DemandStep {
  /** Number of the first week after it. */
  readonly week: number;
  /** Medians of the four weeks before it and of the first four after it. */
  readonly before: number;
  readonly after: number;
}

/** The largest step, if there is any. @param known oldest first */
export function stepIn(known: readonly KnownWeek[]): DemandStep | undefined {
  let largest: DemandStep | undefined;
  for (let at = BESIDE_WEEKS; at <= known.length - BESIDE_WEEKS; at += 1) {
    const step = stepAt(known, at);
    if (step !== undefined && (largest === undefined || jumpOf(step) > jumpOf(largest))) largest = step;
  }
  return largest;
}

function stepAt(known: readonly KnownWeek[], at: number): DemandStep | undefined {
  const values = known.map(({ value }) => value);
  const sides = [values.slice(0, at), values.slice(at)] as const;
  const [left, right] = [values.slice(at - BESIDE_WEEKS, at), values.slice(at, at + BESIDE_WEEKS)];
  // One week that is off is no step: all of them are on the other side.
  if (Math.max(...left) >= Math.min(...right) && Math.min(...left) <= Math.max(...right)) return undefined;
  const step = { week: known[at]!.week, before: medianOf(left), after: medianOf(right) };
  const trend = BESIDE_WEEKS * slopeBeside(known, at) * Math.sign(step.after - step.before);
  if (jumpOf(step) - Math.max(0, trend) <= JUMP_RATIO_MIN * Math.max(step.before, step.after))
    return undefined;
  const [first, second] = [medianOf(sides[0]), medianOf(sides[1])];
  const mad = medianOf([
    ...sides[0].map((value) => Math.abs(value - first)),
    ...sides[1].map((value) => Math.abs(value - second)),
  ]);
  return Math.abs(second - first) > MADS_MIN * mad ? step : undefined;
}

/** Per week, of the weeks before and of those after it, but not across. */
function slopeBeside(known: readonly KnownWeek[], at: number): number {
  const sides = [known.slice(Math.max(0, at - TREND_WEEKS), at), known.slice(at, at + TREND_WEEKS)];
  return medianOf(sides.flatMap(slopesOf));
}

function jumpOf({ before, after }: DemandStep): number {
  return Math.abs(after - before);
}
