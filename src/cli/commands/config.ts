import { Command } from 'commander';
import type { Config } from '../../../schemas/config/config.ts';
import { formatDuration } from '../../../schemas/duration.ts';
import { maskClientConf } from '../../../schemas/mask-client-conf.ts';
import type { LoadedConfig } from '../../config/config-file.ts';
import { alignedLines } from '../../report/text/aligned.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';

const EXAMPLES = `
Examples:
  gpuledger config check --config gpuledger.yaml   is it right? all problems at once
  gpuledger config print                           every value and where it came from
  gpuledger config print --json --interval 100ms   what a flag would make of it

Order: flag, environment (GPULEDGER_…, QDB_CLIENT_CONF), file, default. All keys: docs/configuration.md
Exit codes: 0 fine, 64 usage, 78 the configuration is wrong
`;

/** A value as the file would have it, or null where there is none. */
type ShownValue = string | number | boolean | readonly string[] | null;

export function command(): Command {
  const check = new Command('check')
    .description('Say whether the configuration is right, and everything that is wrong with it.')
    .action(async (options: Record<string, unknown>) => {
      const loaded = await configFrom(options);
      const lanes = loaded.config.lanes.map(({ name }) => name).join(', ');
      warn(loaded);
      process.stdout.write(
        `${loaded.file ?? 'no file, defaults'}: fine (lanes ${lanes}; source ${loaded.config.source})\n`,
      );
    });
  const print = new Command('print')
    .description('Print every value and where it came from; secrets are masked.')
    .option('--json', 'print JSON: key, value, origin')
    .action(async (options: Record<string, unknown>) => {
      const loaded = await configFrom(options);
      warn(loaded);
      const rows = shownConfig(loaded);
      process.stdout.write(
        options['json'] === true ? `${JSON.stringify(rows, undefined, 2)}\n` : table(rows),
      );
    });
  return new Command('config')
    .description('Check or print the configuration.')
    .addCommand(addConfigFlags(check))
    .addCommand(addConfigFlags(print))
    .addHelpText('after', EXAMPLES);
}

interface ShownRow {
  readonly key: string;
  readonly value: ShownValue;
  readonly origin: string;
}

function shownConfig({ config, origins }: LoadedConfig): ShownRow[] {
  const values = new Map<string, ShownValue>([...settingValues(config), ...laneValues(config)]);
  values.set('questdb.client_conf', maskClientConf(config.questdb.clientConf));
  return [...values].map(([key, value]) => ({ key, value, origin: originOf(origins, key) }));
}

/** The string has the origin of the file that it came from. */
function originOf(origins: ReadonlyMap<string, string>, key: string): string {
  const origin = origins.get(key) ?? 'default';
  if (key !== 'questdb.client_conf' || origin !== 'default') return origin;
  return origins.get('questdb.client_conf_file') ?? origin;
}

function settingValues(config: Config): [string, ShownValue][] {
  const { synthetic, dcgm, questdb, flush, delivery, jobs, retention, log } = config;
  return [
    ['node', config.node],
    ['source', config.source],
    ['synthetic.nodes', synthetic.nodes],
    ['synthetic.gpus', synthetic.gpus],
    ['synthetic.seed', synthetic.seed],
    ['synthetic.mig', synthetic.mig],
    ['dcgm.library', dcgm.library ?? null],
    ['dcgm.engine', dcgm.engine],
    ['nvml.library', config.nvml.library ?? null],
    ['recording.file', config.recording.file ?? null],
    ['questdb.client_conf', null],
    ['questdb.request_timeout', formatDuration(questdb.requestTimeoutMs)],
    ['questdb.gzip', questdb.gzip],
    ['flush.interval', formatDuration(flush.intervalMs)],
    ['flush.batch_rows', flush.batchRows],
    ['delivery.journal', delivery.hasJournal],
    ['delivery.spool_bytes', `${delivery.spoolBytesMax}B`],
    ['delivery.spool_age', formatDuration(delivery.spoolAgeMsMax)],
    ['delivery.confirm', delivery.confirm],
    ['jobs.hpc_job_mapping_dir', jobs.hpcJobMappingDir ?? null],
    ['jobs.journal_dir', jobs.journalDir ?? null],
    ['jobs.gpustat_dir', jobs.gpustatDir ?? null],
    ['jobs.device_map', mapText(jobs.deviceMap)],
    ['retention.raw', shownTtl(retention.raw)],
    ['retention.rollup_1m', shownTtl(retention.rollup1m)],
    ['retention.rollup_1h', shownTtl(retention.rollup1h)],
    ['state_dir', config.stateDir],
    ['log.format', log.format],
    ['log.level', log.level],
  ];
}

function laneValues(config: Config): [string, ShownValue][] {
  return config.lanes.flatMap((lane): [string, ShownValue][] => [
    lane.schedule === 'continuous'
      ? [`lanes.${lane.name}.interval`, formatDuration(lane.intervalMs)]
      : [`lanes.${lane.name}.schedule`, lane.schedule],
    [`lanes.${lane.name}.table`, lane.table],
    [`lanes.${lane.name}.capacity`, lane.capacityTicks],
    [`lanes.${lane.name}.fields`, lane.fields.map(({ column }) => column)],
  ]);
}

/** `14 DAYS` → `14d`. */
function shownTtl(ttl: string): string {
  const [count = '', unit = ''] = ttl.split(' ');
  const letters: Readonly<Record<string, string>> = { DAYS: 'd', WEEKS: 'w', MONTHS: 'M', YEARS: 'y' };
  return ttl === '' ? 'forever' : `${count}${letters[unit] ?? ` ${unit}`}`;
}

function table(rows: readonly ShownRow[]): string {
  const cells = rows.map(({ key, value, origin }) => [key, shownCell(value), origin]);
  return `${alignedLines([['key', 'value', 'from'], ...cells]).join('\n')}\n`;
}

/** A list of fields would not fit a line: its length stands for it, and `--json` has it whole. */
function shownCell(value: ShownValue): string {
  if (value === null) return '–';
  return typeof value === 'object' ? `${value.length} fields` : String(value);
}

function warn({ warnings }: LoadedConfig): void {
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}

/** As it is written in the file. */
function mapText(map: ReadonlyMap<number, string> | undefined): string | null {
  return map === undefined ? null : [...map].map(([position, uuid]) => `${position}=${uuid}`).join(', ');
}
