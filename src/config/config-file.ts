import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { isLoopback } from './addresses.ts';
import { readConfig, type Config } from './config.ts';
import type { ReadCounters } from './lanes.ts';
import { isLikelySecret, valueAt, type ConfigPath } from './problem.ts';
import { ALL_SETTINGS, CONFIG_FILE_VARIABLE, SETTINGS } from './settings.ts';
import { usualFiles, type ConfigUse } from './reading/usual-files.ts';
import { whomToAsk } from './reading/whom-to-ask.ts';
import type { ConfigYaml } from './reading/yaml.ts';
import { formatDuration } from '../../schemas/duration.ts';
import type { ClientConf } from '../../schemas/client-conf.ts';
import type { Counters } from '../../schemas/counters-csv.ts';
import { readClientConf as readConf } from '../../schemas/read-client-conf.ts';
import { nearestWords } from '../../schemas/nearest.ts';
import { AssertionError } from '../core/base/assert.ts';
import { OperatingError } from '../core/base/errors.ts';
import { shell } from '../core/base/shell.ts';
import { fileError, fileFaultOf } from '../core/base/file-fault.ts';
import { defaultLanes } from '../core/fields/lane.ts';
import {
  applyOverride,
  environmentOverrides,
  fileLayer,
  isMap,
  layered,
  type ConfigOverride,
  type RawMap,
} from './config-layers.ts';
import { shownConfig, type ShownRow } from './shown-config.ts';
import { defaultStateDir } from '../disk/state-dir.ts';
import { readNamedFile } from '../disk/named-file.ts';

export interface ConfigRequest {
  /** `--config`; without it the environment's `GPULEDGER_CONFIG`, then the usual files of this use. */
  readonly file?: string | undefined;
  /** `service` when absent. */
  readonly use?: ConfigUse;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: readonly ConfigOverride[];
}

export interface LoadedConfig {
  readonly config: Config;
  /** Sentences for people: rows of a counters file without a column, a secret that everybody can read, … */
  readonly warnings: readonly string[];
  /** Those of them by which somebody could come to the secret of the store, or be taken for it. */
  readonly unsafe: readonly string[];
  /** The files that were read, as they were named, lowest first. */
  readonly files: readonly string[];
  /** Every value and where it came from, for people. */
  readonly shown: () => readonly ShownRow[];
}

/** Everything that is known while the layers are put together. */
interface Layers {
  readonly use: ConfigUse;
  readonly env: ConfigRequest['env'];
  /** Lowest first. */
  readonly files: readonly ReadFile[];
  readonly raw: unknown;
  /** Path joined by dots → the override that stands there. */
  readonly overrides: ReadonlyMap<string, ConfigOverride>;
  readonly problems: ReportedProblem[];
  readonly warnings: string[];
  /** Told with the warnings. */
  readonly unsafe: string[];
}

interface ReadFile {
  readonly file: string;
  readonly yaml: ConfigYaml;
}

interface ReportedProblem {
  readonly message: string;
  readonly where?: string | undefined;
  readonly hints: readonly string[];
}

/**
 * Reads the configuration: flags above the environment above the file above the defaults.
 * @throws OperatingError `config.invalid` (exit `config`) with every problem of every layer; `config.unreadable`
 */
export async function loadConfig(request: ConfigRequest): Promise<LoadedConfig> {
  const layers = await layersOf(request);
  const { use } = layers;
  const reading = readConfig(layers.raw, await countersReader(layers.raw));
  if (!reading.ok) {
    for (const { path, message, hints, isForeign } of reading.problems) {
      layers.problems.push({ message, hints, where: whereOf(layers, path, isForeign !== true) });
    }
  }
  const clientConf = use === 'onlooker' ? undefined : await readClientConf(layers);
  if (!reading.ok || layers.problems.length > 0) throw configError(layers.problems, layers.files);
  const { questdb } = reading.config;
  const config = {
    ...reading.config,
    questdb: { ...questdb, clientConf: clientConf ?? questdb.clientConf },
  };
  return {
    config,
    warnings: [
      ...layers.warnings,
      ...layers.unsafe,
      ...reading.warnings,
      ...idleFlags(request.flags, config),
    ],
    unsafe: layers.unsafe,
    files: layers.files.map(({ file }) => file),
    shown: () => shownConfig(config, (path) => originAt(layers, path)),
  };
}

// The two parsers are loaded by those who have such files: they cost every other start tens of milliseconds and megabytes.

async function parseYamlFile(file: string): Promise<ReadFile> {
  const { parseConfigYaml } = await import('./reading/yaml.ts');
  const yaml = parseConfigYaml(readText(file, 'the configuration'));
  if (yaml.problems.length === 0) return { file, yaml };
  throw configError(
    yaml.problems.map(({ message, line }) => ({ message, where: `${file}, line ${line}`, hints: [] })),
    [{ file }],
  );
}

async function countersReader(raw: unknown): Promise<ReadCounters> {
  const lanes = valueAt(raw, ['lanes']);
  const isNamed =
    Array.isArray(lanes) && lanes.some((lane: unknown) => valueAt(lane, ['fields_file']) !== undefined);
  if (!isNamed) {
    return (path) => {
      throw new AssertionError(`${path} is read as a counters file although no lane names one`);
    };
  }
  return await countersParser();
}

async function countersParser(): Promise<ReadCounters> {
  const { parseCounters } = await import('../../schemas/counters-csv.ts');
  return (path) => parseCounters(readText(path, 'the counters file'), path);
}

/** Reads a counters file of dcgm-exporter. @throws OperatingError `config.unreadable`, `counters.invalid` */
export async function readCounters(path: string): Promise<Counters> {
  return (await countersParser())(path);
}

/** Flags that do nothing because the source is another one. */
function idleFlags(flags: ConfigRequest['flags'], { source }: Config): string[] {
  const idle = flags.filter(({ key }) => key.startsWith('synthetic.') && source !== 'synthetic');
  return idle.map(
    ({ origin }) => `${origin} is about the source synthetic, and the source is ${source}: it does nothing`,
  );
}

async function layersOf({ file, use = 'service', env, flags }: ConfigRequest): Promise<Layers> {
  const variable = env[CONFIG_FILE_VARIABLE];
  // An empty one says nothing, as all of them.
  const named = file ?? (variable === '' ? undefined : variable);
  const files: ReadFile[] = [];
  for (const path of named === undefined ? usualFiles(env, use) : [named])
    files.push(await parseYamlFile(path));
  const raw = layered(files.map((one) => fileLayer(one.yaml.raw, one.file)));
  const overrides = new Map<string, ConfigOverride>();
  const problems: ReportedProblem[] = [];
  if (isMap(raw)) {
    addDefaults(raw, env, use);
    for (const override of [...environmentOverrides(env), ...flags]) {
      const path = applyOverride(raw, override);
      if (path !== undefined) overrides.set(path.join('.'), override);
      else problems.push(laneless(override, files.at(-1)?.file));
    }
  }
  return { use, env, files, raw, overrides, problems, warnings: strangeVariables(env), unsafe: [] };
}

function addDefaults(raw: RawMap, env: ConfigRequest['env'], use: ConfigUse): void {
  raw['node'] ??= hostname().split('.')[0];
  raw['state_dir'] ??= defaultStateDir(env, use === 'operator' || use === 'onlooker');
  raw['lanes'] ??= defaultLanes.map(({ name, schedule, intervalMs, fields }) => ({
    name,
    ...(schedule === 'continuous' ? { interval: formatDuration(intervalMs) } : { schedule }),
    fields: fields.map(({ id }) => id),
  }));
}

function laneless({ key, origin, value }: ConfigOverride, file: string | undefined): ReportedProblem {
  return {
    message: `${origin} is about the lane "profiling", and ${file ?? 'the configuration'} has no such lane`,
    where: `${origin} ${value}`,
    hints: [`set ${key.split('.').at(-1) ?? ''} in the file, for the lane that you mean`],
  };
}

/** Variables that look like ours and are not: a misspelt one would be ignored in silence. */
function strangeVariables(env: ConfigRequest['env']): string[] {
  const variables = ALL_SETTINGS.map(({ variable }) => variable);
  const known = [CONFIG_FILE_VARIABLE, ...variables].map(withoutPrefix);
  return Object.keys(env).flatMap((name) => {
    const word = withoutPrefix(name);
    if (word === name || known.includes(word)) return [];
    const [nearest] = nearestWords(word, known, 1);
    return nearest === undefined
      ? []
      : [`environment: ${name} is not known; did you mean ${PREFIX}${nearest}?`];
  });
}

/** A configuration has a few KiB, a counters file of dcgm-exporter some ten. */
const FILE_BYTES_MAX = 1024 * 1024;

const PREFIX = 'GPULEDGER_';

function withoutPrefix(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

/** Whole, as far as it is text of a sensible size: /dev/zero has no end. */
function readText(path: string, what: string): string {
  const detail = { code: 'config.unreadable', exit: 'config', where: path } as const;
  const fault = (reason: string): OperatingError =>
    new OperatingError(`${what} cannot be read: ${reason}`, detail);
  let bytes: Buffer | undefined;
  try {
    bytes = readNamedFile(path, FILE_BYTES_MAX);
  } catch (thrown) {
    throw fileError(`${what} cannot be read`, thrown, detail);
  }
  if (bytes === undefined) throw fault(`expected at most ${FILE_BYTES_MAX / 1024} KiB, found more`);
  if (bytes.includes(0)) throw fault('expected text, found bytes that are none');
  return bytes.toString('utf8');
}

/**
 * The configuration string itself, from wherever it comes, checked by the official client's own rules.
 * @returns undefined where nobody gives one, and where it is wrong
 */
async function readClientConf(layers: Layers): Promise<string | undefined> {
  const file = valueAt(layers.raw, ['questdb', 'client_conf_file']);
  const inline = valueAt(layers.raw, ['questdb', 'client_conf']);
  const path = ['questdb', typeof file === 'string' ? 'client_conf_file' : 'client_conf'];
  try {
    // What is no path is told with the other keys.
    if (typeof file === 'string' && file.includes('\0')) return undefined;
    const text = typeof file === 'string' ? readSecret(file, layers.unsafe) : inline;
    if (typeof text !== 'string') return undefined;
    const conf = await readConf(text);
    const { password, token } = conf;
    layers.unsafe.push(...unsafeWays(conf));
    const held = holderOf(layers, path);
    if ((password ?? token) !== undefined && held !== undefined && typeof file !== 'string') {
      warnIfPublic(held.file, layers.unsafe);
    }
    return text.trim();
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    const secret = typeof file === 'string' ? file : undefined;
    layers.problems.push({
      message: `${path.join('.')}: ${thrown.message}`,
      where: whereOf(layers, path),
      hints: [
        ...(thrown.where === undefined ? [] : [thrown.where]),
        ...(secret !== undefined &&
        layers.use === 'reader' &&
        fileFaultOf(thrown.cause)?.exit === 'permission'
          ? whomToAsk(secret, layers.env)
          : thrown.hints),
      ],
    });
    return undefined;
  }
}

/** Ways on which somebody between could read the secret, or be the server. */
function unsafeWays({ protocol, host, password, token, tlsVerify }: ClientConf): string[] {
  const isSecret = (password ?? token) !== undefined;
  return [
    ...(isSecret && protocol === 'http' && !isLoopback(host)
      ? [`the secret of QuestDB goes to ${host} unencrypted: use https::, to a TLS proxy before the server`]
      : []),
    ...(tlsVerify ? [] : [`tls_verify=unsafe_off: whoever answers as ${host} is believed to be QuestDB`]),
  ];
}

function readSecret(file: string, unsafe: string[]): string {
  const text = readText(file, 'the file with the QuestDB configuration string').trim();
  warnIfPublic(file, unsafe);
  return text;
}

function warnIfPublic(file: string, unsafe: string[]): void {
  if ((statSync(file).mode & 0o004) !== 0)
    unsafe.push(`${file} holds a secret and everybody can read it: ${shell`chmod o-r ${file}`}`);
}

/** The file whose value counts. */
function holderOf({ files }: Layers, path: ConfigPath): ReadFile | undefined {
  return files.findLast(({ yaml }) => yaml.has(path));
}

function whereOf(layers: Layers, path: ConfigPath, isTextShown = true): string | undefined {
  const { files, overrides } = layers;
  const override = overrides.get(path.join('.')) ?? overrides.get(path.slice(0, -1).join('.'));
  if (override !== undefined) {
    const setting = SETTINGS.find(({ key }) => key === override.key);
    const value = setting?.secretIn !== undefined || isLikelySecret(override.value) ? '***' : override.value;
    return override.origin.startsWith('--') ? `${override.origin} ${value}` : `${override.origin}=${value}`;
  }
  // What none of them has stands nearest in one of them.
  const held = holderOf(layers, path) ?? files.findLast(({ yaml }) => yaml.locate(path) !== undefined);
  const { file, yaml } = held ?? files.at(-1) ?? {};
  const found = yaml?.locate(path);
  if (file === undefined) return undefined;
  if (found === undefined) return file;
  const isUrl = SETTINGS.some(({ key, secretIn }) => secretIn === 'url' && key === path.join('.'));
  return `${file}, line ${found.line}${isTextShown && !isUrl ? `: ${found.text}` : ''}`;
}

function originAt(layers: Layers, path: ConfigPath): string | undefined {
  const override = layers.overrides.get(path.join('.'));
  if (override !== undefined) return override.origin;
  const held = holderOf(layers, path);
  return held && `${held.file}, line ${held.yaml.locate(path)?.line ?? 0}`;
}

/** One problem is told as itself; several are counted and listed, each with its place and its cure. */
function configError(
  problems: readonly ReportedProblem[],
  files: readonly Pick<ReadFile, 'file'>[],
): OperatingError {
  const sorted = problems.toSorted((a, b) => lineOf(a) - lineOf(b));
  const [first] = sorted;
  const detail = { code: 'config.invalid', exit: 'config' } as const;
  if (first !== undefined && problems.length === 1) {
    const where = first.where === undefined ? {} : { where: first.where };
    return new OperatingError(first.message, { ...detail, ...where, hints: first.hints });
  }
  const lines = sorted.flatMap(({ message, where, hints }) => [
    `· ${message}`,
    ...(where === undefined ? [] : [`    ${where}`]),
    ...hints.map((hint) => `    ${hint}`),
  ]);
  const places = files.length === 0 ? 'the configuration' : files.map(({ file }) => file).join(' and ');
  return new OperatingError(`${problems.length} problems in ${places}`, {
    ...detail,
    hints: lines,
  });
}

/** Problems of the file come in its order, those of flags and environment before them. */
function lineOf({ where }: ReportedProblem): number {
  return Number(/, line (\d+)/.exec(where ?? '')?.[1] ?? 0);
}
