import type { HeatMap, HeatRow } from '../../figures/job/timeline/figures.ts';
import { medianOf } from '../../figures/job/timeline/heat-map.ts';
import type { JobFigures } from '../../figures/job/figures.ts';
import { deviceName } from '../text/device-name.ts';
import { harmless } from '../text/table-text.ts';
import { markup, type Safe } from './html.ts';
import { pngUrl, type Color } from './png.ts';
import { anchorAt, CHART, timeTicks, type Marks } from './time-axis.ts';

const LEVELS = 100;
const NOT_SEEN: Color = [0, 0, 0, 0];
const ROW_HEIGHT = { least: 4, most: 14 } as const;
const ROWS_HEIGHT = 224;
/** A deviation of so much is as far as the colours go. */
const DEVIATION_MAX = 0.25;
/** Names beside rows need so much room. */
const NAMED_ROW_HEIGHT_MIN = 10;
/** On a narrow screen one of so many of them has room. */
const NAMES_OF_NARROW = 4;

/** Dark: idle. Light: busy; these stay apart for those who see no red or green. */
function activityColors(): Color[] {
  const stops: readonly Color[] = [
    [214, 96, 40, 255],
    [240, 196, 120, 255],
    [120, 180, 200, 255],
    [20, 90, 150, 255],
  ];
  return [NOT_SEEN, ...Array.from({ length: LEVELS + 1 }, (_, at) => between(stops, at / LEVELS))];
}

/** Below the others orange, above them blue, as they are grey. */
function deviationColors(): Color[] {
  const stops: readonly Color[] = [
    [190, 70, 10, 255],
    [236, 190, 150, 255],
    [225, 225, 225, 255],
    [160, 190, 225, 255],
    [20, 80, 160, 255],
  ];
  return [NOT_SEEN, ...Array.from({ length: LEVELS + 1 }, (_, at) => between(stops, at / LEVELS))];
}

function between(stops: readonly Color[], part: number): Color {
  const place = part * (stops.length - 1);
  const [first, rest] = [Math.min(stops.length - 2, Math.floor(place)), place % 1];
  const share = first === stops.length - 2 && part === 1 ? 1 : rest;
  const mix = (at: 0 | 1 | 2): number =>
    Math.round(stops[first]![at] * (1 - share) + stops[first + 1]![at] * share);
  return [mix(0), mix(1), mix(2), 255];
}

/** Each device over the job's time: as it was, and how far it was from the middle of all of them. */
export function heatPictures(
  { rows, outliers, steps }: HeatMap,
  { devices }: JobFigures,
  marks: Marks,
): Safe {
  const names = rows.map((row) => nameOf(row, devices));
  const isOfNodes = rows.every(({ gpu }) => gpu === undefined);
  const medians = Array.from({ length: steps.count }, (_, at) =>
    medianOf(rows.map(({ means }) => means[at]!)),
  );
  const deviations = rows.map(({ means }) =>
    Uint8Array.from(means, (mean, at) =>
      Number.isNaN(mean) || Number.isNaN(medians[at])
        ? 0
        : 1 + Math.round(clamp(0.5 + (mean - medians[at]!) / (2 * DEVIATION_MAX)) * LEVELS),
    ),
  );
  const what = isOfNodes ? 'node' : 'GPU';
  return markup`<section aria-labelledby="devices">
    <h2 id="devices">Every ${what}</h2>
    <figure>
      <figcaption>SM activity: orange is idle, blue is busy, grey was not seen</figcaption>
      ${heatImage(activityUrl(rows), names, steps, marks, `SM activity of each ${what} over time`)}
    </figure>
    ${
      rows.length > 2 &&
      markup`<figure>
        <figcaption>
          From the middle of all: orange did less, blue did more (up to ${DEVIATION_MAX * 100} points)
        </figcaption>
        ${heatImage(pngUrl(deviations, deviationColors()), names, steps, marks, `How far the SM activity of each ${what} was from the median over time`)}
      </figure>`
    }
    ${
      outliers.length > 0 &&
      markup`<figure>
        <figcaption>The GPUs that were furthest from all others, SM activity in the same colours</figcaption>
        ${heatImage(
          activityUrl(outliers),
          outliers.map((row) => nameOf(row, devices)),
          steps,
          marks,
          'SM activity of the GPUs that were furthest from all others, over time',
        )}
      </figure>`
    }
  </section>`;
}

/** A picture of ratios, a row for each: 0 orange, 1 blue, NaN is not seen. */
export function activityUrl(rows: readonly Pick<HeatRow, 'means'>[]): string {
  const pixels = rows.map(({ means }) =>
    Uint8Array.from(means, (mean) => (Number.isNaN(mean) ? 0 : 1 + Math.round(clamp(mean) * LEVELS))),
  );
  return pngUrl(pixels, activityColors());
}

/** A picture over time, with names beside its rows. @param url of a pixel for each name and step */
export function heatImage(
  url: string,
  names: readonly string[],
  { fromUs, stepUs, count }: HeatMap['steps'],
  marks: Pick<Marks, 'fromUs' | 'toUs'>,
  label: string,
): Safe {
  const { width, left, right, bottom } = CHART;
  const rowHeight = Math.min(ROW_HEIGHT.most, Math.max(ROW_HEIGHT.least, ROWS_HEIGHT / names.length));
  const height = rowHeight * names.length;
  const spanUs = marks.toUs - marks.fromUs;
  const x = (us: number): number => left + ((us - marks.fromUs) / spanUs) * (width - left - right);
  const every = Math.max(1, Math.ceil(NAMED_ROW_HEIGHT_MIN / rowHeight));
  const round = (value: number): number => Math.round(value * 10) / 10;
  return markup`<svg
    class="heat"
    viewBox="0 0 ${width} ${round(height + bottom)}"
    role="img"
    aria-label="${label}"
  >
    <rect class="unseen" x="${left}" y="0" width="${width - left - right}" height="${round(height)}" />
    <svg
      x="${left}"
      y="0"
      width="${width - left - right}"
      height="${round(height)}"
      viewBox="${left} 0 ${width - left - right} ${round(height)}"
      preserveAspectRatio="none"
    >
      <image
        href="${url}"
        x="${round(x(fromUs))}"
        y="0"
        width="${round(x(fromUs + count * stepUs) - x(fromUs))}"
        height="${round(height)}"
        preserveAspectRatio="none"
        image-rendering="pixelated"
      />
    </svg>
    ${names.map((name, at) => at % every === 0 && markup`<text class="${at % (NAMES_OF_NARROW * every) === 0 ? 'tick' : 'tick minor'}" x="${left - 6}" y="${round((at + 0.5) * rowHeight + 4)}" text-anchor="end">${name}</text>`)}
    ${timeTicks(marks, x).map(({ at, text }) => markup`<text class="tick" x="${round(at)}" y="${round(height + 14)}" text-anchor="${anchorAt(at)}">${text}</text>`)}
  </svg>`;
}

/** Names in so little room: of a device its node and number. */
function nameOf({ node, gpu }: HeatRow, devices: JobFigures['devices']): string {
  const device = devices.find((one) => one.gpu === gpu);
  const text = device === undefined ? node : deviceName(device).replace(' gpu ', ':');
  return shortName(text);
}

/** The end of a name, for which there is room beside a row. */
export function shortName(name: string): string {
  const text = harmless(name);
  return text.length > 9 ? `…${text.slice(-8)}` : text;
}

function clamp(ratio: number): number {
  return Math.min(1, Math.max(0, ratio));
}
