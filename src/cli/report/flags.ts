import { InvalidArgumentError, Option, type Command } from 'commander';
import { readMonth, type Month } from '../../core/calendar/month.ts';
import { asClusterName } from '../../core/devices/cluster-name.ts';
import { addConfigFlags } from '../config-flags.ts';

/** As what a report is printed. */
export interface FormatFlags {
  readonly json?: true;
  readonly csv?: true;
}

/** Which time a report is about. */
export function addWindowFlags(command: Command): Command {
  return command
    .option('--since <duration>', 'how far to look back: 12h, 7d, 4w (default: 7d)')
    .option('--from <time>', 'ISO date or time, UTC')
    .option('--to <time>', 'ISO date or time, UTC (default: now)');
}

/** Of reports that are data, too. @param name as that of `addConfigFlags` @param csv what `--csv` prints */
export function addCommonFlags(
  name: Parameters<typeof addConfigFlags>[1],
  command: Command,
  csv = 'one row per GPU, task, job, group or week, base units',
): Command {
  return addConfigFlags(
    command
      .addOption(
        new Option('--json', 'all figures in base units, times in epoch microseconds').conflicts('csv'),
      )
      .option('--csv', csv),
    name,
  );
}

/** Whatever somebody may be called. */
export function wordArgument(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('expected a name, came nothing');
  return text;
}

export function clusterArgument(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('expected the name of a cluster, came nothing');
  return asClusterName(text);
}

export function monthArgument(text: string): Month {
  const month = readMonth(text);
  if (month === undefined)
    throw new InvalidArgumentError('expected a month from 1970-01 on, such as 2026-10');
  return month;
}
