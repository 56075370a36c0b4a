import { existsSync } from 'node:fs';
import type { Counters } from '../../schemas/counters-csv.ts';
import { loadConfig, readCounters, type LoadedConfig } from '../config/config-file.ts';
import type { ConfigOverride } from '../config/config-layers.ts';
import type { Config } from '../config/config.ts';
import { OperatingError } from '../core/base/errors.ts';
import { countedFieldOf } from '../core/exposition/exporter-families.ts';
import { JOBSTATS_FIELDS } from '../core/exposition/jobstats-families.ts';
import type { Field } from '../core/fields/field.ts';
import { tableOf, type Lane } from '../core/fields/lane.ts';
import {
  defaultCapacityTicks,
  LANE_FIELDS_MAX,
  LANE_INTERVAL_MS_MAX,
  LANE_INTERVAL_MS_MIN,
  PROFILING_INTERVAL_MS_MIN,
} from '../core/fields/limits.ts';
import { defaultCounters } from './default-counters.ts';
import { isOn } from './exporter-arguments.ts';
import { EXPORTER_FLAGS, type ExporterFlag } from './exporter-flags.ts';
import type { MetricsOptions } from './metrics.ts';
import { styleOf } from './metrics-options.ts';

/** What `gpuledger exporter` was told, by flags above variables. */
export interface ExporterRequest {
  /** By the names of `EXPORTER_FLAGS`; true for what is on. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>;
  /** Flags of our own configuration. */
  readonly overrides: readonly ConfigOverride[];
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface ExporterConfig {
  readonly loaded: LoadedConfig;
  readonly metrics: MetricsOptions;
  /** Where nobody names a QuestDB nothing is recorded. */
  readonly isStoreless: boolean;
}

/** What one flag or variable says, and which of the two it was. */
interface Told {
  readonly flag: ExporterFlag;
  /** `true` for what is on. */
  readonly value: string;
  readonly origin: string;
}

const DEFAULT_COUNTERS_FILE = '/etc/dcgm-exporter/default-counters.csv';
const DEFAULT_INTERVAL_MS = 30_000;
/** Upstream's, on all addresses. */
const DEFAULT_LISTEN = { host: '', port: 9400 };

/**
 * Configuration, lanes and counters of the exporter.
 * @throws OperatingError `config.invalid`, `config.unreadable`, `counters.invalid`, `exporter.flag` (all exit `config`)
 */
export async function loadExporterConfig(request: ExporterRequest): Promise<ExporterConfig> {
  const told = EXPORTER_FLAGS.flatMap((flag) => toldOf(flag, request));
  refuse(told);
  const isSet = (name: string): boolean => told.some(({ flag }) => flag.name === name);
  const loaded = await loadConfig({
    ...{ file: request.file, env: request.env },
    flags: [...overridesOf(told), ...request.overrides].map(inOurWords),
  });
  const { countersFile, counters } = await countersOf(loaded.config);
  const isTold = (prefix: string): boolean =>
    loaded.shown().some(({ key, origin }) => key.startsWith(prefix) && origin !== 'default');
  const isStoreless = !isTold('questdb.client_conf');
  const areLanesTold = isTold('lanes.');
  const intervalMs = msOf('collect-interval', told, INTERVALS) ?? DEFAULT_INTERVAL_MS;
  const { hasJobstats } = loaded.config.metrics;
  const counted = counters.rows.flatMap(({ name }) => countedFieldOf(name) ?? []);
  const fields = [...counters.fields, ...counted, ...(hasJobstats ? JOBSTATS_FIELDS : [])];
  const lanes = lanesOf(isStoreless && !areLanesTold ? [] : loaded.config.lanes, fields, intervalMs);
  const config: Config = {
    ...loaded.config,
    lanes: isStoreless ? lanes.map((lane) => ({ ...lane, capacityTicks: CAPACITY_TICKS_STORELESS })) : lanes,
    // What nobody stores need not be fetched whole: the newest is read as it comes.
    ...(isStoreless && loaded.config.dcgm.route === 'auto'
      ? { dcgm: { ...loaded.config.dcgm, route: 'poll' as const } }
      : {}),
  };
  const style = styleOf(config);
  return {
    loaded: { ...loaded, config, warnings: [...loaded.warnings, ...ignoredOf(told)] },
    metrics: {
      ...config.metrics,
      listen: isSet('web-systemd-socket') ? 'systemd' : (config.metrics.listen ?? DEFAULT_LISTEN),
      counters,
      ...(countersFile === undefined ? {} : { countersFile }),
      style: {
        ...style,
        windows: {
          xidMs: msOf('xid-count-window-size', told, WINDOWS) ?? style.windows.xidMs,
          reasonsMs: msOf('clock-events-count-window-size', told, WINDOWS) ?? style.windows.reasonsMs,
        },
        isOldNamespace: isSet('use-old-namespace'),
        areBlanksReplaced: isSet('replace-blanks-in-model-name'),
        isHostless: isSet('no-hostname'),
        hasHealth: isSet('enable-exporter-metrics'),
      },
    },
    isStoreless,
  };
}

/** Of a ring that nobody empties only the newest tick is looked at. */
const CAPACITY_TICKS_STORELESS = 2;

function toldOf(flag: ExporterFlag, { flags, env }: ExporterRequest): Told[] {
  const written = flags[flag.name];
  if (written !== undefined && written !== false)
    return [{ flag, value: String(written), origin: `--${flag.name}` }];
  const variable = env[flag.variable];
  if (variable === undefined) return [];
  // An engine of no name is one of this machine; what else is empty is not told.
  if (variable === '' && !(flag.becomes.kind === 'key' && flag.becomes.key === ENGINE_KEY)) return [];
  return flag.value === undefined && !isOn(variable, flag.variable, 'config')
    ? []
    : [{ flag, value: variable, origin: flag.variable }];
}

function refuse(told: readonly Told[]): void {
  for (const { flag, origin, value } of told) {
    // Upstream's own word for none.
    if (flag.becomes.kind !== 'refused' || (flag.name === 'configmap-data' && value === 'none')) continue;
    throw new OperatingError(`${origin} cannot be meant here`, {
      code: 'exporter.flag',
      exit: 'config',
      hints: [flag.becomes.why],
    });
  }
}

/** Named once, in one sentence for each reason. */
function ignoredOf(told: readonly Told[]): string[] {
  const whys = told.flatMap(({ flag: { becomes }, origin }) =>
    becomes.kind === 'ignored' ? [{ why: becomes.why, origin }] : [],
  );
  return [...Map.groupBy(whys, ({ why }) => why)].map(
    ([why, of]) => `${of.map(({ origin }) => origin).join(', ')}: ignored, ${why}`,
  );
}

function overridesOf(told: readonly Told[]): ConfigOverride[] {
  const keyed = told.flatMap(({ flag: { becomes }, value, origin }) =>
    becomes.kind === 'key' ? [{ key: becomes.key, value, origin }] : [],
  );
  const own = (name: string): Told | undefined => told.find(({ flag }) => flag.name === name);
  const debug = own('debug');
  const format = own('log-format');
  return [
    ...keyed,
    ...(debug === undefined ? [] : [{ key: 'log.level', value: 'debug', origin: debug.origin }]),
    ...(format === undefined ? [] : [{ key: 'log.format', value: format.value, origin: format.origin }]),
  ];
}

const ENGINE_KEY = 'dcgm.engine';

/** What dcgm-exporter means by a value, where that is another one here. */
function inOurWords(override: ConfigOverride): ConfigOverride {
  const { key, value } = override;
  if (key === 'log.format' && value === 'text') return { ...override, value: 'human' };
  if (key === ENGINE_KEY && value === '') return { ...override, value: 'localhost' };
  // Go listens there on IPv6, too.
  if (key === 'metrics.listen') return { ...override, value: value.replace(/^0\.0\.0\.0:/, ':') };
  return override;
}

async function countersOf({
  metrics: { countersFile },
}: Config): Promise<{ readonly countersFile?: string; readonly counters: Counters }> {
  if (countersFile !== undefined) return { countersFile, counters: await readCounters(countersFile) };
  if (existsSync(DEFAULT_COUNTERS_FILE))
    return { countersFile: DEFAULT_COUNTERS_FILE, counters: await readCounters(DEFAULT_COUNTERS_FILE) };
  return { counters: defaultCounters() };
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly example: string;
}

const INTERVALS: Range = { min: LANE_INTERVAL_MS_MIN, max: LANE_INTERVAL_MS_MAX, example: '30000 is 30 s' };
/** A day of samples is kept in memory. */
const WINDOWS: Range = { min: 1, max: 86_400_000, example: '300000 is five minutes' };

/** @returns undefined where nobody told. @throws OperatingError `exporter.flag` for what is not in the range */
function msOf(name: string, told: readonly Told[], { min, max, example }: Range): number | undefined {
  const { value, origin } = told.find(({ flag }) => flag.name === name) ?? {};
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
  if (ms >= min && ms <= max) return ms;
  throw new OperatingError(`${origin!}: expected ${min} to ${max} milliseconds, came "${value}"`, {
    code: 'exporter.flag',
    exit: 'config',
    hints: [`as dcgm-exporter has it, without a unit: ${example}`],
  });
}

const EXPORTER_LANE = 'exporter';

/** The lanes of the configuration, and one for what is served and none of them samples. */
function lanesOf(lanes: readonly Lane[], fields: readonly Field[], intervalMs: number): readonly Lane[] {
  const sampled = new Set(lanes.flatMap((lane) => lane.fields.map(({ id }) => id)));
  const missing = [...new Map(fields.map((field) => [field.id, field])).values()].filter(
    ({ id }) => !sampled.has(id),
  );
  if (missing.length === 0 && lanes.length > 0) return lanes;
  const refusal = (sentence: string, hints: readonly string[]): OperatingError =>
    new OperatingError(sentence, { code: 'exporter.counters', exit: 'config', hints });
  if (missing.length === 0)
    throw refusal('the counters file asks for nothing that can be served', [
      'each row is a field, a type and a help text: gpuledger fields lists the fields',
    ]);
  if (missing.length > LANE_FIELDS_MAX)
    throw refusal(
      `the counters file asks for ${missing.length} fields, and a lane has at most ${LANE_FIELDS_MAX}`,
      ['name lanes in the configuration (--config), each with some of them'],
    );
  if (intervalMs < PROFILING_INTERVAL_MS_MIN && missing.some(({ isProfiling }) => isProfiling))
    throw refusal(
      `--collect-interval ${intervalMs} is below ${PROFILING_INTERVAL_MS_MIN} ms, the floor of the profiling hardware`,
      ['it is in milliseconds: 30000 is 30 s'],
    );
  return [
    ...lanes,
    {
      ...{ name: EXPORTER_LANE, table: tableOf(EXPORTER_LANE), schedule: 'continuous', intervalMs },
      fields: missing,
      capacityTicks: defaultCapacityTicks(intervalMs),
    },
  ];
}
