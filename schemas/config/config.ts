import * as z from 'zod';
import type { Lane } from '../../src/core/fields/lane.ts';
import {
  BATCH_ROWS_DEFAULT,
  BATCH_ROWS_MAX,
  BATCH_ROWS_MIN,
  FLUSH_INTERVAL_MS_DEFAULT,
  FLUSH_INTERVAL_MS_MAX,
  FLUSH_INTERVAL_MS_MIN,
  LANES_MAX,
  REQUEST_TIMEOUT_MS_DEFAULT,
  REQUEST_TIMEOUT_MS_MAX,
  REQUEST_TIMEOUT_MS_MIN,
  SPOOL_BYTES_LIMIT,
  SPOOL_BYTES_MIN,
  SYNTHETIC_GPUS_MAX,
  SYNTHETIC_NODES_MAX,
} from '../../src/core/fields/limits.ts';
import type { SourceName } from '../../src/core/sampling/source.ts';
import { laneSchema, readLanes, type ReadCounters } from './lanes.ts';
import { problemsOf, valueAt, type ConfigPath, type ConfigProblem } from './problem.ts';
import { cronOfInterval } from '../../src/core/fields/cron-interval.ts';
import { byteCount, deviceMap, deviceSelector, durationMs, nonEmptyText, ttl } from './values.ts';
import type { Retention } from '../tables.ts';

/** The configuration as the code uses it: every value there, units in the names. */
export interface Config {
  /** Name of this node in every row. */
  readonly node: string;
  readonly source: SourceName;
  /** Which devices of a node: `f`, `g[:list]`, `i[:list]`, `g…+i…`. */
  readonly devices: string;
  /** `nodes` × `gpus` devices of the synthetic source; the same seed gives the same figures. */
  readonly synthetic: {
    readonly nodes: number;
    readonly gpus: number;
    readonly seed: number;
    readonly mig: boolean;
  };
  /** Path of libdcgm where it is not found by itself; `embedded`, `host:port` or `unix:///path`. */
  readonly dcgm: {
    readonly library?: string;
    readonly engine: string;
    /** How a host engine is read: by itself the cheaper way without loss. */
    readonly route: (typeof DCGM_ROUTES)[number];
  };
  readonly nvml: { readonly library?: string };
  readonly recording: { readonly file?: string };
  /** `clientConf` is a secret: it may hold a password or a token. */
  readonly questdb: {
    readonly clientConf: string;
    readonly requestTimeoutMs: number;
    readonly gzip: boolean;
  };
  readonly lanes: readonly Lane[];
  readonly flush: { readonly intervalMs: number; readonly batchRows: number };
  readonly delivery: {
    /** Ticks survive a kill of the collector. */
    readonly hasJournal: boolean;
    /** Of one lane. */
    readonly spoolBytesMax: number;
    readonly spoolAgeMsMax: number;
    /** When rows count as written: acknowledged (in the server's log), or visible to queries. */
    readonly confirm: 'acknowledged' | 'visible';
  };
  readonly jobs: {
    readonly hpcJobMappingDir?: string;
    readonly journalDir?: string;
    readonly gpustatDir?: string;
    /** Position in the scheduler's list of GPUs → device UUID. */
    readonly deviceMap?: ReadonlyMap<number, string>;
  };
  readonly retention: Retention;
  /** Directory of what must outlive the process. */
  readonly stateDir: string;
  readonly log: { readonly format: 'human' | 'json'; readonly level: 'debug' | 'info' | 'warn' | 'error' };
}

export const DEFAULT_CLIENT_CONF = 'http::addr=127.0.0.1:9000;';

export const SOURCES = ['dcgm', 'nvml', 'synthetic', 'recording'] as const satisfies readonly SourceName[];
export const DCGM_ROUTES = ['auto', 'poll', 'pull'] as const;
export const LOG_FORMATS = ['human', 'json'] as const;
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/**
 * The file as it is written, key by key, with its defaults. `client_conf_file` and the lanes' `fields_file` are read by
 * the loader, which also gives `node` and `state_dir` their defaults.
 */
const fileSchema = z.strictObject({
  node: nonEmptyText,
  source: z.enum(SOURCES).default('dcgm'),
  devices: deviceSelector.default('f'),
  synthetic: z
    .strictObject({
      nodes: z.int().min(1).max(SYNTHETIC_NODES_MAX).default(1),
      gpus: z.int().min(1).max(SYNTHETIC_GPUS_MAX).default(8),
      seed: z.int().default(1),
      mig: z.boolean().default(false),
    })
    .prefault({}),
  dcgm: z
    .strictObject({
      library: nonEmptyText.optional(),
      engine: nonEmptyText.default('embedded'),
      route: z.enum(DCGM_ROUTES).default('auto'),
    })
    .prefault({}),
  nvml: z.strictObject({ library: nonEmptyText.optional() }).prefault({}),
  recording: z.strictObject({ file: nonEmptyText.optional() }).prefault({}),
  questdb: z
    .strictObject({
      client_conf: nonEmptyText.optional(),
      client_conf_file: nonEmptyText.optional(),
      request_timeout: durationMs({ minMs: REQUEST_TIMEOUT_MS_MIN, maxMs: REQUEST_TIMEOUT_MS_MAX }).prefault(
        `${REQUEST_TIMEOUT_MS_DEFAULT}ms`,
      ),
      gzip: z.boolean().default(false),
    })
    .prefault({}),
  lanes: z.array(laneSchema).min(1).max(LANES_MAX),
  flush: z
    .strictObject({
      interval: durationMs({
        minMs: FLUSH_INTERVAL_MS_MIN,
        maxMs: FLUSH_INTERVAL_MS_MAX,
        whyMin: 'more requests than that are of no use to anybody',
      })
        .refine((ms) => cronOfInterval(ms) !== undefined, {
          error:
            'expected seconds that divide a minute (1s, 5s, 30s) or minutes that divide an hour (1m, 5m)',
        })
        .prefault(`${FLUSH_INTERVAL_MS_DEFAULT}ms`),
      batch_rows: z.int().min(BATCH_ROWS_MIN).max(BATCH_ROWS_MAX).default(BATCH_ROWS_DEFAULT),
    })
    .prefault({}),
  delivery: z
    .strictObject({
      journal: z.boolean().default(true),
      spool_bytes: byteCount({ min: SPOOL_BYTES_MIN, max: SPOOL_BYTES_LIMIT }).prefault('2GiB'),
      spool_age: durationMs({ minMs: 60_000, maxMs: 10 * 365 * 86_400_000 }).prefault('14d'),
      confirm: z.enum(['acknowledged', 'visible']).default('acknowledged'),
    })
    .prefault({}),
  jobs: z
    .strictObject({
      hpc_job_mapping_dir: nonEmptyText.optional(),
      journal_dir: nonEmptyText.optional(),
      gpustat_dir: nonEmptyText.optional(),
      device_map: deviceMap.optional(),
    })
    .prefault({}),
  retention: z
    .strictObject({ raw: ttl.prefault('14d'), rollup_1m: ttl.prefault('90d'), rollup_1h: ttl.prefault('3y') })
    .prefault({}),
  state_dir: nonEmptyText,
  log: z
    .strictObject({ format: z.enum(LOG_FORMATS).default('human'), level: z.enum(LOG_LEVELS).default('info') })
    .prefault({}),
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
  const lanes = readLanes(soundLanes(raw), readCounters);
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
export function knownKeys(path: ConfigPath): readonly string[] {
  let schema: z.core.$ZodType = fileSchema;
  for (const key of path) {
    schema = unwrap(schema);
    if (schema instanceof z.ZodArray) schema = schema.element;
    else if (schema instanceof z.ZodObject)
      schema = (schema.shape as Record<string, z.core.$ZodType>)[key] ?? schema;
  }
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
    ? unwrap(schema.unwrap())
    : schema;
}

function configOf(file: z.infer<typeof fileSchema>, lanes: readonly Lane[]): Config {
  const { questdb, flush, delivery, jobs, retention } = file;
  return {
    node: file.node,
    source: file.source,
    devices: file.devices,
    synthetic: file.synthetic,
    dcgm: { engine: file.dcgm.engine, route: file.dcgm.route, ...present({ library: file.dcgm.library }) },
    nvml: present({ library: file.nvml.library }),
    recording: present({ file: file.recording.file }),
    questdb: {
      clientConf: questdb.client_conf ?? DEFAULT_CLIENT_CONF,
      requestTimeoutMs: questdb.request_timeout,
      gzip: questdb.gzip,
    },
    lanes,
    flush: { intervalMs: flush.interval, batchRows: flush.batch_rows },
    delivery: {
      hasJournal: delivery.journal,
      spoolBytesMax: delivery.spool_bytes,
      spoolAgeMsMax: delivery.spool_age,
      confirm: delivery.confirm,
    },
    jobs: {
      ...present({
        hpcJobMappingDir: jobs.hpc_job_mapping_dir,
        journalDir: jobs.journal_dir,
        gpustatDir: jobs.gpustat_dir,
      }),
      ...(jobs.device_map === undefined ? {} : { deviceMap: jobs.device_map }),
    },
    retention: { raw: retention.raw, rollup1m: retention.rollup_1m, rollup1h: retention.rollup_1h },
    stateDir: file.state_dir,
    log: file.log,
  };
}

/** The entries that have a value: an absent option is absent, not undefined. */
function present<K extends string>(entries: Record<K, string | undefined>): { [key in K]?: string } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as {
    [key in K]?: string;
  };
}
