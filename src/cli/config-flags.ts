import { Option, type Command } from 'commander';
import type { ConfigUse } from '../config/reading/usual-files.ts';
import {
  ALL_SETTINGS,
  CLIENT_FILE,
  DEFAULT_CONFIG_FILE,
  FLAGGED_LANE,
  type Setting,
} from '../config/settings.ts';
import type { LoadedConfig } from '../config/config-file.ts';
import type { ConfigOverride } from '../config/config-layers.ts';

const EVERY_KEY = ALL_SETTINGS.map(({ key }) => key);
/** The web server is a command of its own. */
const ALL_BUT_SERVE = EVERY_KEY.filter((key) => !key.startsWith('serve.'));
/** What ends by itself serves nobody. */
const OF_COLLECT = ALL_BUT_SERVE.filter((key) => !key.startsWith('metrics.'));
/** What it takes to look at devices. */
const DEVICES = ['source', 'devices', 'synthetic', 'dcgm', 'nvml'];

/**
 * What each command reads, by key or section: it offers the flags of these and no others. File and environment may hold
 * every key for everybody. Reports and what is told of jobs find their lanes in the file: a flag would only hide columns that are stored.
 */
const KEYS_OF_COMMANDS = {
  run: ALL_BUT_SERVE,
  collect: OF_COLLECT,
  // Engine, counters and addresses have flags of their own there, as dcgm-exporter spells them.
  exporter: [
    'source',
    'devices',
    'synthetic',
    'recording',
    'dcgm.library',
    'nvml',
    'questdb',
    'jobs',
    'state_dir',
    'metrics.compat',
    'metrics.job_shares',
    'metrics.jobstats',
    'log',
  ],
  drain: ['devices', 'dcgm', 'questdb', 'lanes', 'jobs', 'log'],
  status: ['state_dir'],
  doctor: [],
  'spool status': ['state_dir'],
  'spool replay': ['questdb', 'state_dir', 'log'],
  'spool drop': ['questdb', 'state_dir', 'log'],
  'report job': ['questdb'],
  'report jobs': ['questdb'],
  'report user': ['questdb'],
  'report capacity': ['questdb'],
  'report forecast': ['questdb'],
  'report bill': ['questdb'],
  'report reliability': ['questdb'],
  'report queue': ['questdb'],
  'report right-size': ['questdb'],
  serve: ['serve', 'questdb', 'log'],
  'watch-idle': ['questdb', 'state_dir', 'log'],
  digest: ['questdb'],
  'query show': [],
  'query run': ['questdb'],
  'jobs push': ['questdb', 'log'],
  'jobs sync': ['questdb', 'log'],
  devices: DEVICES,
  dmon: [...DEVICES, 'state_dir'],
  'profiling pause': ['dcgm', 'state_dir'],
  'profiling resume': ['dcgm', 'state_dir'],
  'profiling status': ['state_dir'],
  'config check': EVERY_KEY,
  'config print': EVERY_KEY,
  'schema print': ['lanes'],
  'schema apply': ['questdb', 'lanes'],
  'schema name-rows': ['questdb', 'lanes'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** A command that reads the configuration, as people call it. */
export type ConfiguredCommand = keyof typeof KEYS_OF_COMMANDS;

export const CONFIGURED_COMMANDS = Object.keys(KEYS_OF_COMMANDS) as readonly ConfiguredCommand[];

/** Commands of people who ask what was collected: they read the files of readers. */
function isOfReaders(name: ConfiguredCommand): boolean {
  return name.startsWith('report ') || name.startsWith('query ') || name === 'watch-idle';
}

/** The settings that a command reads and that have a flag. */
export function flaggedSettings(name: ConfiguredCommand): readonly Setting[] {
  const keys: readonly string[] = KEYS_OF_COMMANDS[name];
  return ALL_SETTINGS.filter(
    ({ key, flag }) =>
      flag !== undefined && keys.some((known) => key === known || key.startsWith(`${known}.`)),
  );
}

/** Adds `--config` and those flags that mean something to the command. Passwords have no flag: argv is public. */
export function addConfigFlags(command: Command, name: ConfiguredCommand): Command {
  const usual = isOfReaders(name) ? CLIENT_FILE : DEFAULT_CONFIG_FILE;
  command.option('--config <file>', `configuration (default: GPULEDGER_CONFIG, ${usual})`);
  for (const setting of flaggedSettings(name)) command.addOption(optionOf(setting));
  return command.configureOutput({
    outputError: (text, write) => {
      write(text + strangerHint(text, command));
    },
  });
}

function optionOf({ flag = '', doc, key }: Setting): Option {
  const about = key.startsWith('lanes.') ? ` (lane "${FLAGGED_LANE}")` : '';
  return new Option(flag, doc.replaceAll('`', '') + about);
}

/** Says which commands know a flag that another one was given, and that this one knows it without a value. */
function strangerHint(text: string, { options }: Command): string {
  const [, flag, written] = /unknown option '(--?[a-z-]+)(=)?/.exec(text) ?? [];
  if (written !== undefined && options.some(({ long }) => long === flag))
    return `  ${flag!} takes no value\n`;
  const knows = (setting: Setting): boolean => setting.flag?.split(/[ ,]+/).includes(flag ?? '') === true;
  const commands = CONFIGURED_COMMANDS.filter((name) => flaggedSettings(name).some(knows));
  return commands.length === 0 ? '' : `  ${flag ?? ''} is a flag of ${commands.join(', ')}\n`;
}

/** What the flags of `addConfigFlags` say. @param options commander's parsed options */
export function overridesFrom(options: Readonly<Record<string, unknown>>): ConfigOverride[] {
  return ALL_SETTINGS.filter(({ flag }) => flag !== undefined).flatMap((setting) => {
    const option = optionOf(setting);
    const told = options[option.attributeName()];
    const value = told === true ? 'true' : told;
    return typeof value === 'string' ? [{ key: setting.key, value, origin: option.long ?? '' }] : [];
  });
}

/**
 * The configuration of a command that `addConfigFlags` prepared.
 * @param use whose files are read where none is named
 * @throws OperatingError `config.invalid`, `config.unreadable` (exit 78)
 */
export async function configFrom(
  options: Readonly<Record<string, unknown>>,
  use: ConfigUse = 'service',
): Promise<LoadedConfig> {
  const file = options['config'];
  // Loaded only now: whatever a command starts first need not wait for it.
  const { loadConfig } = await import('../config/config-file.ts');
  return await loadConfig({
    file: typeof file === 'string' ? file : undefined,
    use,
    env: process.env,
    flags: overridesFrom(options),
  });
}
