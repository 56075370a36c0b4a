import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Month } from '../../../core/calendar/month.ts';
import type { BillFigures } from '../../../figures/bill/bill-figures.ts';
import { shownBill } from '../../../figures/bill/read-bill.ts';
import { BILL_GROUPINGS, type BillGrouping } from '../../../figures/bill/totals.ts';
import { billCsv } from '../../../report/bill/bill-csv.ts';
import { billJson } from '../../../report/bill/bill-json.ts';
import { renderBill } from '../../../report/bill/bill-text.ts';
import { addConfigFlags } from '../../config-flags.ts';
import { reportFailure } from '../../failure.ts';
import { terminalStyle } from '../../terminal.ts';
import { withStore } from '../../with-store.ts';
import { clusterArgument, monthArgument, type FormatFlags } from '../flags.ts';
import { issueBill } from './issue-bill.ts';

const EXAMPLES = `
Examples:
  gpuledger report bill --month 2026-10                 what each account pays for October, to the cent and the second
  gpuledger report bill --month 2026-10 --by user
  gpuledger report bill --month 2026-10 --by device --csv > october.csv
  gpuledger report bill --month 2026-10 --issue 1       as it was issued first
  gpuledger report bill --month 2026-10 --reissue       by the prices and the time zone of the configuration as they are now

Months are of the time zone of the configuration (time_zone). The bill of an ended month is stored; asked again it is reckoned again,
and where facts came late since it is stored as the next version, with the differences (docs/bill.md). One of a month that has not
ended is provisional.
Exit codes: 0 fine; 64 usage; 69 no table of bills; 75 the store does not answer; 77 it takes no rows: what is printed is a draft;
78 prices are missing, and where some are there what is printed is a draft
`;

interface BillFlags extends FormatFlags {
  readonly month: Month;
  readonly by: BillGrouping;
  readonly cluster?: string;
  readonly issue?: number;
  readonly reissue?: true;
}

export function addBillCommand(report: Command): void {
  addConfigFlags(
    report
      .command('bill')
      .description('What GPU time and its energy cost in a month, for whom.')
      .addOption(
        new Option('--month <month>', 'such as 2026-10').argParser(monthArgument).makeOptionMandatory(),
      )
      .addOption(new Option('--by <group>', 'whose lines').choices([...BILL_GROUPINGS]).default('account'))
      .option('--cluster <name>', 'only what is of this cluster', clusterArgument)
      .addOption(
        new Option(
          '--issue <n>',
          'a version as it was issued (default: the newest, reckoned again)',
        ).argParser(versionArgument),
      )
      .addOption(
        new Option(
          '--reissue',
          'a new version by the prices and the time zone of the configuration as they are now',
        ).conflicts('issue'),
      )
      .addOption(new Option('--json', 'all figures in base units, money as decimals').conflicts('csv'))
      .option('--csv', 'one row per line, decimals'),
    'report bill',
  )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: BillFlags) => {
      await reportBill(flags);
    });
}

async function reportBill(flags: BillFlags): Promise<void> {
  const { month, issue: version, reissue = false, by, cluster } = flags;
  const { figures, failure } = await withStore(flags, async (db, config, store) => {
    const nowUs = Date.now() * 1000;
    const outcome = await issueBill({ db, store, config }, { month, version, isReissued: reissue, nowUs });
    return { figures: await shownBill(db, outcome, { by, cluster }), failure: outcome.failure };
  });
  process.stdout.write(textOf(figures, flags));
  if (failure !== undefined) process.exitCode = reportFailure(failure);
}

function textOf(figures: BillFigures, { json, csv }: BillFlags): string {
  if (json) return billJson(figures);
  return csv ? billCsv(figures) : renderBill(figures, terminalStyle());
}

function versionArgument(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('a version is a whole number from 1 on');
  return Number(text);
}
