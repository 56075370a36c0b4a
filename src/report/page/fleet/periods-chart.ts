import { isOwned, type CapacityPeriod, type CapacityTimes } from '../../../figures/capacity/figures.ts';
import { formatGpuHours, formatRatio } from '../../text/format-quantity.ts';
import { clip } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { timeParts, type TimePart } from './time-parts.ts';

const CHART = { width: 960, height: 170, left: 44, right: 8, top: 8, bottom: 24 } as const;
const LEVELS = [0, 0.25, 0.5, 0.75, 1] as const;
/** A name below each bar where there is room for it. */
const NAMES_MAX = 10;
const BAR_WIDTH_MAX = 90;
/** More would be no bars any more. */
const BARS_MAX = 120;

const DAY_US = 86_400e6;
/** Windows up to so long are drawn by these. */
const PERIOD_OF_LENGTH: readonly (readonly [maxUs: number, period: CapacityPeriod])[] = [
  [62 * DAY_US, 'day'],
  [BARS_MAX * 7 * DAY_US, 'week'],
];

/** By what the time of a window is drawn; undefined where it is too short for that. */
export function drawnPeriod({
  fromUs,
  toUs,
}: Pick<CapacityTimes, 'fromUs' | 'toUs'>): CapacityPeriod | undefined {
  const lengthUs = toUs - fromUs;
  if (lengthUs <= DAY_US) return undefined;
  return PERIOD_OF_LENGTH.find(([maxUs]) => lengthUs <= maxUs)?.[1] ?? 'month';
}

/** What was seen of a period: whose it was, and what was done in it. */
interface Period {
  readonly name: string;
  readonly seenUs: number;
  readonly ownedUs: number;
  readonly parts: readonly TimePart[];
}

/** Of each day, week or month which part was occupied and used. @param figures by clusters, which are all of the time, and periods */
export function periodsChart(figures: CapacityTimes): Safe | undefined {
  const periods = periodsOf(figures).slice(-BARS_MAX);
  if (figures.every === undefined || periods.length < 2) return undefined;
  const { width, height, left, right, top, bottom } = CHART;
  const [plotWidth, plotHeight] = [width - left - right, height - top - bottom];
  const step = plotWidth / periods.length;
  const barWidth = Math.min(BAR_WIDTH_MAX, step * 0.7);
  const y = (ratio: number): number => round(top + (1 - ratio) * plotHeight);
  const every = Math.ceil(periods.length / NAMES_MAX);
  return markup`<section aria-labelledby="periods"><h2 id="periods">By ${figures.every}</h2>
<p class="note">Parts of the GPU time that was seen. Green: SM activity x time. Blue: the rest of the time that was owned and not idle. Orange: owned and idle. Grey: owned, and nothing is known of what was done. Above that: nobody's.</p>
<svg class="chart periods" viewBox="0 0 ${width} ${height}" role="img" aria-label="${labelOf(periods)}">${LEVELS.map(
    (level) =>
      markup`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(level)}" y2="${y(level)}"/><text class="tick" x="${left - 6}" y="${y(level) + 4}" text-anchor="end">${level * 100} %</text>`,
  )}${periods.map((period, at) => {
    const middle = left + (at + 0.5) * step;
    const name = clip(period.name, 12);
    return markup`<g><title>${wordsOf(period)}</title>${barOf(period, round(middle - barWidth / 2), round(barWidth), y)}${at % every === 0 && markup`<text class="tick" x="${round(middle)}" y="${height - 6}" text-anchor="middle">${figures.every === 'day' ? name.slice(5) : name}</text>`}</g>`;
  })}</svg></section>`;
}

function barOf({ parts, seenUs }: Period, x: number, width: number, y: (ratio: number) => number): Safe[] {
  let belowUs = 0;
  return parts.map(({ kind, us }) => {
    const from = y(belowUs / seenUs);
    belowUs += us;
    const to = y(belowUs / seenUs);
    return markup`<rect class="part ${kind}" x="${x}" y="${to}" width="${width}" height="${round(Math.max(0, from - to))}"/>`;
  });
}

/** From below. */
const KINDS = ['used', 'rest', 'idle', 'unknown'] as const;

function periodsOf({ rows }: CapacityTimes): Period[] {
  const byName = Map.groupBy(rows, ({ period }) => period);
  return [...byName]
    .flatMap(([name, own]): Period[] => {
      const seenUs = own.reduce((sum, { attributedUs }) => sum + attributedUs, 0);
      if (name === undefined || seenUs <= 0) return [];
      const owned = own.filter(({ kind }) => isOwned(kind));
      const parts = owned.flatMap(timeParts);
      return [
        {
          name,
          seenUs,
          ownedUs: owned.reduce((sum, { attributedUs }) => sum + attributedUs, 0),
          parts: KINDS.map((kind) => ({
            kind,
            us: parts.reduce((sum, part) => (part.kind === kind ? sum + part.us : sum), 0),
          })).filter(({ us }) => us > 0),
        },
      ];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function usedUs({ parts }: Period): number {
  return parts.find(({ kind }) => kind === 'used')?.us ?? 0;
}

function wordsOf(period: Period): string {
  const { name, seenUs, ownedUs } = period;
  return `${name}: ${formatRatio(ownedUs / seenUs)} owned, ${formatRatio(usedUs(period) / seenUs)} used, of ${formatGpuHours(seenUs)} seen`;
}

/** Without a look at it: what it comes to. */
function labelOf(periods: readonly Period[]): string {
  const sum = (of: (period: Period) => number): number => periods.reduce((all, one) => all + of(one), 0);
  const seenUs = sum((period) => period.seenUs);
  return `From ${periods[0]!.name} to ${periods.at(-1)!.name} ${formatRatio(sum(({ ownedUs }) => ownedUs) / seenUs)} of the time was owned and ${formatRatio(sum(usedUs) / seenUs)} used`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
