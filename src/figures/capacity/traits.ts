import { quoteName } from '../../../schemas/tables.ts';
import { withinSql, type Segment } from '../levels.ts';
import type { Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';
import { counterSummands, gaugeSummands, summandSql } from '../summands.ts';
import { INSTANCE_SQL, tellsEnergy, type CapacitySource, type Scope, type Traits } from './samples.ts';
import type { CapacityWindow } from './window.ts';

/** From so many buckets of days a job on, measured: summed first the sums of 17 a job take a third of the time, those of 2 as long. */
const MANY_BUCKETS_MIN = 4;

/**
 * What of `Traits` the rows of these sources have: `trait` 1 for sets, 2 for counters, 3 for buckets, 4 for counters of instances, which
 * mostly have none, 5 for power of instances, without which it is no matter; undefined where they can have none.
 */
export function traitsSql(
  sources: readonly CapacitySource[],
  { fromUs, toUs }: CapacityWindow,
): string | undefined {
  const first = (trait: number, segment: Segment, condition: string): string =>
    `SELECT ${trait} AS trait FROM (SELECT s.ts FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND ${condition} LIMIT 1)`;
  const jobs = `FROM jobs WHERE ts < ${quoteTime(toUs)} AND (end_ts IS NULL OR end_ts >= ${quoteTime(fromUs)})`;
  const manyBuckets = (segment: Segment): string =>
    `SELECT 3 AS trait FROM (SELECT count() AS buckets FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)}) b` +
    ` CROSS JOIN (SELECT count() AS jobs ${jobs}) j WHERE b.buckets >= ${MANY_BUCKETS_MIN} * j.jobs`;
  const parts = sources.flatMap((source) => {
    const summands = new Map(source.hasEnergy ? counterSummands().map((one) => [one.name, one]) : []);
    const [joules, us] = [summands.get('counter_joules'), summands.get('counter_us')];
    const powerUs = source.power === undefined ? undefined : gaugeSummands('power', source.power)[1];
    return source.segments.flatMap((segment) => [
      ...(segment.level === '1d' && source.isTime ? [manyBuckets(segment)] : []),
      ...(segment.columns.has('owner_set') ? [first(1, segment, 's.owner_set IS NOT NULL')] : []),
      ...(powerUs === undefined
        ? []
        : [first(5, segment, `${summandSql(powerUs, segment)} > 0 AND ${INSTANCE_SQL}`)]),
      ...(joules === undefined || us === undefined
        ? []
        : ([2, 4] as const).map((trait) =>
            first(
              trait,
              segment,
              `CASE WHEN ${summandSql(us, segment)} > 0 AND ${summandSql(joules, segment)} > 0 THEN 0 ELSE 1 END = 1 AND ${trait === 2 ? 'NOT ' : ''}${INSTANCE_SQL}`,
            ),
          )),
    ]);
  });
  return parts.length === 0 ? undefined : `SELECT DISTINCT trait FROM (${parts.join(' UNION ALL ')})`;
}

/** @param answer of `traitsSql` */
export function traitsOf(sources: readonly CapacitySource[], answer: readonly Cells[], scope: Scope): Traits {
  const found = new Set(answer.map((row) => row.number('trait')));
  const doubtful = { all: [2, 4], whole: [2], instances: [4] }[scope];
  const hasCounter = sources.some(({ hasEnergy }) => hasEnergy);
  // Of what has power in one table and no row in that of the counter, no row tells.
  const isApart = sources.filter(tellsEnergy).length > 1;
  // Only power can stand for a counter that says nothing.
  const hasPower = scope !== 'instances' || found.has(5);
  return {
    hasSets: found.has(1),
    hasDoubtfulCounters: hasCounter && hasPower && (isApart || doubtful.some((trait) => found.has(trait))),
    hasManyBuckets: found.has(3),
  };
}
