/** What a count of events says of the rate at which they come (Poisson), and of nodes that have more than others. All exact. */
import { bisect, gammaln } from 'simple-statistics';

/** Chance that a rate lies outside of its interval, half of it on either side. */
const OUTSIDE = 0.05;
/** Far beyond the last digit of what it is added to. */
const NEGLIGIBLE = 1e-18;

/** How many events an average window has, with the bounds between which that lies 95 times of 100. */
export interface MeanCount {
  readonly low: number;
  readonly high: number;
}

/** The interval of Garwood: by quantiles of χ². @param count of events that came */
export function meanCountInterval(count: number): MeanCount {
  return {
    low: count === 0 ? 0 : chiSquaredQuantile(OUTSIDE / 2, 2 * count) / 2,
    high: chiSquaredQuantile(1 - OUTSIDE / 2, 2 * count + 2) / 2,
  };
}

/**
 * What χ² stays below with this probability. With an even number of degrees that is a sum of Poisson probabilities.
 * @param probability in (0, 1) @param degrees even, from 2 on
 */
export function chiSquaredQuantile(probability: number, degrees: number): number {
  const events = degrees / 2;
  const beyond = (mean: number): number => probability - (1 - poissonBelow(events, mean));
  const most = 2 * (events + 20 * Math.sqrt(events) + 50);
  return 2 * bisect(beyond, 0, most, 200, 1e-12 * most);
}

/** Probability of fewer than so many events where so many are to be expected. */
function poissonBelow(events: number, mean: number): number {
  if (mean === 0) return 1;
  const first = (count: number): number => Math.exp(count * Math.log(mean) - mean - gammaln(count + 1));
  // The tail that gets less with each term: the other one may begin with less than there are numbers for.
  if (mean > events) return sumOf(first(events - 1), events, (step) => (events - step) / mean);
  return 1 - sumOf(first(events), Infinity, (step) => mean / (events + step));
}

/**
 * Probability that, of so many events that come anywhere alike, so many or more come in a part of the whole.
 * @param ratio of the part, 0 to 1
 */
export function atLeastInPart(events: number, all: number, ratio: number): number {
  if (events === 0 || ratio >= 1) return 1;
  if (ratio <= 0) return 0;
  const odds = ratio / (1 - ratio);
  const first = (count: number): number =>
    Math.exp(
      gammaln(all + 1) -
        gammaln(count + 1) -
        gammaln(all - count + 1) +
        count * Math.log(ratio) +
        (all - count) * Math.log1p(-ratio),
    );
  if (events > all * ratio)
    return sumOf(
      first(events),
      all - events + 1,
      (step) => ((all - events - step + 1) / (events + step)) * odds,
    );
  return 1 - sumOf(first(events - 1), events, (step) => (events - step) / (all - events + step + 1) / odds);
}

/** Σ of terms that get less and less, until they do not count. @param factor of a term to the one before, from 1 on */
function sumOf(first: number, terms: number, factor: (step: number) => number): number {
  let term = first;
  let sum = 0;
  for (let step = 1; step <= terms && term > NEGLIGIBLE * sum; step += 1) {
    sum += term;
    term *= factor(step);
  }
  return Math.min(1, sum);
}
