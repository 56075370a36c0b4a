import { InvalidArgumentError, Option, type Command } from 'commander';
import { OperatingError } from '../../../core/base/errors.ts';
import type { Month } from '../../../core/calendar/month.ts';
import { issuedFigures, unissuedFigures, type BillFigures } from '../../../figures/bill/bill-figures.ts';
import { BILL_GROUPINGS, type BillGrouping } from '../../../figures/bill/totals.ts';
import { ask, type Asked } from '../../../figures/query-cells.ts';
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
  gpuledger report bill --month 2026-10 --version 1     as it was issued first
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
  readonly version?: number;
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
          '--version <n>',
          'a version as it was issued (default: the newest, reckoned again)',
        ).argParser(versionArgument),
      )
      .addOption(
        new Option(
          '--reissue',
          'a new version by the prices and the time zone of the configuration as they are now',
        ).conflicts('version'),
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
  const { month, version, reissue = false, by, cluster } = flags;
  const { figures, failure } = await withStore(flags, async (db, config, store) => {
    const nowUs = Date.now() * 1000;
    const outcome = await issueBill({ db, store, config }, { month, version, isReissued: reissue, nowUs });
    const shape = { by, cluster };
    const shown =
      'issued' in outcome
        ? { figures: issuedFigures(outcome.issued, outcome.former, shape), failure: undefined }
        : { figures: unissuedFigures(outcome.reckoned, outcome.former, shape), failure: outcome.failure };
    if (cluster !== undefined && shown.figures.totals.rows.length === 0)
      await refuseUnknownCluster(db, cluster);
    return shown;
  });
  process.stdout.write(textOf(figures, flags));
  if (failure !== undefined) process.exitCode = reportFailure(failure);
}

function textOf(figures: BillFigures, { json, csv }: BillFlags): string {
  if (json) return billJson(figures);
  return csv ? billCsv(figures) : renderBill(figures, terminalStyle());
}

/** A cluster in which nobody owned anything has an empty bill; one that nobody knows has none. */
async function refuseUnknownCluster(db: Asked, cluster: string): Promise<void> {
  const rows = await ask(
    db,
    'SELECT DISTINCT cluster FROM (SELECT DISTINCT cluster FROM gpu_inventory UNION ALL SELECT DISTINCT cluster FROM gpu_ownership)',
  );
  const known = [...new Set(rows.flatMap((row) => row.text('cluster') ?? []))].sort();
  if (known.includes(cluster)) return;
  throw new OperatingError(`no cluster "${cluster}": no GPU is known to be of it`, {
    code: 'report.unknown_cluster',
    exit: 'usage',
    where: `${db.where}, tables gpu_inventory and gpu_ownership`,
    hints: [
      known.length > 0
        ? `the clusters there: ${known.join(', ')}`
        : 'no GPU there has the name of a cluster: see the key cluster in docs/configuration.md',
    ],
  });
}

function versionArgument(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('a version is a whole number from 1 on');
  return Number(text);
}
