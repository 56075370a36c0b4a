import * as z from 'zod';
import { LANES_MAX } from '../core/fields/limits.ts';
import type { Lane } from '../core/fields/lane.ts';
import { KEYS, type Key, type Section } from './keys.ts';
import { laneSchema, readLanes, type ReadCounters } from './lanes.ts';
import { problemsOf, valueAt, type ConfigPath, type ConfigProblem } from './problem.ts';
import { serveProblems } from './serve-problems.ts';
import { SETTINGS, type Setting } from './settings.ts';
import { kindOf, nameInCode, shapeOf, unwrapped, type Kind, type Named, type Renamed } from './shape.ts';
import * as values from './values.ts';

type Keys = typeof KEYS;

/** The keys that hold a value themselves, and those that hold further keys. */
type Plain = { [Name in keyof Keys as Keys[Name] extends Key ? Name : never]: Keys[Name] };
type Sections = { [Name in keyof Keys as Keys[Name] extends Section ? Name : never]: Keys[Name] };

/** The single values, by section; names with their units. */
type Values = Named<Plain> & Renamed<Sections, { [Name in keyof Sections]: Named<Sections[Name]['keys']> }>;

/** The configuration as the code uses it: every value there, units in the names. What each means stands in `KEYS`. */
export interface Config extends Values {
  readonly lanes: readonly Lane[];
}

const ENTRIES: readonly [name: string, entry: Key | Section][] = Object.entries(KEYS);

/**
 * The file as it is written, key by key, with its defaults. `client_conf_file` and the lanes' `fields_file` are read by
 * the loader, which also gives `node` and `state_dir` their defaults.
 */
const fileSchema = z.strictObject({
  ...Object.fromEntries(
    ENTRIES.map(([name, entry]) => [
      name,
      'keys' in entry ? z.strictObject(shapeOf(entry.keys)).prefault({}) : entry.type(values),
    ]),
  ),
  lanes: z.array(laneSchema).min(1).max(LANES_MAX),
});

export type ConfigReading =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/**
 * Checks a configuration that the loader has put together, and finds everything that is wrong with it, not only the
 * first thing.
 * @param raw maps and lists as YAML gives them, with `node`, `state_dir` and `lanes` present
 */
export function readConfig(raw: unknown, readCounters: ReadCounters): ConfigReading {
  const parsed = fileSchema.safeParse(raw);
  const shape = parsed.success ? [] : problemsOf(parsed.error.issues, raw, knownKeys);
  const lanes = readLanes(parsed.success ? parsed.data.lanes : soundLanes(raw), readCounters);
  const problems = [...shape, ...lanes.problems, ...crossProblems(raw)];
  if (!parsed.success || problems.length > 0) return { ok: false, problems };
  return { ok: true, config: configOf(parsed.data, lanes.lanes), warnings: lanes.warnings };
}

/** The lanes whose shape is right, at their positions, so that they are checked further although others are wrong. */
function soundLanes(raw: unknown): (z.infer<typeof laneSchema> | undefined)[] {
  const lanes = valueAt(raw, ['lanes']);
  return Array.isArray(lanes) ? lanes.map((lane: unknown) => laneSchema.safeParse(lane).data) : [];
}

function crossProblems(raw: unknown): ConfigProblem[] {
  const problems = repeatedNames(raw);
  const conf = valueAt(raw, ['questdb', 'client_conf']);
  if (conf !== undefined && valueAt(raw, ['questdb', 'client_conf_file']) !== undefined) {
    const message = 'questdb: expected client_conf or client_conf_file, came both';
    problems.push({
      path: ['questdb', 'client_conf_file'],
      message,
      hints: ['keep the file: it is for secrets'],
    });
  }
  if (valueAt(raw, ['source']) === 'recording' && valueAt(raw, ['recording', 'file']) === undefined) {
    problems.push({
      path: ['source'],
      message: 'source recording: expected recording.file, came nothing',
      hints: [],
    });
  }
  if (
    valueAt(raw, ['digest', 'schedule']) !== undefined &&
    valueAt(raw, ['digest', 'directory']) === undefined
  )
    problems.push({
      path: ['digest', 'schedule'],
      message: 'digest.schedule: expected digest.directory beside it, came nothing',
      hints: ['say where the files go'],
    });
  return [...problems, ...costProblems(raw), ...serveProblems(raw)];
}

function costProblems(raw: unknown): ConfigProblem[] {
  const has = (key: string): boolean => valueAt(raw, ['costs', key]) !== undefined;
  const problems: ConfigProblem[] = [];
  const priced = ['gpu_hour', 'kwh'].find(has);
  if (priced !== undefined && !has('currency'))
    problems.push({
      path: ['costs', priced],
      message: `costs.${priced}: expected costs.currency beside a price, came nothing`,
      hints: ['say in what it is, such as currency: EUR'],
    });
  if (has('grams_per_kwh') && has('grams_file'))
    problems.push({
      path: ['costs', 'grams_file'],
      message: 'costs: expected grams_per_kwh or grams_file, came both',
      hints: ['keep the file where the grid is known by the hour'],
    });
  return problems;
}

function repeatedNames(raw: unknown): ConfigProblem[] {
  const lanes = valueAt(raw, ['lanes']);
  const names = Array.isArray(lanes) ? lanes.map((lane: unknown) => valueAt(lane, ['name'])) : [];
  return names.flatMap((name, index) => {
    if (typeof name !== 'string' || names.indexOf(name) === index) return [];
    const hints = ['every lane has a name of its own'];
    return [
      {
        path: ['lanes', index, 'name'],
        message: `lane "${name}": another lane has this name already`,
        hints,
      },
    ];
  });
}

/** Keys that are allowed in the map at a path: for "did you mean". */
function knownKeys(path: ConfigPath): readonly string[] {
  const type = typeAt(path);
  return type instanceof z.ZodObject ? Object.keys(type.shape) : [];
}

/** How the value of a setting is read from text. */
export function kindOfSetting(key: string): Kind {
  return kindOf(typeAt(key.split('.')));
}

/** What may stand at a path, without its default; every lane is like the others. */
function typeAt(path: ConfigPath): z.core.$ZodType {
  let type: z.core.$ZodType = fileSchema;
  for (const key of path) {
    if (type instanceof z.ZodArray) type = unwrapped(type.element);
    else if (type instanceof z.ZodObject)
      type = unwrapped((type.shape as Record<string, z.core.$ZodType>)[key] ?? z.unknown());
  }
  return type;
}

function configOf(file: Readonly<Record<string, unknown>>, lanes: readonly Lane[]): Config {
  const held = ENTRIES.filter(([name]) => file[name] !== undefined).map(([name, entry]) =>
    'keys' in entry
      ? [nameInCode(name, undefined), namedInCode(entry.keys, file[name] as object)]
      : [nameInCode(name, entry.as), file[name]],
  );
  return { ...(Object.fromEntries(held) as Values), lanes };
}

function namedInCode(keys: Section['keys'], held: object): object {
  return Object.fromEntries(
    Object.entries(held).map(([name, value]) => [nameInCode(name, keys[name]?.as), value]),
  );
}

/** A value as the file would have it, or null where there is none. */
export type WrittenValue = string | number | boolean | null;

/** Each setting with its value, as the file would have it. Secrets stand in it as they are. */
export function writtenSettings(config: Config): [Setting, WrittenValue][] {
  return SETTINGS.map((setting) => {
    const path = setting.key.split('.');
    const sections = path.slice(0, -1).map((name) => nameInCode(name, undefined));
    const value = valueAt(config, [...sections, nameInCode(path.at(-1)!, setting.as)]);
    return [setting, value === undefined ? null : (z.encode(typeAt(path), value) as WrittenValue)];
  });
}
