import { addCosts, energyCosts, timeAmount, type Costs, type CostRates } from '../../core/costs/costs.ts';
import type { HourEnergy } from '../../core/costs/hourly-grams.ts';
import type { CapacitySums } from './figures.ts';
import { energyOf, quantity } from '../quantity.ts';
import type { Cells } from '../query-cells.ts';

type TimeCosts = Pick<Costs, 'gpuHours' | 'rguHours'>;

/** Sums that can be added up; undefined is "nothing known", which adds nothing. */
export interface Sums {
  attributedUs: number;
  /** Of MIG instances, not by their slices. */
  instanceUs: number;
  idleUs: number | undefined;
  /** Time over which it is known whether devices were idle. */
  idleKnownUs: number;
  smSum: number | undefined;
  smKnownUs: number;
  counterJoules: number | undefined;
  counterUs: number;
  powerJoules: number | undefined;
  powerUs: number;
  /** Chosen per job and device: see `bestOfDevice`. */
  bestJoules: number | undefined;
  bestUs: number;
  /** What of it is a part of the energy of GPUs that are cut. */
  dividedJoules?: number | undefined;
  dividedUs?: number;
  /** What the time costs, where there are rates of models. */
  timeCosts?: TimeCosts;
  /** In which hours the energy was drawn, by their starts: where grams are by the hour. */
  hours?: Map<number, HourEnergy>;
}

export function emptySums(): Sums {
  return {
    attributedUs: 0,
    instanceUs: 0,
    idleUs: undefined,
    idleKnownUs: 0,
    smSum: undefined,
    smKnownUs: 0,
    counterJoules: undefined,
    counterUs: 0,
    powerJoules: undefined,
    powerUs: 0,
    bestJoules: undefined,
    bestUs: 0,
  };
}

/** The sums of one row of an answer. */
export function sumsOf(row: Cells): Sums {
  const powerSum = row.number('power_sum');
  return {
    attributedUs: row.number('dt_us') ?? 0,
    instanceUs: 0,
    idleUs: row.number('idle_us'),
    idleKnownUs: row.number('idle_known_us') ?? 0,
    smSum: row.number('sm_sum'),
    smKnownUs: row.number('sm_us') ?? 0,
    counterJoules: row.number('counter_joules'),
    counterUs: row.number('counter_us') ?? 0,
    powerJoules: powerSum === undefined ? undefined : powerSum / 1e6,
    powerUs: row.number('power_us') ?? 0,
    bestJoules: row.number('best_joules'),
    bestUs: row.number('best_us') ?? 0,
  };
}

/** Of a GPU that is cut into MIG instances: time and activity are those of the instances. */
export function energyOnly(sums: Sums): Sums {
  return { ...sums, attributedUs: 0, idleUs: undefined, idleKnownUs: 0, smSum: undefined, smKnownUs: 0 };
}

export function addSums(to: Sums, more: Sums): void {
  const plus = (a: number | undefined, b: number | undefined): number | undefined =>
    b === undefined ? a : (a ?? 0) + b;
  to.attributedUs += more.attributedUs;
  to.instanceUs += more.instanceUs;
  to.idleKnownUs += more.idleKnownUs;
  to.smKnownUs += more.smKnownUs;
  to.counterUs += more.counterUs;
  to.powerUs += more.powerUs;
  to.bestUs += more.bestUs;
  if (more.dividedUs !== undefined) {
    to.dividedUs = (to.dividedUs ?? 0) + more.dividedUs;
    to.dividedJoules = plus(to.dividedJoules, more.dividedJoules);
  }
  if (more.timeCosts !== undefined)
    to.timeCosts = to.timeCosts === undefined ? more.timeCosts : addCosts([to.timeCosts, more.timeCosts]);
  if (more.hours !== undefined) addHours((to.hours ??= new Map()), more.hours);
  to.idleUs = plus(to.idleUs, more.idleUs);
  to.smSum = plus(to.smSum, more.smSum);
  to.counterJoules = plus(to.counterJoules, more.counterJoules);
  to.powerJoules = plus(to.powerJoules, more.powerJoules);
  to.bestJoules = plus(to.bestJoules, more.bestJoules);
}

function addHours(to: Map<number, HourEnergy>, more: ReadonlyMap<number, HourEnergy>): void {
  for (const [fromUs, hour] of more) {
    const joules = (to.get(fromUs)?.joules ?? 0) + hour.joules;
    to.set(fromUs, { ...hour, joules });
  }
}

/** What the time of a row of devices of one class costs. @param us by parts and slices */
export function timeCostsOf({ gpuHour, rgu }: CostRates, model: string | undefined, us: number): TimeCosts {
  const times = [{ model, us, isSizeKnown: true }];
  return {
    ...(gpuHour === undefined ? {} : { gpuHours: timeAmount(gpuHour, times) }),
    ...(rgu === undefined ? {} : { rguHours: timeAmount(rgu, times) }),
  };
}

function costsOfSums(rates: CostRates, sums: Sums): Costs {
  const { timeCosts, attributedUs, bestJoules, bestUs, hours } = sums;
  const energy = {
    joules: bestUs > 0 ? bestJoules : undefined,
    knownUs: bestUs,
    hours: hours && [...hours.values()],
  };
  return { ...timeCosts, ...energyCosts(rates, attributedUs, energy) };
}

/** The sums as figures: means divided, and over no known time nothing is known, where over some of it no idle time is 0. */
export function capacitySums(sums: Sums, rates: CostRates | undefined): CapacitySums {
  const { attributedUs, idleUs = 0, idleKnownUs, smSum = 0, smKnownUs } = sums;
  const isKnown = smKnownUs > 0;
  return {
    attributedUs,
    instanceUs: sums.instanceUs,
    idle: quantity(idleKnownUs > 0 ? idleUs : undefined, 'microseconds', idleKnownUs),
    smActive: quantity(isKnown ? smSum / smKnownUs : undefined, 'ratio', smKnownUs),
    wasted: quantity(isKnown ? smKnownUs - smSum : undefined, 'microseconds', smKnownUs),
    energy: energyOf(sums),
    costs: rates === undefined ? undefined : costsOfSums(rates, sums),
  };
}
