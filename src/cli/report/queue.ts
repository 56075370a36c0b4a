import type { Command } from 'commander';
import { reportWindow, type WindowFlags } from '../../figures/asked/report-window.ts';
import { queueFigures } from '../../figures/queue/query.ts';
import { queueCsv, queueJson } from '../../report/queue/queue-json.ts';
import { renderQueueReport } from '../../report/queue/queue-text.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';
import { addCommonFlags, addWindowFlags, clusterArgument, type FormatFlags } from './flags.ts';

const EXAMPLES = `
Examples:
  gpuledger report queue                     the last seven days
  gpuledger report queue --since 30d --cluster b
  gpuledger report queue --from 2026-11-01 --to 2026-12-01 --json

It takes somebody who asks the scheduler: scheduler.poll in the configuration of one run of the cluster, or jobs sync by cron
(docs/polling.md). Times are UTC.
`;

interface QueueFlags extends FormatFlags, WindowFlags {
  readonly cluster?: string;
  readonly all?: true;
}

/** Adds `report queue`. */
export function addQueueCommand(report: Command): void {
  addCommonFlags(
    'report queue',
    addWindowFlags(report.command('queue'))
      .description('Who waited for GPUs, how long, and which GPUs nobody used meanwhile.')
      .option('--cluster <name>', 'only what is of this cluster', clusterArgument)
      .option('--all', 'every row of those who waited, however many there are'),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: QueueFlags) => {
      await reportQueue(flags);
    });
}

async function reportQueue({ cluster, all, ...flags }: QueueFlags): Promise<void> {
  const window = reportWindow(flags, Date.now() * 1000);
  const figures = await withStore(
    flags,
    async (db, { lanes, idle }) =>
      await queueFigures(db, lanes, {
        ...{ ...window, idleLimits: idle },
        ...(cluster === undefined ? {} : { cluster }),
      }),
  );
  if (flags.json) process.stdout.write(queueJson(figures));
  else if (flags.csv) process.stdout.write(queueCsv(figures));
  else process.stdout.write(renderQueueReport(figures, { ...terminalStyle(), isWhole: all === true }));
}
