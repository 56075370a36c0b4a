import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  capacityFilterExpected,
  capacityFilters,
  capacityRowsExpected,
  readCapacityFilter,
  readCapacityRows,
  readTop,
  type CapacityRows,
} from '../../figures/asked/capacity-rows.ts';
import { reportWindow, type WindowFlags } from '../../figures/asked/report-window.ts';
import { CAPACITY_GROUPINGS, CAPACITY_NAMES, CAPACITY_PERIODS } from '../../figures/capacity/figures.ts';
import { capacityFigures } from '../../figures/capacity/query.ts';
import type { WhatIf } from '../../figures/right-size/figures.ts';
import { whatIfFigures } from '../../figures/right-size/query.ts';
import type { WhatIfQuestion } from '../../figures/right-size/what-if.ts';
import { askFleetPage, type FleetPage } from '../../fleet-page/page.ts';
import { capacityBaseCsv, capacityCsv } from '../../report/capacity/capacity-csv.ts';
import { renderCapacityReport } from '../../report/capacity-text.ts';
import { capacityJson } from '../../report/json.ts';
import { renderWhatIfs } from '../../report/right-size/right-size-text.ts';
import { reportCosts } from '../report-costs.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';
import { addCommonFlags, addWindowFlags, clusterArgument, type FormatFlags } from './flags.ts';
import { whatIfOption } from './right-size.ts';
import { writeCapacityPage } from './write-page.ts';

const CAPACITY_EXAMPLES = `
Examples:
  gpuledger report capacity                            the last seven days, by account
  gpuledger report capacity --since 30d --by user
  gpuledger report capacity --cluster b --by node
  gpuledger report capacity --since 30d --html fleet.html       a page to look at
  gpuledger report capacity --since 52w --by account,month      a row per account and calendar month
  gpuledger report capacity --by account,model --top 10         the ten pairs with most GPU time, and all others
  gpuledger report capacity --where account=physics --where model='NVIDIA H100' --by user,day
  gpuledger report capacity --since 30d --what-if mig=1g.24gb:7 --what-if idle-limit=30m      below it, what that would have freed
  gpuledger report capacity --from 2026-11-01 --to 2026-12-01 --by partition --csv      for a spreadsheet; --base-units: for a program

Times are UTC. The window is rounded outward to whole minutes, beyond two days to whole hours.
`;

interface CapacityFlags extends FormatFlags, WindowFlags {
  readonly html?: string;
  readonly by: CapacityRows;
  readonly cluster?: string;
  readonly where?: readonly ToldFilter[];
  readonly top?: number;
  readonly baseUnits?: true;
  readonly whatIf: readonly WhatIfQuestion[];
}

/** `report capacity`: whose the time of all GPUs was. */
export function addCapacityCommand(report: Command): void {
  addCommonFlags(
    'report capacity',
    addWindowFlags(report.command('capacity'))
      .description('GPU-hours, idleness and energy of all GPUs, and whose they were.')
      .option('--cluster <name>', 'only what is of this cluster', clusterArgument)
      .addOption(new Option('--html <file>', 'a page in one file').conflicts(['json', 'csv']))
      .addOption(
        new Option(
          '--by <group>',
          `whose rows: ${CAPACITY_GROUPINGS.join(', ')}; several with commas between them, ${CAPACITY_PERIODS.join(', ')} last`,
        )
          .argParser(parseRows)
          .default({ by: 'account' }, 'account'),
      )
      .addOption(
        new Option(
          '--where <name=value>',
          `only what is of it: ${CAPACITY_NAMES.join(', ')}; again for more of them`,
        ).argParser(parseFilter),
      )
      .addOption(
        new Option(
          '--top <n>',
          'so many groups, those with most GPU time, and all others together',
        ).argParser(parseTop),
      )
      .addOption(
        new Option('--base-units', 'the CSV in µs and joules')
          .implies({ csv: true })
          .conflicts(['json', 'html']),
      )
      .addOption(whatIfOption().conflicts(['csv', 'baseUnits', 'html', 'where'])),
    'one row per group, in hours, kWh and money',
  )
    .addHelpText('after', CAPACITY_EXAMPLES)
    .action(async (flags: CapacityFlags) => {
      await reportCapacity(flags);
    });
}

/** One of several. */
type ToldFilter = NonNullable<ReturnType<typeof readCapacityFilter>>;

function parseFilter(text: string, before: readonly ToldFilter[] = []): ToldFilter[] {
  const filter = readCapacityFilter(text);
  if (filter === undefined) throw new InvalidArgumentError(capacityFilterExpected(text));
  return [...before, filter];
}

function parseTop(text: string): number {
  const top = readTop(text);
  if (top === undefined) throw new InvalidArgumentError('expected a number of rows, 1 or more');
  return top;
}

function parseRows(text: string): CapacityRows {
  const rows = readCapacityRows(text);
  if (rows === undefined) throw new InvalidArgumentError(capacityRowsExpected(text));
  return rows;
}

/** What is told on a terminal, on a page or as data. */
interface Told extends FleetPage {
  readonly whatIfs?: readonly WhatIf[];
}

async function reportCapacity(flags: CapacityFlags): Promise<void> {
  const nowUs = Date.now() * 1000;
  const window = reportWindow(flags, nowUs);
  const options = {
    ...window,
    ...(flags.cluster === undefined ? {} : { cluster: flags.cluster }),
    ...(flags.where === undefined ? {} : { where: capacityFilters(flags.where) }),
    ...(flags.top === undefined ? {} : { top: flags.top }),
    ...flags.by,
  };
  const page = await withStore(flags, async (db, { lanes, idle, costs, timeZone }): Promise<Told> => {
    const asked = { ...options, timeZone, idleLimits: idle, costs: reportCosts({ costs }) };
    if (flags.html !== undefined) return await askFleetPage(db, { lanes }, asked);
    // First, since a change that no device can satisfy ends the command.
    const whatIfs = await whatIfFigures(db, lanes, { ...options, nowUs, whatIfs: flags.whatIf });
    return { figures: await capacityFigures(db, lanes, asked), whatIfs };
  });
  const { figures, whatIfs = [] } = page;
  if (flags.html !== undefined) process.stdout.write(writeCapacityPage(page, flags.html));
  else if (flags.json) process.stdout.write(capacityJson(figures, whatIfs));
  else if (flags.baseUnits) process.stdout.write(capacityBaseCsv(figures));
  else if (flags.csv) process.stdout.write(capacityCsv(figures));
  else
    process.stdout.write(
      renderCapacityReport(figures, terminalStyle()) + renderWhatIfs(whatIfs, terminalStyle()),
    );
}
