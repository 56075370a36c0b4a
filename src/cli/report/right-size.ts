import { InvalidArgumentError, Option, type Command } from 'commander';
import { lookingBack, LOOKS_BACK, readWhatIf } from '../../figures/asked/planning.ts';
import { reportWindow, type WindowFlags } from '../../figures/asked/report-window.ts';
import { rightSizeFigures } from '../../figures/right-size/query.ts';
import type { WhatIfQuestion } from '../../figures/right-size/what-if.ts';
import { rightSizeCsv, rightSizeJson } from '../../report/right-size/right-size-data.ts';
import { renderRightSize } from '../../report/right-size/right-size-text.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';
import { addCommonFlags, clusterArgument, type FormatFlags } from './flags.ts';

const EXAMPLES = `
Examples:
  gpuledger report right-size                                    the last four weeks
  gpuledger report right-size --since 8w --cluster b
  gpuledger report right-size --what-if mig=1g.24gb:4            every GPU that can be is cut into four of these for whom they would do
  gpuledger report right-size --what-if idle-limit=30m           jobs that idle for half an hour are ended

Times are UTC. What a size is, and what is known of it: docs/right-size.md.
`;

interface RightSizeFlags extends FormatFlags, WindowFlags {
  readonly cluster?: string;
  readonly whatIf: readonly WhatIfQuestion[];
}

/** Adds `report right-size`. */
export function addRightSizeCommand(report: Command): void {
  addCommonFlags(
    'report right-size',
    report
      .command('right-size')
      .description('Which smaller parts of GPUs would have done for whom, and what that would have freed.')
      .option('--since <duration>', `how far to look back: 12h, 7d, 4w (default: ${LOOKS_BACK.rightSize})`)
      .option('--from <time>', 'ISO date or time, UTC')
      .option('--to <time>', 'ISO date or time, UTC (default: now)')
      .option('--cluster <name>', 'only what is of this cluster', clusterArgument)
      .addOption(whatIfOption()),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: RightSizeFlags) => {
      await reportRightSize(flags);
    });
}

/** What is to be answered beside a report; nothing when absent. */
export function whatIfOption(): Option {
  return new Option(
    '--what-if <change>',
    'replay the window with mig=PROFILE:COUNT or idle-limit=DURATION; several',
  )
    .argParser((text, former: readonly WhatIfQuestion[]) => [...former, whatIfArgument(text)])
    .default([], 'nothing');
}

function whatIfArgument(text: string): WhatIfQuestion {
  const question = readWhatIf(text);
  if ('why' in question) throw new InvalidArgumentError(question.why);
  return question;
}

async function reportRightSize({ cluster, whatIf, ...flags }: RightSizeFlags): Promise<void> {
  const nowUs = Date.now() * 1000;
  const window = reportWindow(lookingBack(flags, LOOKS_BACK.rightSize), nowUs);
  const asked = { ...window, nowUs, whatIfs: whatIf, ...(cluster === undefined ? {} : { cluster }) };
  const figures = await withStore(flags, async (db, { lanes }) => await rightSizeFigures(db, lanes, asked));
  if (flags.json) process.stdout.write(rightSizeJson(figures));
  else if (flags.csv) process.stdout.write(rightSizeCsv(figures));
  else process.stdout.write(renderRightSize(figures, terminalStyle()));
}
