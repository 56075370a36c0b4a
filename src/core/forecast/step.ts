/** A step in a history: what came with another machine, or another group, at once. No method goes on over one. */
import { medianOf } from '../analysis/median.ts';
import { slopesOf, type KnownWeek } from './methods.ts';

/** The weeks beside a step that are held against each other. */
const BESIDE_WEEKS = 4;
/** So many on either side tell by how much a trend alone would have brought them apart. */
const TREND_WEEKS = 8;
/**
 * How far apart the weeks beside it are beyond that, as a part of the higher ones: noise and a season go as far in so few weeks, too. And
 * how far the middles of all weeks before and after, in units of how far weeks mostly are from the middle of their side.
 */
const JUMP_RATIO_MIN = 0.2;
const MADS_MIN = 3;
/** Less is enough where weeks hardly differ: in units of how much a week mostly differs from the one before. */
const CALM_JUMP_RATIO_MIN = 0.1;
const CALM_CHANGES_MIN = 8;

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
  const [left, right] = [values.slice(at - BESIDE_WEEKS, at), values.slice(at, at + BESIDE_WEEKS)];
  // One week that is off is no step: all of them are on the other side.
  if (Math.max(...left) >= Math.min(...right) && Math.min(...left) <= Math.max(...right)) return undefined;
  const step = { week: known[at]!.week, before: medianOf(left), after: medianOf(right) };
  const trend = BESIDE_WEEKS * slopeBeside(known, at) * Math.sign(step.after - step.before);
  const beyond = jumpOf(step) - Math.max(0, trend);
  const ratio = beyond / Math.max(step.before, step.after);
  const isLarge = ratio > JUMP_RATIO_MIN && areSidesApart(values, at);
  const isCalm = ratio > CALM_JUMP_RATIO_MIN && beyond > CALM_CHANGES_MIN * changeOf(values);
  return isLarge || isCalm ? step : undefined;
}

function areSidesApart(values: readonly number[], at: number): boolean {
  const sides = [values.slice(0, at), values.slice(at)];
  const [first, second] = sides.map(medianOf) as [number, number];
  const strays = sides.flatMap((side, index) =>
    side.map((value) => Math.abs(value - (index === 0 ? first : second))),
  );
  return Math.abs(second - first) > MADS_MIN * medianOf(strays);
}

/** How much a week mostly differs from the known one before. */
function changeOf(values: readonly number[]): number {
  return medianOf(values.slice(1).map((value, index) => Math.abs(value - values[index]!)));
}

/** Per week, of the weeks before and of those after it, but not across. */
function slopeBeside(known: readonly KnownWeek[], at: number): number {
  const sides = [known.slice(Math.max(0, at - TREND_WEEKS), at), known.slice(at, at + TREND_WEEKS)];
  return medianOf(sides.flatMap(slopesOf));
}

function jumpOf({ before, after }: DemandStep): number {
  return Math.abs(after - before);
}
