import type * as z from 'zod';
import { formatDuration } from '../../schemas/duration.ts';
import {
  BATCH_ROWS_MAX,
  BATCH_ROWS_MIN,
  FLUSH_INTERVAL_MS_MAX,
  FLUSH_INTERVAL_MS_MIN,
  IDLE_AFTER_MS_DEFAULT,
  IDLE_AFTER_MS_MAX,
  IDLE_AFTER_MS_MIN,
  IDLE_REMIND_MS_MAX,
  IDLE_REMIND_MS_MIN,
  LANE_FIELDS_MAX,
  LANE_INTERVAL_MS_MAX,
  LANE_INTERVAL_MS_MIN,
  LANE_NAME_LENGTH_MAX,
  REQUEST_TIMEOUT_MS_MAX,
  REQUEST_TIMEOUT_MS_MIN,
  RING_CAPACITY_TICKS_MAX,
  RING_CAPACITY_TICKS_MIN,
  SYNTHETIC_GPUS_MAX,
  SYNTHETIC_NODES_MAX,
} from '../core/fields/limits.ts';
import { IDLE_LIMITS } from '../core/fields/idle-limits.ts';
import { IDLE_SM_RATIO } from '../core/fields/well-known.ts';
import { COST_KEYS } from './keys/cost-keys.ts';
import { DIGEST_KEYS } from './keys/digest-keys.ts';
import { FINDING_KEYS } from './keys/finding-keys.ts';
import { HOST_KEYS } from './keys/host-keys.ts';
import { METRICS_KEYS } from './keys/metrics-keys.ts';
import { SCHEDULER_KEYS } from './keys/scheduler-keys.ts';
import { SERVE_KEYS } from './keys/serve-keys.ts';
import type * as values from './values.ts';

/**
 * Everything that is known of a key of the configuration. Schema, layers, `config print`, flags, the tables of
 * `docs/configuration.md` and `infra/gpuledger.example.yaml` are made of it.
 */
export interface Key {
  /** The type with its bounds and its default. A function, so that whoever only shows flags need not load zod. */
  readonly type: (is: typeof values) => z.ZodType;
  /** One line for people; what is written stands in backticks. */
  readonly doc: string;
  /** Name in the code, where it is not the key in camel case: it says the unit. */
  readonly as?: string;
  /** What holds where nothing is written and the type has no default. */
  readonly unset?: string;
  /** For a key without a default: what could be written. */
  readonly example?: string | number;
  /** As commander reads it. Secrets have none: everybody on the machine can read a command line. */
  readonly flag?: string;
  /** Environment variable, where it is not `GPULEDGER_` and the key. */
  readonly variable?: string;
  /** The key beside it that says the same in another way: the higher layer's way wins. */
  readonly replaces?: string;
  /** The value may hold a password or a token, and is shown without them. */
  readonly secretIn?: 'client_conf' | 'url';
}

/** Keys below a common one. */
export interface Section {
  readonly about: string;
  readonly keys: Readonly<Record<string, Key>>;
}

/** In the order of the documentation, of the example and of `config print`. */
export const KEYS = {
  node: {
    type: (is) => is.text,
    doc: 'name of this node in every row',
    unset: 'host name up to its first dot',
    example: 'n1',
  },
  cluster: {
    type: (is) => is.clusterName.exactOptional(),
    doc: 'name of the cluster in every row, so that node n1 of two clusters are two nodes; in lower case, as Slurm has it',
    unset: "Slurm's ClusterName where its jobs are read, else none",
    example: 'alpha',
  },
  time_zone: {
    type: (is) => is.timeZone.default('UTC'),
    doc: 'in which months of bills and of `report capacity --by month` begin and end, as the tz database names it, such as `Europe/Berlin`',
  },
  source: {
    type: (is) => is.oneOf(['dcgm', 'nvml', 'synthetic', 'recording']).default('dcgm'),
    doc: 'where samples come from: `dcgm`, `nvml`, `synthetic` or `recording`',
    flag: '--source <name>',
  },
  devices: {
    type: (is) => is.deviceSelector.default('f'),
    doc: 'which devices of the node: `f` (MIG instances where there are any, else the GPU), `g[:list]`, `i[:list]` or `g:…+i:…`; beside instances their GPU is sampled too',
    flag: '--devices <selector>',
  },
  synthetic: {
    about: 'GPUs that are made up, for trying things out',
    keys: {
      nodes: {
        type: (is) => is.whole({ min: 1, max: SYNTHETIC_NODES_MAX }).default(1),
        doc: 'nodes that are made up',
        flag: '--nodes <count>',
      },
      gpus: {
        type: (is) => is.whole({ min: 1, max: SYNTHETIC_GPUS_MAX }).default(8),
        doc: 'GPUs of each node that is made up',
        flag: '--gpus <count>',
      },
      seed: {
        type: (is) => is.whole().default(1),
        doc: 'the same seed makes up the same figures',
        flag: '--seed <n>',
      },
      mig: { type: (is) => is.truth.default(false), doc: 'cut every GPU into MIG instances' },
    },
  },
  dcgm: {
    about: 'for source dcgm',
    keys: {
      library: {
        type: (is) => is.path.exactOptional(),
        doc: 'path of libdcgm',
        unset: 'found by itself',
        example: '/opt/dcgm/libdcgm.so.4',
        flag: '--dcgm-library <path>',
      },
      engine: {
        type: (is) => is.engine.default('embedded'),
        doc: 'host engine to share: `host[:port]` or `unix:///path`; `embedded` is one of our own',
        flag: '-r, --remote-engine <address>',
      },
      route: {
        type: (is) => is.oneOf(['auto', 'poll', 'pull']).default('auto'),
        doc: 'how a host engine is read: `poll` (newest values at 0.85 of the interval), `pull` (everything kept, once a flush), or `auto` (the cheaper of both without loss)',
      },
    },
  },
  nvml: {
    about: 'for source nvml',
    keys: {
      library: {
        type: (is) => is.path.exactOptional(),
        doc: 'path of libnvidia-ml',
        unset: 'found by itself',
        example: '/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1',
        flag: '--nvml-library <path>',
      },
    },
  },
  recording: {
    about: 'for source recording',
    keys: {
      file: {
        type: (is) => is.path.exactOptional(),
        doc: 'recording to play; needed for source `recording`',
        example: 'trace.jsonl',
      },
    },
  },
  questdb: {
    about: 'where rows are written',
    keys: {
      client_conf: {
        type: (is) => is.text.default('http::addr=127.0.0.1:9000;'),
        doc: 'configuration string of the official client',
        variable: 'QDB_CLIENT_CONF',
        replaces: 'client_conf_file',
        secretIn: 'client_conf',
      },
      client_conf_file: {
        type: (is) => is.path.exactOptional(),
        doc: 'file that holds the QuestDB client string instead, for passwords and tokens',
        example: 'questdb.conf',
        flag: '--questdb-conf-file <file>',
        replaces: 'client_conf',
      },
      request_timeout: {
        type: (is) =>
          is.durationMs({ minMs: REQUEST_TIMEOUT_MS_MIN, maxMs: REQUEST_TIMEOUT_MS_MAX }).prefault('30s'),
        doc: 'how long one request may take',
        as: 'requestTimeoutMs',
      },
      gzip: { type: (is) => is.truth.default(false), doc: 'compress what is sent: for slow links' },
    },
  },
  flush: {
    about: 'writing, with a random offset so that a cluster does not write in step',
    keys: {
      interval: {
        type: (is) =>
          is
            .durationMs({
              minMs: FLUSH_INTERVAL_MS_MIN,
              maxMs: FLUSH_INTERVAL_MS_MAX,
              whyMin: 'more requests than that are of no use to anybody',
            })
            .prefault('5s'),
        doc: 'time between two writes',
        as: 'intervalMs',
      },
      batch_rows: {
        type: (is) => is.whole({ min: BATCH_ROWS_MIN, max: BATCH_ROWS_MAX }).default(10_000),
        doc: 'rows of one request',
      },
    },
  },
  delivery: {
    about: 'what becomes of rows that QuestDB does not take: docs/delivery.md',
    keys: {
      journal: {
        type: (is) => is.truth.default(true),
        doc: 'write every tick to disk too, so that it survives a kill (`docs/delivery.md`)',
        as: 'hasJournal',
      },
      spool_bytes: {
        // One segment at least. 2GiB are a week of 8 GPUs at 100 ms, ten weeks at 1 s.
        type: (is) => is.byteCount({ min: '16MiB', max: '16TiB' }).prefault('2GiB'),
        doc: 'most that the spool of one lane may take',
        as: 'spoolBytesMax',
      },
      spool_age: {
        type: (is) => is.durationMs({ minMs: 60_000, maxMs: 10 * 365 * 86_400_000 }).prefault('14d'),
        doc: 'how long the spool keeps rows',
        as: 'spoolAgeMsMax',
      },
      confirm: {
        type: (is) => is.oneOf(['acknowledged', 'visible']).default('acknowledged'),
        doc: "when rows count as written: `acknowledged` (in QuestDB's log) or `visible` (seen by queries)",
      },
    },
  },
  jobs: {
    about: 'who tells whose GPU it was',
    keys: {
      hpc_job_mapping_dir: {
        type: (is) => is.path.exactOptional(),
        doc: 'directory with one file of job ids a GPU, as dcgm-exporter reads it',
        example: '/var/lib/dcgm-exporter/job-mapping',
        flag: '--hpc-job-mapping-dir <dir>',
      },
      journal_dir: {
        type: (is) => is.path.exactOptional(),
        doc: 'directory in which the Slurm hooks and `gpuledger job` leave their records',
        unset: '`/run/gpuledger/jobs`, if no other one is named and the GPUs are real',
        example: '/run/gpuledger/jobs',
      },
      gpustat_dir: {
        type: (is) => is.path.exactOptional(),
        doc: '`/run/gpustat` of jobstats: one file with `jobid uid` a GPU',
        example: '/run/gpustat',
      },
      device_map: {
        type: (is) => is.deviceMap.exactOptional(),
        doc: "which device the scheduler's GPU 0, 1, … is, where gres.conf does not tell: `0=GPU-…, 1=GPU-…` (`docs/ownership.md`)",
        example: '0=GPU-8c2d…, 1=GPU-77aa…',
      },
    },
  },
  host: HOST_KEYS,
  scheduler: SCHEDULER_KEYS,
  retention: {
    about: 'how long rows are kept',
    keys: {
      raw: {
        type: (is) => is.ttl.prefault('14d'),
        doc: 'how long samples are kept: whole days, weeks, months or years (`14d`, `8w`, `6M`, `3y`) or `forever`',
      },
      rollup_1m: { type: (is) => is.ttl.prefault('90d'), doc: 'how long one-minute rollups are kept' },
      rollup_1h: { type: (is) => is.ttl.prefault('3y'), doc: 'how long one-hour rollups are kept' },
      rollup_1d: { type: (is) => is.ttl.prefault('forever'), doc: 'how long one-day rollups are kept' },
    },
  },
  idle: {
    about: 'which GPUs reports call idle',
    keys: {
      sm_ratio: {
        type: (is) => is.idleLimit.prefault(IDLE_SM_RATIO),
        doc: `a GPU is idle while its SM activity is below this: ${IDLE_LIMITS.join(', ')}`,
      },
      models: {
        type: (is) => is.modelIdleLimits.exactOptional(),
        doc: 'other limits of some models, by the beginning of their names, the longest counts: text of pairs (no map), as `NVIDIA A100=0.1, NVIDIA A30=0.02`',
        example: 'NVIDIA A100=0.1, NVIDIA A30=0.02',
      },
    },
  },
  costs: COST_KEYS,
  idle_watch: {
    about: 'telling of running jobs whose GPUs idle: docs/idle-watch.md',
    keys: {
      warn_after: {
        type: (is) => is.durationMs({ minMs: IDLE_AFTER_MS_MIN, maxMs: IDLE_AFTER_MS_MAX }).exactOptional(),
        doc: 'tell of a job once all its GPUs have been idle for so long; `run` tells where this, a webhook or a command is written',
        as: 'warnAfterMs',
        unset: `\`${formatDuration(IDLE_AFTER_MS_DEFAULT)}\``,
        example: formatDuration(IDLE_AFTER_MS_DEFAULT),
      },
      remind_every: {
        type: (is) => is.durationMs({ minMs: IDLE_REMIND_MS_MIN, maxMs: IDLE_REMIND_MS_MAX }).prefault('1h'),
        doc: 'tell of it again as often as it has idled for so long since',
        as: 'remindEveryMs',
      },
      webhook: {
        type: (is) => is.webhookUrl.exactOptional(),
        doc: 'URL that gets each message as JSON (`docs/idle-watch.md`): `https`, or `http` to this machine; its path is shown to nobody',
        unset: 'none',
        example: 'https://chat.example.org/hooks/gpuledger',
        secretIn: 'url',
      },
      webhook_token_file: {
        type: (is) => is.path.exactOptional(),
        doc: 'file that holds the token which the webhook asks for (`Authorization: Bearer …`), read at each message',
        unset: 'none',
        example: '/etc/gpuledger/webhook-token',
      },
      command: {
        type: (is) => is.commandWords.exactOptional(),
        doc: 'program and its arguments, run without a shell for each message, which is on its stdin: `["/usr/bin/mail", "-s", "idle GPUs", "root"]`',
        unset: 'none',
        example: '["/usr/local/bin/tell-idle"]',
      },
    },
  },
  digest: DIGEST_KEYS,
  findings: FINDING_KEYS,
  metrics: METRICS_KEYS,
  serve: SERVE_KEYS,
  state_dir: {
    type: (is) => is.path,
    doc: 'directory of what must outlive the process',
    unset: '`/var/lib/gpuledger` of the service, else one of your own (docs/delivery.md)',
    example: '/var/lib/gpuledger',
    flag: '--state-dir <dir>',
  },
  log: {
    about: 'what is said on stderr',
    keys: {
      format: {
        type: (is) => is.oneOf(['human', 'json']).default('human'),
        doc: '`human`, or `json`: one line of JSON per event',
        flag: '--log-format <format>',
      },
      level: {
        type: (is) => is.oneOf(['debug', 'info', 'warn', 'error']).default('info'),
        doc: 'the least that is said: `debug`, `info`, `warn` or `error`',
        flag: '--log-level <level>',
      },
    },
  },
} as const satisfies Readonly<Record<string, Key | Section>>;

/** Keys of one lane. Its flags are about the lane `FLAGGED_LANE`. */
export const LANE_KEYS = {
  name: {
    type: (is) => is.tableWord(LANE_NAME_LENGTH_MAX),
    doc: `needed: lower-case letters, digits and underscores, at most ${LANE_NAME_LENGTH_MAX}`,
  },
  interval: {
    type: (is) =>
      is
        .durationMs({
          minMs: LANE_INTERVAL_MS_MIN,
          maxMs: LANE_INTERVAL_MS_MAX,
          whyMin:
            "no driver value is fresher than that, and the spacing of the ticks would be the scheduler's",
        })
        .exactOptional(),
    doc: 'sample continuously this often: at least `100ms` with profiling fields (the floor of the hardware), `10ms` without',
    flag: '--interval <duration>',
    variable: 'GPULEDGER_INTERVAL',
    replaces: 'schedule',
  },
  schedule: {
    type: (is) => is.schedule.exactOptional(),
    doc: 'or a cron line with six fields: second minute hour day month weekday',
    unset: '`continuous`',
  },
  fields: {
    type: (is) => is.fieldNames(LANE_FIELDS_MAX).exactOptional(),
    doc: `names, ids or columns, at most ${LANE_FIELDS_MAX}: see \`gpuledger fields\` and \`docs/fields.md\``,
  },
  fields_file: {
    type: (is) => is.path.exactOptional(),
    doc: 'the fields as a counters CSV of dcgm-exporter instead',
    flag: '-f, --counters <file>',
    variable: 'GPULEDGER_COUNTERS',
    replaces: 'fields',
  },
  capacity: {
    type: (is) => is.whole({ min: RING_CAPACITY_TICKS_MIN, max: RING_CAPACITY_TICKS_MAX }).exactOptional(),
    doc: 'ticks that the memory holds while the store does not answer',
    unset: 'ten minutes, at least 600',
  },
  table: {
    type: (is) => is.tableWord(LANE_NAME_LENGTH_MAX + 'gpu_'.length).exactOptional(),
    doc: 'table of the samples',
    unset: '`gpu_<name>`',
  },
} as const satisfies Readonly<Record<string, Key>>;
