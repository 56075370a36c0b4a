import { Command, Option } from 'commander';
import type { LoadedConfig } from '../../config/config-file.ts';
import type { ConfigUse } from '../../config/reading/usual-files.ts';
import { CLIENT_FILE } from '../../config/settings.ts';
import type { ShownRow } from '../../config/shown-config.ts';
import { tableText } from '../../report/text/table-text.ts';
import { addConfigFlags, configFrom } from '../config-flags.ts';

const EXAMPLES = `
Examples:
  gpuledger config check --config gpuledger.yaml   is it right? all problems at once
  gpuledger config print                           every value and where it came from
  gpuledger config print --json --interval 100ms   what a flag would make of it
  gpuledger config print --reader                  what reports and queries read

Order: flag, environment (GPULEDGER_…, QDB_CLIENT_CONF), file, default. All keys: docs/configuration.md
Exit codes: 0 fine, 64 usage, 78 the configuration is wrong
`;

export function command(): Command {
  const check = new Command('check')
    .description('Say whether the configuration is right, and everything that is wrong with it.')
    .addOption(readerOption())
    .action(async (options: Record<string, unknown>) => {
      const loaded = await configFrom(options, useOf(options));
      const lanes = loaded.config.lanes.map(({ name }) => name).join(', ');
      warn(loaded);
      process.stdout.write(
        `${loaded.files.join(' and ') || 'no file, defaults'}: fine (lanes ${lanes}; source ${loaded.config.source})\n`,
      );
    });
  const print = new Command('print')
    .description('Print every value and where it came from; secrets are masked.')
    .option('--json', 'print JSON: key, value, origin')
    .addOption(readerOption())
    .action(async (options: Record<string, unknown>) => {
      const loaded = await configFrom(options, useOf(options));
      warn(loaded);
      const rows = loaded.shown();
      process.stdout.write(
        options['json'] === true ? `${JSON.stringify(rows, undefined, 2)}\n` : table(rows),
      );
    });
  return new Command('config')
    .description('Check or print the configuration.')
    .addCommand(addConfigFlags(check, 'config check'))
    .addCommand(addConfigFlags(print, 'config print'))
    .addHelpText('after', EXAMPLES);
}

function readerOption(): Option {
  return new Option('--reader', `of those who ask: ${CLIENT_FILE}, ~/.config/gpuledger/client.conf`);
}

function useOf({ reader }: Readonly<Record<string, unknown>>): ConfigUse {
  return reader === true ? 'reader' : 'service';
}

function table(rows: readonly ShownRow[]): string {
  const cells = rows.map(({ key, value, origin }) => [key, shownCell(value), origin]);
  return `${tableText([['key', 'value', 'from'], ...cells], 'left', '').join('\n')}\n`;
}

/** A list of fields would not fit a line: its length stands for it, and `--json` has it whole. */
function shownCell(value: ShownRow['value']): string {
  if (value === null) return '–';
  return typeof value === 'object' ? `${value.length} fields` : String(value);
}

function warn({ warnings }: LoadedConfig): void {
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
}
