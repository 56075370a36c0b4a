import { HOUR_US } from '../../core/base/hour.ts';
import { KNOWN_WEEKS_MIN, type ForecastWeek } from '../../core/forecast/forecast.ts';
import type { ForecastMethod } from '../../core/forecast/methods.ts';
import { periodName } from '../../figures/capacity/periods.ts';
import { weekStartUs, type ForecastFigures } from '../../figures/forecast/figures.ts';
import {
  calendarDate,
  formatCount,
  formatGpuHours,
  formatHours,
  formatRatio,
  hourDecimals,
} from '../text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from '../text/report-text.ts';
import { sparkline } from '../text/sparkline.ts';
import { foldedTables, stacked, tableText, wrap } from '../text/table-text.ts';

/** So many weeks of the history are drawn; `--json` has all. */
const DRAWN_WEEKS_MAX = 60;
/** Columns of the little plot beside the forecast. */
const PLOT_WIDTH = 30;

const METHOD_NAMES: Readonly<Record<ForecastMethod, string>> = {
  mean_of_4: 'mean of the last four weeks',
  theil_sen: 'line by the middle slope (Theil–Sen)',
  damped_trend: 'trend that fades (exponential smoothing)',
};

/** Demand by week and what it will be, for people: the answer first. */
export function renderForecastReport(figures: ForecastFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const title = wrap(titleOf(figures, options), width, '', '  ');
  const lines = [
    ...title,
    ...wrap(forecastAnswer(figures), width, '  ', '  '),
    ...(figures.weeks.length === 0 ? [] : ['', ...historyLines(figures, width)]),
    ...forecastLines(figures, options),
    ...methodLines(figures),
    ...(figures.weeks.length === 0
      ? []
      : ['', ...forecastNotes(figures).flatMap((note) => wrap(note, width, '  ', '  '))]),
  ];
  return finishLines(lines, options, new Set(options.isColored ? title.slice(0, 1) : []));
}

function titleOf(figures: ForecastFigures, options: RenderOptions): string {
  const { cluster, weeks, devices, isSynthetic } = figures;
  const last = weeks.at(-1);
  return [
    `Forecast of GPU demand by week${cluster === undefined ? '' : ` of cluster ${cellText(cluster, options, 32)}`}`,
    ...(last === undefined ? [] : [`${nameOf(weeks[0]!.startUs)} to ${nameOf(last.startUs)} UTC`]),
    formatCount(devices, 'GPU'),
    ...(isSynthetic ? ['synthetic'] : []),
  ].join(' · ');
}

function nameOf(startUs: number): string {
  return periodName('week', startUs);
}

/** When there will be too few GPUs, or why nobody can say. */
export function forecastAnswer(figures: ForecastFigures): string {
  const { shortage, forecast } = figures;
  if (shortage === undefined) return refusalOf(figures);
  const dateOf = (week: number): string => calendarDate(weekStartUs(figures, week));
  const weeks = formatCount(forecast.weeks.length, 'week');
  const earliest = shortage.earliestWeek === undefined ? undefined : dateOf(shortage.earliestWeek);
  if (shortage.week === undefined)
    return (
      `Not expected to be short of GPUs within ${weeks}` +
      (earliest === undefined
        ? ', nor by the upper bound of the interval.'
        : `; by the upper bound of the interval from ${earliest} on.`)
    );
  const latest =
    shortage.latestWeek === undefined ? `not within ${weeks}` : `from ${dateOf(shortage.latestWeek)} on`;
  return (
    `Expected to be short of GPUs from ${dateOf(shortage.week)} on;` +
    ` by the upper bound of the interval from ${earliest!} on, by the lower one ${latest}.`
  );
}

function refusalOf(figures: ForecastFigures): string {
  const { weeks, forecast } = figures;
  const { weeksUsed, step } = forecast;
  if (weeks.length === 0) return 'No forecast: no whole week of this time was seen. Was a collector running?';
  if (forecast.refusal === 'end_unknown') return 'No forecast: of the newest weeks too little was seen.';
  const missing = KNOWN_WEEKS_MIN - weeksUsed;
  const when = calendarDate(weekStartUs(figures, weeks.length + missing));
  const since =
    step === undefined ? '' : ` since demand stepped in ${nameOf(weekStartUs(figures, step.week))}`;
  return (
    `No forecast: it takes ${KNOWN_WEEKS_MIN} whole weeks of which demand is known, and there are ${weeksUsed}${since}.` +
    ` There will be enough on ${when}, if ${missing === 1 ? 'the next week is' : `the next ${missing} are`} seen.`
  );
}

function historyLines({ weeks, capacityUs }: ForecastFigures, width: number): string[] {
  const known = weeks.flatMap(({ demandUs }) => demandUs ?? []);
  if (known.length === 0) return [];
  const drawn = weeks.slice(-DRAWN_WEEKS_MAX);
  const top = Math.max(capacityUs ?? 0, ...known);
  const [least, most] = [Math.min(...known), Math.max(...known)].map(bareHours);
  const plot = sparkline(
    drawn.map(({ demandUs }) => demandUs ?? null),
    top,
  );
  const told = `${formatCount(weeks.length, 'week')}: ${least!} to ${most!} GPU-hours a week, the last known ${bareHours(known.at(-1)!)}; there were ${bareHours(capacityUs ?? 0)}.`;
  return [`  ${plot.trimEnd()}`, ...wrap(told, width, '  ', '  ')];
}

function bareHours(us: number): string {
  return formatGpuHours(us).replace(/\s*GPU-hours$/, '');
}

function forecastLines(figures: ForecastFigures, options: RenderOptions): string[] {
  const { forecast, capacityUs = 0 } = figures;
  if (forecast.weeks.length === 0) return [];
  const top = Math.max(capacityUs, ...forecast.weeks.map(({ high }) => high));
  const decimals = hourDecimals(top / HOUR_US);
  const rows = forecast.weeks.map((week) => {
    const startUs = weekStartUs(figures, week.week);
    return [
      nameOf(startUs),
      calendarDate(startUs),
      ...[week.expected, week.low, week.high].map((us) => formatHours(us, decimals)),
      ...(capacityUs > 0 ? [formatRatio(week.expected / capacityUs)] : ['–']),
      plotOf(week, capacityUs, top),
    ];
  });
  const titles = ['week', 'from', 'expected', '90 %: from', 'to', 'of there is', ''];
  return ['', ...stacked(foldedTables([titles, ...rows], ['left', 'left'], 2, lineWidth(options)))];
}

/** `├──┼──┤   ┃`: the interval, what is expected in it, and what there is, from 0 to the highest. */
function plotOf({ expected, low, high }: ForecastWeek, capacityUs: number, top: number): string {
  if (top <= 0) return '';
  const at = (us: number): number => Math.min(PLOT_WIDTH - 1, Math.floor((us / top) * PLOT_WIDTH));
  const cells: string[] = new Array<string>(PLOT_WIDTH).fill(' ');
  cells.fill('─', at(low), at(high));
  cells[at(low)] = '├';
  cells[at(high)] = '┤';
  cells[at(expected)] = '┼';
  if (capacityUs > 0) cells[at(capacityUs)] = '┃';
  return cells.join('');
}

function methodLines({ forecast }: ForecastFigures): string[] {
  const { tests, method } = forecast;
  const [first] = tests;
  if (first === undefined) return [];
  const rows = tests.map((test) => [
    METHOD_NAMES[test.method],
    bareHours(test.meanAbsoluteError),
    test.method === method ? 'taken' : '',
  ]);
  return [
    '',
    `  Off by so many GPU-hours a week, tried from each of ${first.origins} weeks of this history on:`,
    ...tableText(rows, ['left', 'right', 'left'], '    '),
  ];
}

/** What the figures mean, and what of them is not known. */
export function forecastNotes(figures: ForecastFigures): string[] {
  const { weeks, basis, forecast } = figures;
  const { step } = forecast;
  const unknown = weeks.filter(({ demandUs }) => demandUs === undefined).length;
  const newest = weeks.findLast(({ demandUs }) => demandUs !== undefined);
  return [
    ...(step === undefined
      ? []
      : [
          `Demand stepped from ${formatGpuHours(step.before)} to ${formatGpuHours(step.after)} a week in ${nameOf(weekStartUs(figures, step.week))}: what was before it says nothing of what comes.`,
        ]),
    ...(unknown === 0
      ? []
      : [
          `Of ${formatCount(unknown, 'week')} too little is known: unknown, which no method takes for little demand.`,
        ]),
    basis === 'owned'
      ? 'Demand is what jobs owned. What waited in the queue is not known of enough weeks, so it is a lower bound: a full fleet shows no more.'
      : 'Demand is what jobs owned and what waited for GPUs meanwhile (Resources, Priority). A job counts for as long as it waits, so it is an upper bound.',
    ...(newest === undefined
      ? []
      : [`there is: the time of all GPUs that were known in ${nameOf(newest.startUs)}.`]),
    ...(forecast.weeks.length === 0
      ? []
      : [
          '90 %: nine truths of ten lie between, as far as the future goes on as the past did. A step to come is in no interval.',
        ]),
  ];
}
