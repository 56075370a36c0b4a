import type { Steps } from '../../figures/job/timeline/figures.ts';
import { formatNumber } from '../text/format-quantity.ts';
import type { Chart } from './charts.ts';
import { markup, type Safe } from './html.ts';
import { anchorAt, CHART, markMarks, timeTicks, type Marks } from './time-axis.ts';

const TICKS = 4;
/** Time without values is bridged up to so many steps: a lane that is sampled late is no gap. */
const BRIDGED_STEPS_MAX = 2;

/** A chart that needs no script. @param span of the job, epoch µs */
export function chartSvg(chart: Chart, height: number, marks: Marks): Safe {
  const { width, left, right, top, bottom } = CHART;
  const [spanUs, plotHeight] = [marks.toUs - marks.fromUs, height - top - bottom];
  const x = (us: number): number =>
    left + Math.min(1, Math.max(0, (us - marks.fromUs) / spanUs)) * (width - left - right);
  const y = (value: number): number => top + (1 - value / chart.top) * plotHeight;
  const levels = Array.from({ length: TICKS + 1 }, (_, at) => (chart.top * at) / TICKS);
  return markup`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${labelOf(chart)}">
    <defs><pattern id="hatch-${chart.id}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line class="hatch" x1="0" x2="0" y1="0" y2="6" /></pattern></defs>
    ${levels.map((level) => markup`<line class="grid" x1="${left}" x2="${width - right}" y1="${at(y(level))}" y2="${at(y(level))}" /><text class="tick" x="${left - 6}" y="${at(y(level) + 4)}" text-anchor="end">${formatNumber(level)}</text>`)}
    ${timeTicks(marks, x).map(({ at: left, text }) => markup`<text class="tick" x="${at(left)}" y="${height - 5}" text-anchor="${anchorAt(left)}">${text}</text>`)}
    ${markMarks(marks, x, { top, height: plotHeight, hatch: `hatch-${chart.id}` })}
    ${chart.areas.map((area) => markup`<path class="area ${area.of}" d="${areaPath(area.steps, area.low, area.high, x, y)}" />`)}
    ${chart.lines.map((line, index) => markup`<path class="line line-${index}" d="${linePath(line.steps, line.values, x, y)}" />`)}
    ${chart.limit && markup`<line class="limit" x1="${left}" x2="${width - right}" y1="${at(y(chart.limit.value))}" y2="${at(y(chart.limit.value))}" />`}
  </svg>`;
}

function labelOf({ title, unit, lines }: Chart): string {
  const told = lines.map(({ name, values }) => {
    const known = [...values].filter((value) => !Number.isNaN(value));
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    return `${name} ${formatNumber(mean)} ${unit} on the mean`;
  });
  return `${title} over time: ${told.join(', ')}`;
}

/** A tenth of a dot is more than anybody sees. */
function at(position: number): number {
  return Math.round(position * 10) / 10;
}

type Axis = (value: number) => number;

function linePath(steps: Steps, values: Float64Array, x: Axis, y: Axis): string {
  return stretches(steps, values)
    .map((stretch) => {
      const points = stretch.map((step): Point => [x(middleOf(steps, step)), y(values[step]!)]);
      // One point alone would be nothing to see.
      return points.length === 1 ? `${pathOf(points)}h.1` : pathOf(points);
    })
    .join('');
}

function areaPath(steps: Steps, low: Float64Array, high: Float64Array, x: Axis, y: Axis): string {
  return stretches(steps, low)
    .map((stretch) => {
      const pointOf = (step: number, values: Float64Array): Point => [
        x(middleOf(steps, step)),
        y(values[step]!),
      ];
      const there = stretch.map((step) => pointOf(step, high));
      const back = stretch.toReversed().map((step) => pointOf(step, low));
      return `${pathOf([...there, ...back])}z`;
    })
    .join('');
}

type Point = readonly [x: number, y: number];

/** Each point from the one before it, in tenths of a dot: half as long as where it is. */
function pathOf(points: readonly Point[]): string {
  const tenths = points.map(([x, y]) => [Math.round(x * 10), Math.round(y * 10)] as const);
  const [[x, y] = [0, 0], ...rest] = tenths;
  const moves = rest.map(([toX, toY], index) => {
    const [fromX, fromY] = tenths[index]!;
    const down = short(toY - fromY);
    return `${short(toX - fromX)}${down.startsWith('-') ? '' : ' '}${down}`;
  });
  return `M${x / 10} ${y / 10}${moves.length === 0 ? '' : `l${moves.join(' ')}`}`;
}

/** `.3` for 3 tenths. */
function short(tenths: number): string {
  return String(tenths / 10).replace(/^(-?)0\./, '$1.');
}

function middleOf({ fromUs, stepUs }: Steps, step: number): number {
  return fromUs + (step + 0.5) * stepUs;
}

/** Steps of which something is known, broken where for some of them nothing is. */
function stretches({ count }: Steps, values: Float64Array): number[][] {
  const found: number[][] = [];
  let lastStep = -Infinity;
  for (let step = 0; step < count; step += 1) {
    if (Number.isNaN(values[step])) continue;
    if (step - lastStep > BRIDGED_STEPS_MAX) found.push([]);
    found.at(-1)!.push(step);
    lastStep = step;
  }
  return found;
}
