import { addCosts, type CostRates } from '../../core/costs/costs.ts';
import type { IdleLimits } from '../../core/fields/idle-limits.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { addCauses } from '../job/causes/add-causes.ts';
import { jobsFigures } from '../job/jobs.ts';
import { isShared, type JobsRow } from '../job/jobs-figures.ts';
import { quantity, type Quantity, type Unit } from '../quantity.ts';
import type { Asked } from '../query-cells.ts';
import type { EndedRuns, LosingRun, LostBy, UserFigures } from './user-figures.ts';

export interface UserQueryOptions {
  readonly user: string;
  readonly cluster?: string;
  /** Jobs that ended in (fromUs, toUs], epoch µs, and beside them those of the same length of time before. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Epoch µs up to which a running job is looked at. */
  readonly nowUs: number;
  readonly idleLimits?: IdleLimits;
  readonly costs?: CostRates | undefined;
}

/** Jobs that are named. */
const LOSING_MAX = 5;
/** Of so much of the GPU time it must be known what was lost, or the jobs of which it is not known would pass for good ones. */
const LOST_KNOWN_RATIO_MIN = 0.9;

/**
 * What the jobs of one user did. A job counts whole in the window in which it ended, so that it is in one week alone, and weeks add up.
 * @throws what `jobsFigures` throws
 */
export async function userFigures(
  db: Asked,
  lanes: readonly Lane[],
  { user, cluster, fromUs, toUs, ...options }: UserQueryOptions,
): Promise<UserFigures> {
  const beforeUs = fromUs - (toUs - fromUs);
  const filters = { user, ...(cluster === undefined ? {} : { cluster }) };
  // Both windows in one: most of what is asked is asked once.
  const { rows, isSynthetic, costBasis, invalidRollups } = await jobsFigures(db, lanes, {
    ...options,
    // Of a time before 1970 the store knows no name.
    ...{ fromUs: Math.max(0, beforeUs), toUs, filters, order: 'start' },
  });
  const seen = rows.filter(({ devices }) => devices > 0);
  const hasEnded = (row: JobsRow): boolean => !row.isOpen && row.endUs <= toUs;
  const ended = seen.filter((row) => hasEnded(row) && row.endUs > fromUs);
  const before = seen.filter((row) => hasEnded(row) && row.endUs <= fromUs);
  const causes = ended.flatMap((row) => row.causes ?? []);
  const lostBy = lostByOf(ended);
  return {
    user,
    cluster,
    isSynthetic,
    costBasis,
    ended: { fromUs, toUs, ...sumsOf(ended) },
    before: { fromUs: beforeUs, toUs: fromUs, ...sumsOf(before) },
    notEnded: seen.length - ended.length - before.length,
    withoutGpus: rows.filter((row) => row.devices === 0 && row.endUs > fromUs).length,
    causes: {
      runs: causes.length,
      parts: addCauses(causes.map((parts) => ({ causes: parts, waiting: undefined }))).causes,
    },
    lostBy,
    losing: losingOf(ended, lostBy),
    findings: findingsOf(ended),
    invalidRollups,
  };
}

function sumsOf(rows: readonly JobsRow[]): Omit<EndedRuns, 'fromUs' | 'toUs'> {
  const sum = (of: (row: JobsRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const costs = rows.flatMap((row) => row.costs ?? []);
  return {
    runs: rows.length,
    states: countsOf(rows.map(({ state }) => state)),
    ownedUs: sum(({ ownedUs }) => ownedUs),
    ownedGpuUs: sum(({ ownedGpuUs }) => ownedGpuUs),
    sampledUs: sum(({ sampledUs }) => sampledUs),
    attributedUs: sum(({ attributedUs }) => attributedUs),
    isShared: rows.some(isShared),
    used: added(
      'microseconds',
      rows.flatMap(({ used }) => used ?? []),
    ),
    energy: added(
      'joules',
      rows.flatMap(({ energy }) => energy.best ?? []),
    ),
    costs: costs.length === 0 ? undefined : addCosts(costs),
  };
}

/** Undefined where there are none. */
function added<U extends Unit>(unit: U, all: readonly Quantity<U>[]): Quantity<U> | undefined {
  if (all.length === 0) return undefined;
  const sum = (of: (one: Quantity<U>) => number): number => all.reduce((total, one) => total + of(one), 0);
  return quantity(
    sum(({ value }) => value),
    unit,
    sum(({ knownUs }) => knownUs),
  );
}

/** How often each is there, most first. */
function countsOf<T>(all: readonly T[]): Map<T, number> {
  const counts = [...Map.groupBy(all, (one) => one)].map(([one, same]) => [one, same.length] as const);
  return new Map(counts.sort(([, a], [, b]) => b - a));
}

function lostByOf(rows: readonly JobsRow[]): LostBy {
  const gpuUs = (some: readonly JobsRow[]): number => some.reduce((sum, row) => sum + row.ownedGpuUs, 0);
  const told = rows.filter(({ lostUs }) => lostUs !== undefined);
  return gpuUs(told) >= LOST_KNOWN_RATIO_MIN * gpuUs(rows) ? 'lost' : 'wasted';
}

function losingOf(rows: readonly JobsRow[], lostBy: LostBy): LosingRun[] {
  const lostOf = ({ lostUs, used }: JobsRow): number | undefined =>
    lostBy === 'lost' ? lostUs : used && used.knownUs - used.value;
  return rows
    .map((row) => ({ row, lostUs: lostOf(row) ?? 0 }))
    .filter(({ lostUs }) => lostUs > 0)
    .sort((a, b) => b.lostUs - a.lostUs)
    .slice(0, LOSING_MAX);
}

function findingsOf(rows: readonly JobsRow[]): UserFigures['findings'] {
  const told = rows.flatMap(({ rules }) => (rules === undefined ? [] : [rules]));
  return {
    runs: told.length,
    rules: [...countsOf(told.flatMap((rules) => [...new Set(rules)]))].map(([rule, runs]) => ({
      rule,
      runs,
    })),
  };
}
