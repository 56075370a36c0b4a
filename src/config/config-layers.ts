import { dirname, resolve } from 'node:path';
import type { ConfigPath } from '../../schemas/config/problem.ts';
import {
  environmentVariableOf,
  FLAGGED_LANE,
  LANE_COUNTERS_KEY,
  LANE_INTERVAL_KEY,
  SETTINGS,
  type Setting,
} from '../../schemas/config/settings.ts';

/** A value from above the file: a flag or an environment variable. */
export interface ConfigOverride {
  /** Dotted key of `SETTINGS`, `lanes.profiling.interval` or `lanes.profiling.fields_file`. */
  readonly key: string;
  readonly value: string;
  /** `--gpus`, `GPULEDGER_SOURCE`. */
  readonly origin: string;
}

/** Maps and lists of a configuration that is being put together. */
export type RawMap = Record<string, unknown>;

/** Values of the environment, lowest first. Empty variables count as not set. */
export function environmentOverrides(env: Readonly<Record<string, string | undefined>>): ConfigOverride[] {
  const keys = [...SETTINGS.map(({ key }) => key), LANE_INTERVAL_KEY, LANE_COUNTERS_KEY];
  return keys.flatMap((key) => {
    const origin = environmentVariableOf(key);
    const value = env[origin];
    return value === undefined || value === '' ? [] : [{ key, value, origin }];
  });
}

/** A copy without empty keys (`synthetic:` with nothing below it), and with paths relative to the file made whole. */
export function fileLayer(raw: unknown, file: string): unknown {
  const copy = withoutNulls(raw);
  if (!isMap(copy)) return copy;
  const base = dirname(resolve(file));
  for (const { key, kind } of SETTINGS) {
    if (kind === 'path') resolveAt(copy, key.split('.'), base);
  }
  const lanes = copy['lanes'];
  if (Array.isArray(lanes)) for (const lane of lanes.filter(isMap)) resolveAt(lane, ['fields_file'], base);
  return copy;
}

function resolveAt(map: RawMap, path: readonly string[], base: string): void {
  const [key = '', ...rest] = path;
  const value = map[key];
  if (rest.length > 0) {
    if (isMap(value)) resolveAt(value, rest, base);
  } else if (typeof value === 'string' && value !== '') map[key] = resolve(base, value);
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== null);
  return Object.fromEntries(entries.map(([key, entry]) => [key, withoutNulls(entry)]));
}

export function isMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Puts an override into the raw configuration.
 * @returns where it went; undefined when there is no such lane
 */
export function applyOverride(raw: RawMap, { key, value }: ConfigOverride): ConfigPath | undefined {
  if (key === LANE_INTERVAL_KEY) return setInLane(raw, 'interval', value, 'schedule');
  if (key === LANE_COUNTERS_KEY) return setInLane(raw, 'fields_file', resolve(value), 'fields');
  const setting = SETTINGS.find((candidate) => candidate.key === key);
  const [section = '', name] = key.split('.');
  const shaped = setting === undefined ? value : shapedValue(setting, value);
  if (name === undefined) {
    raw[section] = shaped;
    return [section];
  }
  const held = raw[section];
  const map: RawMap = isMap(held) ? held : {};
  raw[section] = map;
  // The two ways to name a server: the higher layer's way wins.
  if (key === 'questdb.client_conf') delete map['client_conf_file'];
  if (key === 'questdb.client_conf_file') delete map['client_conf'];
  map[name] = shaped;
  return [section, name];
}

function setInLane(raw: RawMap, key: string, value: string, replaced: string): ConfigPath | undefined {
  const lanes = raw['lanes'];
  if (!Array.isArray(lanes)) return undefined;
  const index = lanes.findIndex((lane: unknown) => isMap(lane) && lane['name'] === FLAGGED_LANE);
  if (index < 0) return undefined;
  const lane = lanes[index] as RawMap;
  lane[key] = value;
  Reflect.deleteProperty(lane, replaced);
  return ['lanes', index, key];
}

/** Text from outside as the file would hold it; what cannot be read as such stays text, and the schema refuses it. */
function shapedValue(setting: Setting, text: string): unknown {
  if (setting.kind === 'path') return resolve(text);
  if (setting.kind === 'whole' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (setting.kind === 'truth' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
