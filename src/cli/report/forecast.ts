import { InvalidArgumentError, Option, type Command } from 'commander';
import { HORIZON_WEEKS_MAX } from '../../core/forecast/backtest.ts';
import { HORIZON_EXPECTED, LOOKS_BACK, readHorizonWeeks } from '../../figures/asked/planning.ts';
import { reportWindow } from '../../figures/asked/report-window.ts';
import { forecastFigures } from '../../figures/forecast/query.ts';
import { forecastCsv, forecastJson } from '../../report/forecast/forecast-json.ts';
import { renderForecastReport } from '../../report/forecast/forecast-text.ts';
import { terminalStyle } from '../terminal.ts';
import { withStore } from '../with-store.ts';
import { addCommonFlags, clusterArgument, type FormatFlags } from './flags.ts';

const EXAMPLES = `
Examples:
  gpuledger report forecast                            from the last 52 weeks, twelve weeks ahead
  gpuledger report forecast --cluster b --horizon 4w
  gpuledger report forecast --since 26w --json

Weeks begin on Monday, UTC. The week that is not over is none of the history.
`;

interface ForecastFlags extends FormatFlags {
  readonly since: string;
  readonly to?: string;
  readonly cluster?: string;
  readonly horizon: number;
}

/** Adds `report forecast`. */
export function addForecastCommand(report: Command): void {
  addCommonFlags(
    'report forecast',
    report
      .command('forecast')
      .description('Demand for GPUs by week, what it will be, and when there will be too few.')
      .option('--since <duration>', 'how far to look back: 12h, 7d, 4w', LOOKS_BACK.forecast)
      .option('--to <time>', 'ISO date or time, UTC (default: now)')
      .option('--cluster <name>', 'only what is of this cluster', clusterArgument)
      .addOption(
        new Option('--horizon <weeks>', `how far to look ahead: 1w to ${HORIZON_WEEKS_MAX}w`)
          .argParser(horizonArgument)
          .default(HORIZON_WEEKS_MAX, `${HORIZON_WEEKS_MAX}w`),
      ),
  )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: ForecastFlags) => {
      await reportForecast(flags);
    });
}

function horizonArgument(text: string): number {
  const weeks = readHorizonWeeks(text);
  if (weeks === undefined) throw new InvalidArgumentError(HORIZON_EXPECTED);
  return weeks;
}

async function reportForecast({ cluster, horizon, ...flags }: ForecastFlags): Promise<void> {
  const window = reportWindow(flags, Date.now() * 1000);
  const asked = { ...window, horizonWeeks: horizon, ...(cluster === undefined ? {} : { cluster }) };
  const figures = await withStore(flags, async (db, { lanes }) => await forecastFigures(db, lanes, asked));
  if (flags.json) process.stdout.write(forecastJson(figures));
  else if (flags.csv) process.stdout.write(forecastCsv(figures));
  else process.stdout.write(renderForecastReport(figures, terminalStyle()));
}
