import { expect, it } from 'vitest';
import { RouteCost } from '../../../src/source/dcgm/series/route-cost.ts';

const MINUTE_US = 60_000_000;
/** 320 series, pulled every 15 s: four pulls a minute of 322 requests. */
const SERIES = 320;
const PULL_INTERVAL_MS = 15_000;

/** A minute of polls that took so much CPU, with so many requests for kept samples of 250 µs each. */
function isPullCheaperAfter(pollUs: number, requests: number, pullIntervalMs = PULL_INTERVAL_MS): boolean {
  const cost = new RouteCost(SERIES, pullIntervalMs);
  expect(cost.isPullCheaper(0)).toBe(false);
  cost.add(pollUs, requests * 250, requests);
  expect(cost.isPullCheaper(MINUTE_US - 1)).toBe(false);
  return cost.isPullCheaper(MINUTE_US);
}

it.each([
  ['polling that costs clearly more than pulls would', 700_000, 500, PULL_INTERVAL_MS, true],
  ['polling that costs about as much', 1_100_000, 500, 5_000, false],
  ['polling that costs less than 1 % of a core', 590_000, 500, PULL_INTERVAL_MS, false],
  ['polling where rows are wanted every second', 900_000, 500, 1_000, false],
  ['polling that never asked for what was kept', 5_000_000, 0, PULL_INTERVAL_MS, false],
])('judges once a minute: %s', (_, pollUs, requests, pullIntervalMs, isCheaper) => {
  expect(isPullCheaperAfter(pollUs, requests, pullIntervalMs)).toBe(isCheaper);
});

it('judges each minute by itself', () => {
  const cost = new RouteCost(SERIES, PULL_INTERVAL_MS);
  cost.isPullCheaper(0);
  cost.add(5_000_000, 125_000, 500);
  expect(cost.isPullCheaper(MINUTE_US)).toBe(true);
  cost.add(100_000, 125_000, 500);
  expect(cost.isPullCheaper(2 * MINUTE_US)).toBe(false);
});
