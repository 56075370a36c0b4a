import { seededRandom } from '../../chaos/random.ts';
import { drawDevices } from './devices.ts';
import { drawIdleLimits } from './idle-limits.ts';
import { drawLanes, type LanePlan } from './rows.ts';
import { drawFacts, drawRuns } from './runs.ts';
import { between, DAY, HOUR, oneOf, S, type Fleet, type FleetSighting } from './fleet.ts';

/** Each fleet has days of its own, so that many fit into one store. */
const FIRST_DAY_US = Date.UTC(2022, 0, 1) * 1000;
const DAYS_APART = 5;

/** The lane with everything; its fields as columns. */
const MAIN_LANE: LanePlan = {
  table: 'gpu_main',
  columns: [
    'sm_active_ratio',
    'tensor_active_ratio',
    'dram_active_ratio',
    'gr_engine_active_ratio',
    'gpu_util_ratio',
    'power_watts',
    'energy_joules',
    'fb_used_bytes',
    'fp64_active_ratio',
    'fp32_active_ratio',
    'fp16_active_ratio',
  ],
  times: 1,
};

/** A slower one, that has some of it too. */
const SLOW_LANE: LanePlan = {
  table: 'gpu_slow',
  columns: ['sm_active_ratio', 'fb_used_bytes'],
  times: 3,
};

/** One that had the activity before, and is in no configuration any more. */
const EARLY_LANE: LanePlan = { table: 'gpu_early', columns: ['sm_active_ratio'], times: 2 };

/** Which names clusters have in a store. `one`: at most one is known. */
export type Naming = 'one' | 'many';

const CLUSTERS: Readonly<Record<Naming, readonly (readonly (string | undefined)[])[]>> = {
  one: [['a'], [undefined]],
  many: [['a'], ['a', 'b'], ['b', undefined], [undefined]],
};

const ROWS_MAX = 5000;

/** @returns the same fleet for the same seed and naming */
export function drawFleet(seed: number, naming: Naming): Fleet {
  const random = seededRandom(seed * 7919 + (naming === 'one' ? 1 : 2));
  const devices = drawDevices(seed, oneOf(random, CLUSTERS[naming]), random);
  const lengthUs = Math.floor(6 * HOUR + 66 * HOUR * random() ** 2);
  const intervalUs = [10, 15, 20, 30]
    .map((s) => s * S)
    .find((us) => (devices.length * lengthUs) / us <= ROWS_MAX);
  const fromUs = FIRST_DAY_US + seed * DAYS_APART * DAY + between(random, HOUR, DAY);
  const span = { fromUs, toUs: fromUs + lengthUs };
  const runs = drawRuns(seed, devices, span, random);
  const lanes = drawLanes(drawPlans(span, random), {
    ...span,
    intervalUs: intervalUs ?? 60 * S,
    devices,
    runs,
    random,
  });
  // Some collectors were started anew in mid-time: each tells all devices of its node.
  const sightings = [...Map.groupBy(devices, ({ cluster, node }) => `${cluster} ${node}`).values()].flatMap(
    (own) =>
      [fromUs - 5 * S, ...(random() < 0.3 ? [between(random, fromUs, span.toUs)] : [])].flatMap((tsUs) =>
        own.map((device): FleetSighting => ({ device, tsUs })),
      ),
  );
  return {
    ...{ seed, ...span, devices, sightings, runs, lanes },
    facts: drawFacts(runs, random),
    idleLimits: drawIdleLimits(seed, devices),
  };
}

/** Mostly one lane; or a slower one beside it; or activity was once recorded elsewhere. */
function drawPlans(
  { fromUs, toUs }: { readonly fromUs: number; readonly toUs: number },
  random: () => number,
): LanePlan[] {
  const how = random();
  if (how < 0.6) return [MAIN_LANE];
  if (how < 0.8) return [MAIN_LANE, SLOW_LANE];
  const movedUs = between(random, fromUs + HOUR, toUs);
  const columns = ['sm_active_ratio'];
  return [
    { ...MAIN_LANE, only: { columns, fromUs: movedUs, toUs: Infinity } },
    { ...EARLY_LANE, only: { columns, fromUs: 0, toUs: movedUs } },
  ];
}
