import type { IdleLimit } from '../core/fields/idle-limits.ts';
import { ENERGY_RISE_COLUMN, ENERGY_RISE_DT_COLUMN } from '../core/fields/well-known.ts';
import { idleColumnsOf } from '../../schemas/idle-columns.ts';
import { quoteName } from '../../schemas/tables.ts';
import { seenRiseSql } from '../../schemas/views.ts';
import type { Segment } from './levels.ts';

/** What is added up: how a rollup holds it, and how it is made from one sample `s`. */
export interface Summand {
  /** Of the column in an answer. */
  readonly name: string;
  /** Column of a rollup. */
  readonly rollup: string;
  /** Over a row `s` of a rollup that has it, where it is not the column itself. */
  readonly rollupSql?: string;
  /** Over a sample `s`. */
  readonly raw: string;
  /** Columns of the samples that it is made of, where a table of an older version may lack them. */
  readonly of?: readonly string[];
}

/** Σ dt. */
export const TIME: Summand = { name: 'dt_us', rollup: 'dt_us', raw: 's.dt_us' };

/** `PREFIX_sum`, Σ x·dt, and `PREFIX_us`, the Σ dt over which x was known. */
export function gaugeSummands(prefix: string, column: string): readonly Summand[] {
  const x = `s.${quoteName(column)}`;
  return [
    { name: `${prefix}_sum`, rollup: `${column}_dtsum`, raw: `${x} * s.dt_us` },
    { name: `${prefix}_us`, rollup: `${column}_dt`, raw: `CASE WHEN ${x} IS NOT NULL THEN s.dt_us END` },
  ];
}

/** By one limit: Σ dt in which the device was idle, and the time of the last sample in which it was not, of which one takes the latest. */
interface IdleSummands {
  readonly idle: Summand;
  /** The Σ dt over which that is known, where that may be less than the time over which the activity is. */
  readonly known: Summand | undefined;
  readonly lastActive: Summand;
}

/** @param column of SM activity */
export function idleSummands(column: string, limit: IdleLimit): IdleSummands {
  const { idleDt, lastActive, isOfAllVersions } = idleColumnsOf(limit);
  const x = `s.${quoteName(column)}`;
  const prefix = `idle${Math.round(limit * 100)}`;
  return {
    idle: { name: `${prefix}_us`, rollup: idleDt, raw: `CASE WHEN ${x} < ${limit} THEN s.dt_us END` },
    known: isOfAllVersions
      ? undefined
      : {
          ...gaugeSummands('x', column)[1]!,
          name: `${prefix}_known_us`,
          rollup: idleDt,
          rollupSql: `CASE WHEN s.${quoteName(idleDt)} IS NOT NULL THEN s.${quoteName(`${column}_dt`)} END`,
        },
    lastActive: {
      name: `${prefix}_active_us`,
      rollup: lastActive,
      raw: `CASE WHEN ${x} >= ${limit} THEN s.ts END`,
    },
  };
}

/** `counter_joules`, Σ of the rises of seen time, and `counter_us`, that time. */
export function counterSummands(): readonly Summand[] {
  const { rise, riseDtUs } = seenRiseSql('s.');
  const of = [ENERGY_RISE_COLUMN, ENERGY_RISE_DT_COLUMN];
  return [
    { name: 'counter_joules', rollup: ENERGY_RISE_COLUMN, raw: rise, of },
    { name: 'counter_us', rollup: ENERGY_RISE_DT_COLUMN, raw: riseDtUs, of },
  ];
}

/** The summand over one row `s` of a segment: NULL where its table has no such column. */
export function summandSql(
  { rollup, rollupSql, raw, of = [] }: Summand,
  { level, columns }: Segment,
): string {
  const isThere = level === 'raw' ? of.every((column) => columns.has(column)) : columns.has(rollup);
  if (!isThere) return 'cast(null AS DOUBLE)';
  return level === 'raw' ? raw : (rollupSql ?? `s.${quoteName(rollup)}`);
}
