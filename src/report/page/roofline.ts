import type { ModelPeaks } from '../../core/devices/model-peaks.ts';
import type { GaugeKey } from '../../figures/gauges.ts';
import type { JobFigures } from '../../figures/job/figures.ts';
import type { Band } from '../../figures/job/timeline/figures.ts';
import { formatNumber } from '../text/format-quantity.ts';
import { markup, type Safe } from './html.ts';

const BOX = { width: 440, height: 210, left: 52, right: 10, top: 10, bottom: 34 } as const;
/** Side of a square in which steps are counted. */
const CELL = 7;
/** Decades below the roof. */
const DECADES = 3;
/** Less activity is far off the chart, and its ratio is noise. */
const ACTIVITY_MIN = 0.001;
/** A job that hardly uses the tensor pipe is under another roof, whose height no data sheet here tells. */
const TENSOR_RATIO_MIN = 0.01;

interface Point {
  readonly flopsPerByte: number;
  readonly flops: number;
}

/**
 * What a GPU can have computed for each byte that it moved, step by step, under the roofs of its model: activity times what the data
 * sheet says, so at most that much. Undefined where the data sheet is not known, or the tensor pipe is not used.
 */
export function roofline({ bounds, timeline }: Pick<JobFigures, 'bounds' | 'timeline'>): Safe | undefined {
  const peaks = bounds?.peaks;
  if (peaks === undefined || bounds!.tensorRatio < TENSOR_RATIO_MIN) return undefined;
  const points = pointsOf(timeline?.bands ?? [], peaks);
  if (points.length === 0) return undefined;
  const ridge = peaks.tensorFlops / peaks.memoryBytesPerSecond;
  const x = axis({ from: ridge / 100, to: ridge * 100 }, BOX.left, BOX.width - BOX.right);
  const top = 2 * peaks.tensorFlops;
  const y = axis({ from: top / 10 ** DECADES, to: top }, BOX.height - BOX.bottom, BOX.top);
  const roof = [ridge / 100, ridge, ridge * 100].map(
    (intensity) =>
      `${at(x(intensity))} ${at(y(Math.min(peaks.tensorFlops, intensity * peaks.memoryBytesPerSecond)))}`,
  );
  const label = 'Steps of the job under the roofs of its GPU: FLOP for each byte, and TFLOP/s';
  return markup`<figure class="roofline">
    <figcaption>
      Roofs of ${peaks.model}: ${formatNumber(peaks.memoryBytesPerSecond / 1e12)} TB/s,
      ${formatNumber(peaks.tensorFlops / 1e12)} dense 16-bit TFLOP/s. Each step at most (activity × roof); darker: more of them
    </figcaption>
    <svg class="chart" viewBox="0 0 ${BOX.width} ${BOX.height}" role="img" aria-label="${label}">
      ${decades(ridge / 100, ridge * 100).map((value) => markup`<line class="grid" x1="${at(x(value))}" x2="${at(x(value))}" y1="${BOX.top}" y2="${BOX.height - BOX.bottom}" /><text class="tick" x="${at(x(value))}" y="${BOX.height - 20}" text-anchor="middle">${value}</text>`)}
      ${decades(top / 10 ** DECADES, top).map((value) => markup`<line class="grid" x1="${BOX.left}" x2="${BOX.width - BOX.right}" y1="${at(y(value))}" y2="${at(y(value))}" /><text class="tick" x="${BOX.left - 6}" y="${at(y(value) + 4)}" text-anchor="end">${value / 1e12}</text>`)}
      ${cells(points, x, y)}
      <path class="limit" d="M${roof.join('L')}" />
      <text class="tick" x="${BOX.left}" y="${BOX.height - 5}">FLOP a byte, at most · TFLOP/s a GPU, at most</text>
    </svg>
  </figure>`;
}

function pointsOf(bands: readonly Band[], peaks: ModelPeaks): Point[] {
  const byKey = new Map<GaugeKey, Band>(bands.map((band) => [band.key, band]));
  const [tensor, dram] = [byKey.get('tensorActive'), byKey.get('dramActive')];
  if (tensor === undefined || dram === undefined || tensor.steps.stepUs !== dram.steps.stepUs) return [];
  return [...tensor.mean].flatMap((computed, step) => {
    const moved = dram.mean[step] ?? NaN;
    if (!(computed >= ACTIVITY_MIN && moved >= ACTIVITY_MIN)) return [];
    const flops = computed * peaks.tensorFlops;
    return [{ flops, flopsPerByte: flops / (moved * peaks.memoryBytesPerSecond) }];
  });
}

type Axis = (value: number) => number;

/** Logarithmic, and what lies outside stands at its end. */
function axis(
  { from, to }: { readonly from: number; readonly to: number },
  start: number,
  end: number,
): Axis {
  return (value) => {
    const part = Math.log(value / from) / Math.log(to / from);
    return start + Math.min(1, Math.max(0, part)) * (end - start);
  };
}

function decades(from: number, to: number): number[] {
  const first = Math.ceil(Math.log10(from));
  return Array.from({ length: Math.floor(Math.log10(to)) - first + 1 }, (_, index) => 10 ** (first + index));
}

/** Steps in the same square are one of its shades. */
function cells(points: readonly Point[], x: Axis, y: Axis): Safe[] {
  const counts = new Map<string, number>();
  for (const { flopsPerByte, flops } of points) {
    const place = `${Math.floor(x(flopsPerByte) / CELL) * CELL},${Math.floor(y(flops) / CELL) * CELL}`;
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const most = Math.max(...counts.values());
  return [...counts].map(([place, count]) => {
    const [left = '', top = ''] = place.split(',');
    const shade = (0.25 + (0.75 * Math.log1p(count)) / Math.log1p(most)).toFixed(2);
    return markup`<rect class="dot" x="${left}" y="${top}" width="${CELL}" height="${CELL}" fill-opacity="${shade}" />`;
  });
}

function at(position: number): number {
  return Math.round(position * 10) / 10;
}
