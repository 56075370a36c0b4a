import { dirname, resolve } from 'node:path';
import { kindOfSetting } from './config.ts';
import type { ConfigPath } from './problem.ts';
import { ALL_SETTINGS, FLAGGED_LANE, SETTINGS } from './settings.ts';

/** A value from above the file: a flag or an environment variable. */
export interface ConfigOverride {
  /** Dotted key of `ALL_SETTINGS`. */
  readonly key: string;
  readonly value: string;
  /** `--gpus`, `GPULEDGER_SOURCE`. */
  readonly origin: string;
}

/** Maps and lists of a configuration that is being put together. */
export type RawMap = Record<string, unknown>;

/** Values of the environment, lowest first. Empty variables count as not set. */
export function environmentOverrides(env: Readonly<Record<string, string | undefined>>): ConfigOverride[] {
  return ALL_SETTINGS.flatMap(({ key, variable }) => {
    const value = env[variable];
    return value === undefined || value === '' ? [] : [{ key, value, origin: variable }];
  });
}

/** A copy without empty keys (`synthetic:` with nothing below it), and with paths relative to the file made whole. */
export function fileLayer(raw: unknown, file: string): unknown {
  const copy = withoutNulls(raw);
  if (!isMap(copy)) return copy;
  const base = dirname(resolve(file));
  for (const { key } of SETTINGS) {
    if (kindOfSetting(key) === 'path') resolveAt(copy, key.split('.'), base);
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

/**
 * Files over each other, key by key; lists are whole.
 * @param layers lowest first, each a map that may be changed; what is none is refused as it stands
 */
export function layered(layers: readonly unknown[]): unknown {
  const strange = layers.find((layer) => !isMap(layer));
  if (strange !== undefined) return strange;
  return layers.reduce<RawMap>((below, layer) => over(below, layer as RawMap), {});
}

function over(below: RawMap, above: RawMap, prefix = ''): RawMap {
  for (const [name, value] of Object.entries(above)) {
    const replaces = replacedBy(`${prefix}${name}`);
    // Both in one file are refused later.
    if (replaces !== undefined && !Object.hasOwn(above, replaces)) Reflect.deleteProperty(below, replaces);
    const held = Object.hasOwn(below, name) ? below[name] : undefined;
    const put = isMap(held) && isMap(value) ? over(held, value, `${prefix}${name}.`) : value;
    // By assignment a key `__proto__` would be no key, and be told to nobody.
    Object.defineProperty(below, name, { value: put, writable: true, enumerable: true, configurable: true });
  }
  return below;
}

function replacedBy(key: string): string | undefined {
  return ALL_SETTINGS.find((setting) => setting.key === key)?.replaces;
}

export function isMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Puts an override into the raw configuration.
 * @returns where it went; undefined when there is no such lane
 */
export function applyOverride(raw: RawMap, { key, value }: ConfigOverride): ConfigPath | undefined {
  const path = placeOf(raw, key);
  if (path === undefined) return undefined;
  const name = String(path.at(-1));
  const map = path.slice(0, -1).reduce(mapBelow, raw);
  const replaces = replacedBy(key);
  if (replaces !== undefined) Reflect.deleteProperty(map, replaces);
  map[name] = shapedValue(key, value);
  return path;
}

/** Where a setting stands; undefined when it is one of the flagged lane, and there is none. */
function placeOf(raw: RawMap, key: string): ConfigPath | undefined {
  const path = key.split('.');
  if (path[0] !== 'lanes') return path;
  const lanes = raw['lanes'];
  const index = Array.isArray(lanes)
    ? lanes.findIndex((lane: unknown) => isMap(lane) && lane['name'] === FLAGGED_LANE)
    : -1;
  return index < 0 ? undefined : ['lanes', index, ...path.slice(2)];
}

/** The map below a key, made where there is none; `placeOf` has found the list of lanes. */
function mapBelow(held: RawMap, key: string | number): RawMap {
  const below = held[key];
  if (isMap(below) || key === 'lanes') return below as RawMap;
  return (held[key] = {});
}

/** Text from outside as the file would hold it; what cannot be read as such stays text, and the schema refuses it. */
function shapedValue(key: string, text: string): unknown {
  const kind = kindOfSetting(key);
  // Nothing is no path, and not the directory that somebody happens to be in.
  if (kind === 'path') return text.trim() === '' ? text : resolve(text);
  if (kind === 'whole' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (kind === 'truth' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
