import type { Command } from 'commander';
import { lookingBack, LOOKS_BACK } from '../../figures/asked/planning.ts';
import { reportWindow, type WindowFlags } from '../../figures/asked/report-window.ts';
import { reliabilityFigures } from '../../figures/reliability/query.ts';
import { reliabilityCsv, reliabilityJson } from '../../report/reliability/reliability-json.ts';
import { renderReliabilityReport } from '../../report/reliability/reliability-text.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';
import { addCommonFlags, clusterArgument, type FormatFlags } from './flags.ts';

const EXAMPLES = `
Examples:
  gpuledger report reliability                         the last 90 days
  gpuledger report reliability --cluster b --since 52w
  gpuledger report reliability --from 2026-01-01 --to 2026-07-01 --json

Times are UTC.
`;

interface ReliabilityFlags extends FormatFlags, WindowFlags {
  readonly cluster?: string;
}

/** Adds `report reliability`. */
export function addReliabilityCommand(report: Command): void {
  addCommonFlags(
    'report reliability',
    report
      .command('reliability')
      .description(
        'How often GPUs and nodes fail, which nodes fail more often than others, and what it cost.',
      )
      .option('--since <duration>', `how far to look back: 12h, 7d, 4w (default: ${LOOKS_BACK.reliability})`)
      .option('--from <time>', 'ISO date or time, UTC')
      .option('--to <time>', 'ISO date or time, UTC (default: now)')
      .option('--cluster <name>', 'only what is of this cluster', clusterArgument),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: ReliabilityFlags) => {
      await reportReliability(flags);
    });
}

async function reportReliability({ cluster, ...flags }: ReliabilityFlags): Promise<void> {
  const window = reportWindow(lookingBack(flags, LOOKS_BACK.reliability), Date.now() * 1000);
  const asked = { ...window, ...(cluster === undefined ? {} : { cluster }) };
  const figures = await withStore(flags, async (db, { lanes }) => await reliabilityFigures(db, lanes, asked));
  if (flags.json) process.stdout.write(reliabilityJson(figures));
  else if (flags.csv) process.stdout.write(reliabilityCsv(figures));
  else process.stdout.write(renderReliabilityReport(figures, terminalStyle()));
}
