import type { Command } from 'commander';
import { LANE_COUNTERS_KEY, LANE_INTERVAL_KEY } from '../../schemas/config/settings.ts';
import type { LoadedConfig } from '../config/config-file.ts';
import type { ConfigOverride } from '../config/config-layers.ts';

interface Flag {
  /** As commander reads it. */
  readonly flags: string;
  readonly help: string;
  /** Commander's name of the option. */
  readonly option: string;
  /** What it sets: a dotted key of the configuration. */
  readonly key: string;
}

const CONFIG_FLAGS: readonly Flag[] = [
  { flags: '--source <name>', option: 'source', key: 'source', help: 'dcgm, nvml, synthetic or recording' },
  {
    flags: '-r, --remote-engine <address>',
    option: 'remoteEngine',
    key: 'dcgm.engine',
    help: 'share a host engine: host[:port] or unix:///path (default: embedded)',
  },
  {
    flags: '--devices <selector>',
    option: 'devices',
    key: 'devices',
    help: 'f, g[:list], i[:list] or g:…+i:… (default: f, instances where there are any)',
  },
  { flags: '--dcgm-library <path>', option: 'dcgmLibrary', key: 'dcgm.library', help: 'where libdcgm is' },
  {
    flags: '--nvml-library <path>',
    option: 'nvmlLibrary',
    key: 'nvml.library',
    help: 'where libnvidia-ml is',
  },
  { flags: '--gpus <count>', option: 'gpus', key: 'synthetic.gpus', help: 'synthetic: GPUs of a node' },
  { flags: '--nodes <count>', option: 'nodes', key: 'synthetic.nodes', help: 'synthetic: nodes' },
  {
    flags: '--seed <number>',
    option: 'seed',
    key: 'synthetic.seed',
    help: 'synthetic: the same seed, the same figures',
  },
  {
    flags: '--interval <duration>',
    option: 'interval',
    key: LANE_INTERVAL_KEY,
    help: 'of the lane "profiling": 100ms, 1s',
  },
  {
    flags: '-f, --counters <file>',
    option: 'counters',
    key: LANE_COUNTERS_KEY,
    help: 'fields of the lane "profiling": a counters CSV of dcgm-exporter',
  },
  {
    flags: '--questdb-conf-file <file>',
    option: 'questdbConfFile',
    key: 'questdb.client_conf_file',
    help: 'file with the QuestDB client string (or QDB_CLIENT_CONF)',
  },
  {
    flags: '--hpc-job-mapping-dir <dir>',
    option: 'hpcJobMappingDir',
    key: 'jobs.hpc_job_mapping_dir',
    help: "dcgm-exporter's directory of job ids, one file a GPU",
  },
  { flags: '--log-format <format>', option: 'logFormat', key: 'log.format', help: 'human or json' },
  { flags: '--log-level <level>', option: 'logLevel', key: 'log.level', help: 'debug, info, warn or error' },
  { flags: '--state-dir <dir>', option: 'stateDir', key: 'state_dir', help: 'what must outlive the process' },
];

/** Adds `--config` and the flags that stand above environment and file. Passwords have no flag: argv is public. */
export function addConfigFlags(command: Command): Command {
  command.option(
    '--config <file>',
    'configuration (default: GPULEDGER_CONFIG, /etc/gpuledger/gpuledger.yaml)',
  );
  for (const { flags, help } of CONFIG_FLAGS) command.option(flags, help);
  return command;
}

/** What the flags of `addConfigFlags` say. @param options commander's parsed options */
export function overridesFrom(options: Readonly<Record<string, unknown>>): ConfigOverride[] {
  return CONFIG_FLAGS.flatMap(({ flags, option, key }) => {
    const value = options[option];
    const origin = /--[a-z-]+/.exec(flags)?.[0] ?? flags;
    return typeof value === 'string' ? [{ key, value, origin }] : [];
  });
}

/**
 * The configuration of a command that `addConfigFlags` prepared.
 * @throws OperatingError `config.invalid`, `config.unreadable` (exit 78)
 */
export async function configFrom(options: Readonly<Record<string, unknown>>): Promise<LoadedConfig> {
  const file = options['config'];
  // Loaded only now: whatever a command starts first need not wait for it.
  const { loadConfig } = await import('../config/config-file.ts');
  return await loadConfig({
    file: typeof file === 'string' ? file : undefined,
    env: process.env,
    flags: overridesFrom(options),
  });
}
