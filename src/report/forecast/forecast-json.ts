import { KNOWN_WEEKS_MIN } from '../../core/forecast/forecast.ts';
import { weekStartUs, type ForecastFigures } from '../../figures/forecast/figures.ts';
import { isoMicroseconds } from '../../figures/sql-text.ts';
import { csvOf, type CsvRow } from '../text/csv-lines.ts';

/** Demand and what it will be as JSON: µs of GPU time, times in epoch µs, what is not known left out. */
export function forecastJson(figures: ForecastFigures): string {
  const { cluster, isSynthetic, devices, weeks, basis, horizonWeeks, forecast, capacityUs, shortage } =
    figures;
  const { step, method, refusal, weeksUsed } = forecast;
  const startOf = (week: number | undefined): number | undefined =>
    week === undefined ? undefined : weekStartUs(figures, week);
  const told = {
    ...{ cluster, isSynthetic, devices, basis, horizonWeeks, weeks, capacityUs },
    step: step && { startUs: startOf(step.week), beforeUs: step.before, afterUs: step.after },
    ...{ refusal, weeksUsed, weeksNeeded: KNOWN_WEEKS_MIN, method },
    tests: forecast.tests.map(({ method: tried, origins, meanAbsoluteError }) => ({
      ...{ method: tried, origins, meanAbsoluteErrorUs: meanAbsoluteError },
    })),
    forecast: forecast.weeks.map(({ week, expected, low, high }) => ({
      ...{ startUs: startOf(week), demandUs: expected, lowUs: low, highUs: high },
    })),
    shortage: shortage && {
      startUs: startOf(shortage.week),
      earliestUs: startOf(shortage.earliestWeek),
      latestUs: startOf(shortage.latestWeek),
    },
  };
  return `${JSON.stringify(told, undefined, 2)}\n`;
}

/** A row per week, of the history and of the forecast. */
export function forecastCsv(figures: ForecastFigures): string {
  const rows = [
    ...figures.weeks.map((week): CsvRow => ({
      ...{ kind: 'history', start: isoMicroseconds(week.startUs), demand_us: week.demandUs },
      ...{ low_us: undefined, high_us: undefined, owned_us: week.ownedUs, unmet_us: week.unmetUs },
      ...{ sampled_us: week.sampledUs, capacity_us: week.knownUs },
    })),
    ...figures.forecast.weeks.map(({ week, expected, low, high }): CsvRow => ({
      ...{ kind: 'forecast', start: isoMicroseconds(weekStartUs(figures, week)), demand_us: expected },
      ...{ low_us: low, high_us: high, owned_us: undefined, unmet_us: undefined },
      ...{ sampled_us: undefined, capacity_us: figures.capacityUs },
    })),
  ];
  return csvOf(rows, COLUMNS);
}

const COLUMNS = [
  'kind',
  'start',
  'demand_us',
  'low_us',
  'high_us',
  'owned_us',
  'unmet_us',
  'sampled_us',
  'capacity_us',
];
