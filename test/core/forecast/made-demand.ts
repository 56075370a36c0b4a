/** Histories of weekly demand that are drawn: what they go on as is known, so that forecasts can be held against it. */
import { createRandom, type Random } from '../../../src/core/synthetic/random.ts';

export const KINDS = ['trend', 'season', 'step', 'white', 'heavy'] as const;
type Kind = (typeof KINDS)[number];

export interface MadeDemand {
  readonly kind: Kind;
  /** The history, and what comes after it. */
  readonly weeks: readonly number[];
  /** Of a step: the first week of the new level. */
  readonly stepWeek: number | undefined;
}

/** Standard deviation of a week, as a part of the level. */
const NOISE = 0.06;
/** How much of a week's noise is the last week's. */
const MEMORY = 0.5;

/** @param weeks of the history; twelve more follow */
export function madeDemand(seed: number, historyWeeks: number): MadeDemand {
  const random = createRandom(seed, `demand of ${historyWeeks} weeks`);
  const kind = KINDS[seed % KINDS.length]!;
  const level = random.between(5000, 200_000);
  const slope = kind === 'trend' ? random.between(-0.005, 0.015) : 0;
  const season = { weeks: random.between(13, 52), part: random.between(0.02, 0.1), phase: random.next() };
  const stepWeek = kind === 'step' ? 1 + random.below(historyWeeks - 1) : undefined;
  const jump = random.pick([-1, 1]) * random.between(0.25, 0.6);
  let noise = 0;
  const weeks = Array.from({ length: historyWeeks + 12 }, (_, week) => {
    const memory = kind === 'white' ? 0 : MEMORY;
    const fresh = kind === 'heavy' ? heavy(random) : normal(random);
    noise = week === 0 ? fresh : memory * noise + Math.sqrt(1 - memory * memory) * fresh;
    const wave =
      kind === 'season' ? season.part * Math.sin(2 * Math.PI * (week / season.weeks + season.phase)) : 0;
    const step = stepWeek !== undefined && week >= stepWeek ? jump : 0;
    return level * Math.max(0, 1 + slope * week + wave + step + NOISE * noise);
  });
  return { kind, weeks, stepWeek };
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** Student's t of 3 degrees of freedom, made as wide as a normal one: one week in fifty is three times off. */
function heavy(random: Random): number {
  const chi = normal(random) ** 2 + normal(random) ** 2 + normal(random) ** 2;
  return normal(random) / Math.sqrt(chi / 3) / Math.sqrt(3);
}
