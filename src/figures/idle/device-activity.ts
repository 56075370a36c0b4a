import { idleColumnsOf } from '../../../schemas/idle-columns.ts';
import { quoteName } from '../../../schemas/tables.ts';
import type { IdleLimit } from '../../core/fields/idle-limits.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { GAUGE_FIELD_IDS } from '../../core/fields/well-known.ts';
import { storedLanes, type StoredLane } from '../gauge-lanes.ts';
import { alikeDevices, type DeviceIdleLimits } from '../idle-limits.ts';
import { invalidRollups, type InvalidRollup } from '../invalid-rollups.ts';
import { floorTo, segmentsOf, STEP_US, withinSql, type Segment } from '../levels.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import { quotedLists } from '../sql-text.ts';
import { gaugeSummands, idleSummands, summandSql } from '../summands.ts';

/** Nothing older is looked at, so that a question stays short. */
export const LOOK_BACK_US = 24 * 3600e6;
/** Nodes with other clocks may be ahead of whoever asks. */
const AHEAD_US = 24 * 3600e6;

/** What is known of an owned device since its last activity, or since its newest owner has it. Epoch µs. */
export interface DeviceActivity {
  /** The last sample with activity of the last 24 hours, of whoever had it. */
  readonly activeUs: number | undefined;
  /** From here on there was none. */
  readonly sinceUs: number;
  /** So much of the time after that is known. µs. */
  knownUs: number;
  /** No later than here something of it was not seen the last time; undefined where all was. */
  breakUs: number | undefined;
  /** The newest sample with a value. */
  lastUs: number | undefined;
}

/** A table with SM activity, and what it tells of each device. */
export interface ActivityOfLane {
  readonly intervalUs: number;
  readonly devices: ReadonlyMap<string, DeviceActivity>;
}

export interface DeviceActivities {
  /** The fastest first: a device is told of by the first table that sees it. */
  readonly lanes: readonly ActivityOfLane[];
  readonly invalidRollups: readonly InvalidRollup[];
}

/**
 * What the owned devices did last, from minutes and the samples that are too young for them: some questions for all devices together.
 * @param gpus which of them; all when absent
 * @throws what `storedLanes` throws
 */
export async function deviceActivities(
  db: Asked,
  lanes: readonly Lane[],
  {
    idle,
    nowUs,
    gpus,
  }: { readonly idle: DeviceIdleLimits; readonly nowUs: number; readonly gpus?: readonly string[] },
): Promise<DeviceActivities> {
  const span = { fromUs: floorTo(nowUs - LOOK_BACK_US, '1m'), toUs: nowUs + AHEAD_US };
  const holders = (await storedLanes(db, lanes, span))
    .filter(({ lane }) => columnOf(lane) !== undefined)
    // Of a table that is no lane's any more nobody knows how often it was sampled.
    .sort((a, b) => (a.lane.intervalMs || Infinity) - (b.lane.intervalMs || Infinity));
  const read: ActivityOfLane[] = [];
  const segments: Segment[] = [];
  for (const stored of holders) {
    const column = columnOf(stored.lane)!;
    const own = segmentsOf(stored.kept, span, ['1m']);
    segments.push(...own);
    read.push({
      intervalUs: stored.lane.intervalMs * 1000,
      devices: await activityIn(db, column, own, { idle, gpus }),
    });
  }
  return { lanes: read, invalidRollups: await invalidRollups(db, segments) };
}

function columnOf({ fields }: StoredLane['lane']): string | undefined {
  return fields.find(({ id }) => id === GAUGE_FIELD_IDS.smActive)?.column;
}

async function activityIn(
  db: Asked,
  column: string,
  segments: readonly Segment[],
  { idle, gpus }: { readonly idle: DeviceIdleLimits; readonly gpus: readonly string[] | undefined },
): Promise<Map<string, DeviceActivity>> {
  const devices = new Map<string, DeviceActivity>();
  for (const { limit, andSql } of alikeDevices(idle))
    for (const some of gpus === undefined ? [undefined] : quotedLists(gpus)) {
      const which = some === undefined ? andSql : `${andSql} AND s.gpu IN (${some})`;
      const telling = segments.filter((segment) => tellsIdleness(segment, column, limit));
      for (const segment of telling)
        for (const row of await ask(db, activitySql(column, limit, telling, segment, which)))
          add(devices, row);
    }
  return devices;
}

/** A rollup of an older version does not tell it. */
function tellsIdleness({ level, columns }: Segment, column: string, limit: IdleLimit): boolean {
  const needed = [idleColumnsOf(limit).lastActive, `${column}_dt`, 'first_ts', 'step_count'];
  return level === 'raw' || needed.every((name) => columns.has(name));
}

/**
 * By device: since when nothing was active in any of the segments, and what is known of it in one of them.
 * @param which ` AND …`: condition of a row `s`
 */
function activitySql(
  column: string,
  limit: IdleLimit,
  segments: readonly Segment[],
  segment: Segment,
  which: string,
): string {
  const { lastActive } = idleSummands(column, limit);
  const actives = segments.map(
    (one) =>
      `SELECT s.gpu AS gpu, cast(max(${summandSql(lastActive, one)}) AS LONG) AS active_us` +
      ` FROM ${quoteName(one.table)} s WHERE ${withinSql(one)}${which} GROUP BY s.gpu`,
  );
  const { knownSql, breakSql, lastSql, lastKnownSql } = rowSql(column, segment);
  return (
    `WITH a AS (SELECT gpu, max(active_us) AS active_us FROM (${actives.join(' UNION ALL ')}) GROUP BY gpu)` +
    ', o AS (SELECT gpu, cast(max(ts) AS LONG) AS start_us FROM gpu_ownership WHERE end_ts IS NULL GROUP BY gpu)' +
    ', t AS (SELECT o.gpu AS gpu, a.active_us AS active_us, CASE WHEN a.active_us > o.start_us THEN a.active_us ELSE o.start_us END AS since_us' +
    ' FROM o LEFT JOIN a ON a.gpu = o.gpu)' +
    ` SELECT s.gpu AS gpu, t.active_us AS active_us, t.since_us AS since_us, sum(${knownSql}) AS known_us,` +
    ` max(${breakSql}) AS break_us, max(${lastKnownSql}) AS last_us` +
    ` FROM ${quoteName(segment.table)} s JOIN t ON t.gpu = s.gpu WHERE ${withinSql(segment)}${which} AND ${lastSql} >= t.since_us` +
    ' GROUP BY s.gpu, t.active_us, t.since_us'
  );
}

interface RowSql {
  /** How much of the time after `t.since_us` the row knows at least. */
  readonly knownSql: string;
  /** Where something of it was not seen: no later than here. */
  readonly breakSql: string;
  /** Its last sample, and that if it has a value. */
  readonly lastSql: string;
  readonly lastKnownSql: string;
}

/** Of a bucket in which the device was active it may be what lies before that which is known. */
function rowSql(column: string, segment: Segment): RowSql {
  const known = summandSql(gaugeSummands('x', column)[1]!, segment);
  if (segment.level === 'raw') {
    const tsUs = 'cast(s.ts AS LONG)';
    const afterUs = `${tsUs} - t.since_us`;
    const isKnown = `s.${quoteName(column)} IS NOT NULL`;
    return {
      knownSql: `CASE WHEN ${isKnown} THEN CASE WHEN s.dt_us < ${afterUs} THEN s.dt_us ELSE ${afterUs} END END`,
      breakSql: `CASE WHEN s.dt_us = 0 OR NOT (${isKnown}) THEN ${tsUs} END`,
      lastSql: tsUs,
      lastKnownSql: `CASE WHEN ${isKnown} THEN ${tsUs} END`,
    };
  }
  const lastUs = 'cast(s.last_ts AS LONG)';
  const beforeUs = 't.since_us - cast(s.first_ts AS LONG) + s.first_dt_us';
  return {
    knownSql: `CASE WHEN ${beforeUs} <= 0 THEN ${known} WHEN ${known} > ${beforeUs} THEN ${known} - (${beforeUs}) ELSE 0 END`,
    // The first sample after a hole speaks for no time.
    breakSql: `CASE WHEN s.row_count > s.step_count OR ${known} IS NULL OR ${known} < s.dt_us THEN cast(s.ts AS LONG) + ${STEP_US[segment.level]} END`,
    lastSql: lastUs,
    lastKnownSql: `CASE WHEN ${known} > 0 THEN ${lastUs} END`,
  };
}

function add(devices: Map<string, DeviceActivity>, row: Cells): void {
  const gpu = row.text('gpu') ?? '';
  const own = devices.get(gpu) ?? {
    activeUs: row.number('active_us'),
    sinceUs: row.number('since_us')!,
    knownUs: 0,
    breakUs: undefined,
    lastUs: undefined,
  };
  devices.set(gpu, own);
  own.knownUs += row.number('known_us') ?? 0;
  own.breakUs = later(own.breakUs, row.number('break_us'));
  own.lastUs = later(own.lastUs, row.number('last_us'));
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}
