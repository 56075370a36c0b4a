import * as z from 'zod';
import { toldRows } from '../core/base/told-rows.ts';
import { OperatingError } from '../core/base/errors.ts';
import type { Field } from '../core/fields/field.ts';
import { findField } from '../core/fields/find-field.ts';
import { fieldInstead, laneFieldProblem, recordableFields, tableOf, type Lane } from '../core/fields/lane.ts';
import { defaultCapacityTicks, LANE_FIELDS_MAX, PROFILING_INTERVAL_MS_MIN } from '../core/fields/limits.ts';
import { LANE_KEYS } from './keys.ts';
import type { ConfigProblem } from './problem.ts';
import { shapeOf } from './shape.ts';
import type { Counters } from '../../schemas/counters-csv.ts';
import { readCronLine, unevenness } from '../../schemas/cron-line.ts';
import { formatDuration } from '../../schemas/duration.ts';
import { nearestFieldNames } from '../../schemas/nearest.ts';
import { smallTables } from '../../schemas/tables.ts';

/** A lane as it is written: everything but its name may be left to the defaults, except when and what to sample. */
export const laneSchema = z.strictObject(shapeOf(LANE_KEYS));

export type WrittenLane = z.infer<typeof laneSchema>;

/** What came of the lanes of a configuration: those that are sound, and what is wrong with or worth saying of the others. */
export interface LaneReading {
  readonly lanes: readonly Lane[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly string[];
}

/** @throws OperatingError when the file cannot be read or is no counters file. */
export type ReadCounters = (path: string) => Counters;

/**
 * Checks lanes beyond their shape and resolves their fields.
 * @param written the lanes by position; undefined where the shape is already wrong
 */
export function readLanes(
  written: readonly (WrittenLane | undefined)[],
  readCounters: ReadCounters,
): LaneReading {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const lanes: Lane[] = [];
  const tables = new Map<string, string>();
  written.forEach((lane, index) => {
    if (lane === undefined) return;
    const report = (
      key: string | undefined,
      sentence: string,
      hints: readonly string[] = [],
      position?: number,
    ): void => {
      const path = [
        'lanes',
        index,
        ...(key === undefined ? [] : [key]),
        ...(position === undefined ? [] : [position]),
      ];
      problems.push({ path, message: `lane "${lane.name}": ${sentence}`, hints });
    };
    checkTable(lane, tables, report);
    const intervalMs = readTiming(lane, report, warnings);
    const fields = readFields(lane, readCounters, report, warnings);
    checkProfilingFloor(intervalMs, fields, report);
    if (intervalMs === undefined) return;
    lanes.push({
      name: lane.name,
      table: lane.table ?? tableOf(lane.name),
      schedule: lane.schedule ?? 'continuous',
      intervalMs,
      fields,
      capacityTicks: lane.capacity ?? defaultCapacityTicks(intervalMs),
    });
  });
  return { lanes, problems, warnings };
}

type Report = (
  key: string | undefined,
  sentence: string,
  hints?: readonly string[],
  position?: number,
) => void;

/** Tables that are not a lane's, and the rollups of a lane, cannot be its table. */
function checkTable(lane: WrittenLane, tables: Map<string, string>, report: Report): void {
  const table = lane.table ?? tableOf(lane.name);
  const key = lane.table === undefined ? 'name' : 'table';
  const other = tables.get(table);
  const reserved = smallTables({ raw: '', rollup1m: '' }).map(({ name }) => name);
  if (other !== undefined && other !== lane.name)
    report(key, `table ${table} is already the table of lane "${other}"`);
  else if (reserved.includes(table))
    report(key, `table ${table} is one of gpuledger's own`, [
      key === 'name' ? 'give the lane another name' : 'name another table',
    ]);
  else if (/_1[mhd](_aged)?$/.test(table))
    report(key, `table ${table} would be taken for a rollup`, ['end it otherwise than in _1m, _1h or _1d']);
  tables.set(table, lane.name);
}

/** @returns milliseconds between two ticks; undefined when the lane does not say. */
function readTiming(lane: WrittenLane, report: Report, warnings: string[]): number | undefined {
  if (lane.schedule === undefined || lane.schedule === 'continuous') {
    if (lane.interval === undefined)
      report(undefined, 'expected an interval or a schedule, came neither', ['for example interval: 1s']);
    return lane.interval;
  }
  const reading = readCronLine(lane.schedule);
  if (!reading.ok) return undefined;
  const { cron } = reading;
  if (lane.interval !== undefined) {
    report(
      'interval',
      `the schedule "${cron.line}" already makes the interval ${formatDuration(cron.intervalMs)}`,
      ['write either an interval (continuous) or a schedule'],
    );
  }
  const uneven = unevenness(cron);
  if (uneven !== undefined) warnings.push(`lane "${lane.name}": schedule ${uneven}`);
  return cron.intervalMs;
}

function readFields(
  lane: WrittenLane,
  readCounters: ReadCounters,
  report: Report,
  warnings: string[],
): readonly Field[] {
  if (lane.fields_file !== undefined) {
    if (lane.fields !== undefined) report('fields_file', 'expected fields or a fields_file, came both');
    return readFieldsFile(lane.name, lane.fields_file, readCounters, report, warnings);
  }
  if (lane.fields === undefined) {
    report(undefined, 'expected fields or a fields_file, came neither', [
      'for example fields: [sm_active_ratio, power_watts]',
    ]);
    return [];
  }
  const written = new Map<number, string | number>();
  const fields: Field[] = [];
  lane.fields.forEach((nameOrId, position) => {
    const field = findField(nameOrId);
    if (field === undefined) {
      const nearest = nearestFieldNames(String(nameOrId), recordableFields());
      report(
        'fields',
        `no field is called "${nameOrId}"`,
        [nearest.length === 0 ? 'all names: gpuledger fields --all' : `did you mean: ${nearest.join(', ')}`],
        position,
      );
      return;
    }
    const reason = laneFieldProblem(field);
    const first = written.get(field.id);
    if (first !== undefined) {
      const same =
        first === nameOrId
          ? `field ${nameOrId} comes twice`
          : `${nameOrId} and ${first} are the same field (${field.id})`;
      report('fields', same, ['leave one of them out'], position);
    } else if (reason !== undefined) {
      report('fields', `${nameOrId} cannot be a column: ${reason}`, [], position);
    } else fields.push(field);
    const instead = fieldInstead(field.id);
    if (instead !== undefined)
      warnings.push(`lane "${lane.name}": no source has a value for ${nameOrId}; use ${instead}`);
    written.set(field.id, nameOrId);
  });
  return fields;
}

function readFieldsFile(
  lane: string,
  file: string,
  readCounters: ReadCounters,
  report: Report,
  warnings: string[],
): readonly Field[] {
  try {
    const counters = readCounters(file);
    const left = counters.warnings.map((warning) => `${file}, ${warning}`);
    warnings.push(...toldRows(left, file));
    if (counters.fields.length === 0)
      warnings.push(
        `lane "${lane}": ${file} asks for no field that makes a column; the lane records nothing`,
      );
    if (counters.fields.length > LANE_FIELDS_MAX) {
      report('fields_file', `expected at most ${LANE_FIELDS_MAX} fields, came ${counters.fields.length}`, [
        'make two lanes of it',
      ]);
    }
    return counters.fields;
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    report('fields_file', thrown.message, [
      ...(thrown.where === undefined ? [] : [thrown.where]),
      ...thrown.hints,
    ]);
    return [];
  }
}

function checkProfilingFloor(intervalMs: number | undefined, fields: readonly Field[], report: Report): void {
  if (intervalMs === undefined || intervalMs >= PROFILING_INTERVAL_MS_MIN) return;
  const profiling = fields.filter((field) => field.isProfiling);
  if (profiling.length === 0) return;
  const rest = fields.length - profiling.length;
  const floor = formatDuration(PROFILING_INTERVAL_MS_MIN);
  report(
    'interval',
    `interval ${formatDuration(intervalMs)} is below 100 ms, the floor of the profiling hardware`,
    [
      rest === 0
        ? `write at least ${floor}`
        : `write at least ${floor}, or move the fields that are no profiling fields to a lane of their own`,
    ],
  );
}
