import { quoteName, quoteText } from '../../../../schemas/tables.ts';
import { SPIN, LOW_SM_RATIO } from '../../../core/analysis/contexts.ts';
import { ENERGY_RISE_COLUMN } from '../../../core/fields/well-known.ts';
import { GAUGES, type GaugeKey } from '../../gauges.ts';
import { findField } from '../../../core/fields/find-field.ts';
import type { Level, Segment } from '../../levels.ts';
import type { JobLabel } from '../rows/job-rows.ts';
import type { JobSource } from '../rows/scan.ts';

/** A table in which the activity of the engine is read, and what else of its samples tells where their time went. */
export interface EngineLane {
  readonly source: JobSource;
  /** Time between two samples, µs. */
  readonly tickUs: number;
  readonly columns: LaneColumns;
}

/** Of the table; undefined what it has not. */
export interface LaneColumns {
  readonly engine: string;
  readonly sm: string | undefined;
  readonly tensor: string | undefined;
  readonly dram: string | undefined;
  readonly power: string | undefined;
  readonly links: readonly string[];
  readonly hasRises: boolean;
}

const LINKS: readonly GaugeKey[] = ['pcieSent', 'pcieReceived', 'nvlinkSent', 'nvlinkReceived'];

/** @param primaryTickUs of the first source, as it was observed */
export function engineLanes(sources: readonly JobSource[], primaryTickUs: number): EngineLane[] {
  return sources.flatMap((source, index): EngineLane[] => {
    const engine = new Map(source.gauges).get('engineActive');
    if (engine === undefined) return [];
    const { columns } = source.kept;
    const columnOf = (key: GaugeKey): string | undefined => {
      const { column } = findField(GAUGES[key].fieldId)!;
      return columns.has(column) ? column : undefined;
    };
    return [
      {
        source,
        tickUs: index === 0 ? primaryTickUs : source.lane.intervalMs * 1000,
        columns: {
          engine,
          sm: columnOf('smActive'),
          tensor: columnOf('tensorActive'),
          dram: columnOf('dramActive'),
          power: columnOf('power'),
          links: LINKS.flatMap((key) => columnOf(key) ?? []),
          hasRises: columns.has(ENERGY_RISE_COLUMN),
        },
      },
    ];
  });
}

/** What of them a segment has: a rollup of an older version may lack some. */
export function columnsIn(columns: LaneColumns, { level, columns: there }: Segment): LaneColumns {
  const isThere = (column: string): boolean =>
    level === 'raw' ? there.has(column) : there.has(`${column}_dtsum`) && there.has(`${column}_max`);
  const ifThere = (column: string | undefined): string | undefined =>
    column !== undefined && isThere(column) ? column : undefined;
  return {
    engine: columns.engine,
    sm: ifThere(columns.sm),
    tensor: ifThere(columns.tensor),
    dram: ifThere(columns.dram),
    power: ifThere(columns.power),
    links: columns.links.filter(isThere),
    hasRises: there.has(ENERGY_RISE_COLUMN),
  };
}

/** Condition of a row `s` that is the job's, of a part that is known. @param columns of the table */
export function jobRowSql({ jobId, sets }: JobLabel, columns: ReadonlySet<string>): string {
  const own = `s.job_id = ${quoteText(jobId)}`;
  if (!columns.has('owner_set')) return own;
  const whole = `(${own} AND s.owner_set IS NULL)`;
  return sets.size === 0 ? whole : `(${whole} OR s.owner_set IN (${[...sets.keys()].join(', ')}))`;
}

/** How a level is read: of a sample as it is, of a bucket of a rollup as the mean over the time in which it was known. */
function levelSql(column: string, level: Level): string {
  if (level === 'raw') return `s.${quoteName(column)}`;
  const of = (end: string): string => `s.${quoteName(`${column}_${end}`)}`;
  return `CASE WHEN ${of('dt')} > 0 THEN ${of('dtsum')} / ${of('dt')} END`;
}

/** Bytes per second of all links of a device together. */
export function linksSql({ links }: LaneColumns, read: (column: string) => string): string | undefined {
  if (links.length === 0) return undefined;
  return links.map((column) => `coalesce(${read(column)}, 0)`).join(' + ');
}

/** Conditions of a sample or bucket `s` in which few SMs are busy, and in which nothing moves. @param topLinks largest rate of the job's links */
export function littleSql(
  columns: LaneColumns,
  level: Level,
  topLinks: number,
): { readonly low: string; readonly still: string } | undefined {
  const { engine, sm, tensor, dram } = columns;
  if (sm === undefined) return undefined;
  const of = (column: string): string => `(${levelSql(column, level)})`;
  const low = `${of(sm)} < ${LOW_SM_RATIO} * ${of(engine)}`;
  if (tensor === undefined || dram === undefined) return { low, still: '1 = 0' };
  const links = linksSql(columns, of);
  const still = [`${of(tensor)} < ${SPIN.tensorMax}`, `${of(dram)} < ${SPIN.dramMax}`];
  if (links !== undefined) still.push(`${links} <= ${SPIN.linksMax * topLinks}`);
  return { low, still: still.join(' AND ') };
}
