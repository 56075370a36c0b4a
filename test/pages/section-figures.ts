/** What sections of the page of the fleet are made of, by hand: for those who read them, and those who look at them. */
import { USUAL_IDLE_LIMITS } from '../../src/core/fields/idle-limits.ts';
import { forecastOf } from '../../src/core/forecast/forecast.ts';
import { shortageOf } from '../../src/core/forecast/shortage.ts';
import { WEEK_US, type ForecastFigures } from '../../src/figures/forecast/figures.ts';
import type { QueueFigures } from '../../src/figures/queue/figures.ts';
import type { ReliabilityFigures } from '../../src/figures/reliability/figures.ts';
import { nodeReliability } from '../../src/figures/reliability/nodes.ts';

export const HOUR = 3600e6;
const DAY = 24 * HOUR;
/** A Monday. */
export const T0 = Date.UTC(2026, 0, 5) * 1000;
export const HOSTILE = `<img src=x>"\u202e`;

export function forecast(demand: readonly (number | undefined)[], capacity: number): ForecastFigures {
  const capacityUs = capacity * HOUR;
  const told = forecastOf(
    demand.map((hours) => hours && hours * HOUR),
    12,
  );
  return {
    ...{ cluster: undefined, isSynthetic: false, devices: 4, basis: 'owned', horizonWeeks: 12 },
    weeks: demand.map((hours, week) => ({
      ...{ startUs: T0 + week * WEEK_US, ownedUs: 0, sampledUs: 0, unmetUs: undefined },
      ...{ knownUs: capacityUs, demandUs: hours && hours * HOUR },
    })),
    ...{ forecast: told, capacityUs },
    shortage: told.refusal === undefined ? shortageOf(told.weeks, capacityUs) : undefined,
  };
}

export const RISING = Array.from({ length: 30 }, (_, week) =>
  week === 7 ? undefined : 300 + 10 * week + (week % 3),
);

export function reliability(failuresOfFirst: number): ReliabilityFigures {
  const seen = Array.from({ length: 14 }, (_, at) => ({
    ...{ gpu: `G${at}`, node: at === 0 ? HOSTILE : `n${at}`, cluster: 'a' },
    ...{ model: 'NVIDIA H100', seenUs: 90 * DAY },
  }));
  const signs = new Map(
    seen.map(({ cluster, node }, at) => [
      JSON.stringify([cluster, node]),
      Array.from({ length: at === 0 ? failuresOfFirst : 1 }, (_, day) => ({
        ...{ sign: 'xid' as const, fromUs: T0 + day * DAY, toUs: T0 + day * DAY },
      })),
    ]),
  );
  return {
    ...{ cluster: undefined, fromUs: T0, toUs: T0 + 90 * DAY, isSynthetic: false },
    models: [],
    nodes: nodeReliability(seen, signs),
    ...{ seenNodeUs: 14 * 90 * DAY, failures: 13 + failuresOfFirst, unplacedFailures: 0 },
    ...{ meanUs: 60 * DAY, lowUs: 40 * DAY, highUs: 90 * DAY },
    lost: { runs: 0, requeued: 0, mostUs: 0, availableUs: 0 },
    ...{ unseenEvents: 0, deafNodes: 0 },
  };
}

export const QUEUE: QueueFigures = {
  ...{ fromUs: T0, toUs: T0 + 7 * DAY, cluster: undefined, isSynthetic: false, devices: 8, migInstances: 0 },
  time: {
    ...{ knownUs: 1344 * HOUR, ownedUs: 900 * HOUR, freeUs: 400 * HOUR },
    ...{ outOfUseUs: 44 * HOUR, untoldUs: 0 },
  },
  queue: {
    ...{ askedUs: 7 * DAY, windowUs: 7 * DAY, waitedGpuUs: 50 * HOUR, unknownTypeGpuUs: 9 * HOUR },
    ...{ unknownTypes: [HOSTILE], lastPollUs: T0 + 7 * DAY, waitingJobs: 1, waitingGpus: 8, otherJobs: 0 },
  },
  beside: {
    free: { besideUs: 100 * HOUR, hadUs: 400 * HOUR, fitsUs: 30 * HOUR },
    idle: { besideUs: 20 * HOUR, hadUs: 80 * HOUR, fitsUs: 10 * HOUR, bucketUs: 60e6, keptUs: 7 * DAY },
  },
  fragmentation: [
    { gpus: 1, usableUs: 400 * HOUR, ratio: 0 },
    { gpus: 8, usableUs: 100 * HOUR, ratio: 0.75 },
  ],
  ...{ waits: [], unknownWaits: 0, idleLimits: USUAL_IDLE_LIMITS },
};
