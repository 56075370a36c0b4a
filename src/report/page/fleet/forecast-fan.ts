import { periodName } from '../../../figures/capacity/periods.ts';
import { weekStartUs, type ForecastFigures } from '../../../figures/forecast/figures.ts';
import { forecastAnswer, forecastNotes } from '../../forecast/forecast-text.ts';
import { formatGpuHours, formatHours } from '../../text/format-quantity.ts';
import { markup, type Safe } from '../html.ts';

const CHART = { width: 960, height: 220, left: 90, right: 12, top: 10, bottom: 24 } as const;
const LEVELS = [0, 0.25, 0.5, 0.75, 1] as const;
/** Names of weeks below the chart. */
const NAMES_MAX = 8;
/** Above the highest there is a little room. */
const HEADROOM = 1.05;

/** Demand for GPUs by week, what it will be with its interval, and what there is; where nobody can say, the sentence that says why. */
export function forecastFan(figures: ForecastFigures): Safe {
  const answer = markup`<p>${forecastAnswer(figures)}</p>`;
  if (figures.forecast.weeks.length === 0) return answer;
  return markup`${answer}
<p class="note"><span class="key line-0">demand</span><span class="key line-1">expected, with the 90 % interval as an area</span><span class="key limit">what there is</span>. Grey: too little is known of the week.${figures.forecast.step && ' Upright line: demand stepped.'}</p>
<div class="scrolls" role="region" tabindex="0" aria-label="Chart, which scrolls">${chart(figures)}</div>
<ul class="note">${forecastNotes(figures).map((note) => markup`<li>${note}</li>`)}</ul>`;
}

/** Where weeks and amounts are in the picture. */
interface Plot {
  /** Of the middle of a week. */
  readonly x: (week: number) => number;
  readonly y: (us: number) => number;
  readonly step: number;
  readonly topUs: number;
}

function plotOf({ weeks, forecast, capacityUs = 0 }: ForecastFigures): Plot {
  const { width, height, left, right, top, bottom } = CHART;
  const highest = Math.max(
    capacityUs,
    ...weeks.flatMap(({ demandUs, knownUs }) => [demandUs ?? 0, knownUs]),
    ...forecast.weeks.map(({ high }) => high),
  );
  const topUs = Math.max(1, highest * HEADROOM);
  const step = (width - left - right) / (weeks.length + forecast.weeks.length);
  return {
    ...{ step, topUs },
    x: (week) => round(left + (week + 0.5) * step),
    y: (us) => round(top + (1 - us / topUs) * (height - top - bottom)),
  };
}

function chart(figures: ForecastFigures): Safe {
  const { width, height, left, right } = CHART;
  const plot = plotOf(figures);
  const { x, y, topUs } = plot;
  const grid = LEVELS.map((level) => {
    const at = y(level * topUs);
    return markup`<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/><text class="tick" x="${left - 6}" y="${at + 4}" text-anchor="end">${formatHours(level * topUs, 0)} h</text>`;
  });
  const count = figures.weeks.length + figures.forecast.weeks.length;
  const every = Math.ceil(count / NAMES_MAX);
  const names = Array.from({ length: Math.ceil(count / every) }, (_, at) => at * every).map(
    (week) =>
      markup`<text class="tick" x="${x(week)}" y="${height - 6}" text-anchor="middle">${nameOf(figures, week)}</text>`,
  );
  return markup`<svg class="chart fan" viewBox="0 0 ${width} ${height}" role="img" aria-label="${`Demand by week from ${nameOf(figures, 0)} on. ${forecastAnswer(figures)}`}">${grid}${names}${history(figures, plot)}${ahead(figures, plot)}</svg>`;
}

function history(figures: ForecastFigures, { x, y, step, topUs }: Plot): Safe {
  const { weeks, forecast } = figures;
  const [highest, lowest] = [y(topUs), y(0)];
  const unknown = weeks.map(
    ({ demandUs }, week) =>
      demandUs === undefined &&
      markup`<rect class="unseen" x="${round(x(week) - step / 2)}" y="${highest}" width="${round(step)}" height="${lowest - highest}"><title>${nameOf(figures, week)}: too little is known</title></rect>`,
  );
  const stepped =
    forecast.step &&
    markup`<line class="event" x1="${round(x(forecast.step.week) - step / 2)}" x2="${round(x(forecast.step.week) - step / 2)}" y1="${highest}" y2="${lowest}"><title>${nameOf(figures, forecast.step.week)}: demand stepped from ${formatGpuHours(forecast.step.before)} to ${formatGpuHours(forecast.step.after)} a week</title></line>`;
  const dots = weeks.map(
    ({ demandUs }, week) =>
      demandUs !== undefined &&
      markup`<circle class="dot" cx="${x(week)}" cy="${y(demandUs)}" r="2"><title>${nameOf(figures, week)}: ${formatGpuHours(demandUs)}</title></circle>`,
  );
  return markup`${unknown}${stepped}${runsOf(weeks.map(({ demandUs }) => demandUs)).map((points) => line('line line-0', points, { x, y }))}${dots}`;
}

function ahead(figures: ForecastFigures, { x, y }: Plot): Safe {
  const { weeks, forecast, capacityUs } = figures;
  const there = [
    ...weeks.map(({ knownUs }, week) => ({ week, us: knownUs })),
    ...(capacityUs === undefined ? [] : forecast.weeks.map(({ week }) => ({ week, us: capacityUs }))),
  ];
  const bounds = [
    ...forecast.weeks.map(({ week, high }) => ({ week, us: high })),
    ...forecast.weeks.map(({ week, low }) => ({ week, us: low })).toReversed(),
  ];
  const dots = forecast.weeks.map(
    ({ week, expected, low, high }) =>
      markup`<circle class="dot ahead" cx="${x(week)}" cy="${y(expected)}" r="2"><title>${nameOf(figures, week)}: ${formatGpuHours(expected)} expected, ${formatGpuHours(low)} to ${formatGpuHours(high)}</title></circle>`,
  );
  return markup`<polygon class="area devices" points="${pointsOf(bounds, { x, y })}"/>${line('limit', there, { x, y })}${line(
    'line line-1',
    forecast.weeks.map(({ week, expected }) => ({ week, us: expected })),
    { x, y },
  )}${dots}`;
}

interface Point {
  readonly week: number;
  readonly us: number;
}

/** What is known without a hole, so that no line goes over one. */
function runsOf(values: readonly (number | undefined)[]): Point[][] {
  const runs: Point[][] = [];
  for (const [week, us] of values.entries()) {
    if (us === undefined) continue;
    const isNext = week > 0 && values[week - 1] !== undefined;
    if (isNext) runs.at(-1)!.push({ week, us });
    else runs.push([{ week, us }]);
  }
  return runs;
}

function line(name: string, points: readonly Point[], to: Pick<Plot, 'x' | 'y'>): Safe {
  return markup`<polyline class="${name}" points="${pointsOf(points, to)}"/>`;
}

function pointsOf(points: readonly Point[], { x, y }: Pick<Plot, 'x' | 'y'>): string {
  return points.map(({ week, us }) => `${x(week)},${y(us)}`).join(' ');
}

function nameOf(figures: ForecastFigures, week: number): string {
  return periodName('week', weekStartUs(figures, week));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
