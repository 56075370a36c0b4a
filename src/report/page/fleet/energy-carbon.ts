import {
  isOwned,
  type CapacityFigures,
  type CapacityTimes,
  type TimesRow,
} from '../../../figures/capacity/figures.ts';
import { energyCostText } from '../../costs-text.ts';
import { formatCoverage, formatEnergy, formatGrams, formatRatio } from '../../text/format-quantity.ts';
import { clip } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';

const CHART = { width: 960, height: 150, left: 70, right: 8, top: 8, bottom: 24 } as const;
const LEVELS = [0, 0.5, 1] as const;
const NAMES_MAX = 10;
const BAR_WIDTH_MAX = 90;
/** More would be no bars any more. */
const BARS_MAX = 120;

interface Drawn {
  readonly name: string;
  /** J; undefined where none is known. */
  readonly owned: number | undefined;
  readonly unowned: number | undefined;
  /** g of CO2e; undefined where it is not configured, or not known. */
  readonly grams: number | undefined;
}

/** What the GPUs drew, for jobs and for nobody, and what that emits. @param days the same time by clusters, which are all of it, and periods */
export function energyCarbon(figures: CapacityFigures, days: CapacityTimes | undefined): Safe {
  return markup`<section aria-labelledby="energy"><h2 id="energy">Energy and carbon</h2>
<p>${answer(figures)}</p>${days && chart(days)}</section>`;
}

function answer({ all, rows, sampledUs, costBasis }: CapacityFigures): string {
  const { best } = all.energy;
  if (best === undefined || best.knownUs === 0) return 'No energy was recorded in this time.';
  const nobodys = sumOf(rows.filter(({ kind }) => !isOwned(kind)).map(joulesOf));
  const priced = costBasis && all.costs && energyCostText(all.costs, costBasis.rates);
  return [
    `The GPUs drew ${formatEnergy(best.value)}${best.knownUs < sampledUs ? `, as far as that is known: of ${formatCoverage(best.knownUs / sampledUs)} of the time that was seen` : ''}.`,
    ...(nobodys === undefined || best.value === 0
      ? []
      : [`${formatRatio(nobodys / best.value)} of it while no job owned them.`]),
    priced === undefined ? 'What it emits is not told: costs.grams_per_kwh.' : `${upperFirst(priced)}.`,
  ].join(' ');
}

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function joulesOf({ energy: { best } }: TimesRow): number | undefined {
  return best !== undefined && best.knownUs > 0 ? best.value : undefined;
}

/** Of what is known; undefined where nothing is. */
function sumOf(all: readonly (number | undefined)[]): number | undefined {
  const known = all.filter((one) => one !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, one) => sum + one, 0);
}

function drawnOf({ rows }: CapacityTimes): Drawn[] {
  return [...Map.groupBy(rows, ({ period }) => period)]
    .flatMap(([name, own]): Drawn[] =>
      name === undefined
        ? []
        : [
            {
              name,
              owned: sumOf(own.filter(({ kind }) => isOwned(kind)).map(joulesOf)),
              unowned: sumOf(own.filter(({ kind }) => !isOwned(kind)).map(joulesOf)),
              grams: sumOf(own.map(({ costs }) => costs?.carbon?.value)),
            },
          ],
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .slice(-BARS_MAX);
}

function wordsOf({ name, owned, unowned, grams }: Drawn): string {
  const joules = sumOf([owned, unowned]);
  if (joules === undefined) return `${name}: not known`;
  return [
    `${name}: ${formatEnergy(joules)}`,
    ...(unowned === undefined ? [] : [`${formatEnergy(unowned)} of it for nobody`]),
    ...(grams === undefined ? [] : [`${formatGrams(grams)} CO2e`]),
  ].join(', ');
}

function chart(days: CapacityTimes): Safe | undefined {
  const periods = drawnOf(days);
  const topJoules = Math.max(0, ...periods.map(({ owned, unowned }) => sumOf([owned, unowned]) ?? 0));
  if (periods.length < 2 || topJoules === 0) return undefined;
  const { width, height, left, right, top, bottom } = CHART;
  const step = (width - left - right) / periods.length;
  const barWidth = Math.min(BAR_WIDTH_MAX, step * 0.7);
  const every = Math.ceil(periods.length / NAMES_MAX);
  const y = (joules: number): number => round(top + (1 - joules / topJoules) * (height - top - bottom));
  const bar = (kind: 'rest' | 'unknown', from: number, joules: number, x: number): Safe | false =>
    joules > 0 &&
    markup`<rect class="part ${kind}" x="${x}" y="${y(from + joules)}" width="${round(barWidth)}" height="${round(Math.max(0, y(from) - y(from + joules)))}"/>`;
  return markup`<p class="note">Energy by ${days.every ?? 'day'}. Blue: of jobs. Grey: while no job owned the GPUs.</p>
<svg class="chart energies" viewBox="0 0 ${width} ${height}" role="img" aria-label="${`Energy from ${periods[0]!.name} to ${periods.at(-1)!.name}: at most ${formatEnergy(topJoules)} a ${days.every ?? 'day'}`}">${LEVELS.map(
    (level) =>
      markup`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(level * topJoules)}" y2="${y(level * topJoules)}"/><text class="tick" x="${left - 6}" y="${y(level * topJoules) + 4}" text-anchor="end">${formatEnergy(level * topJoules)}</text>`,
  )}${periods.map((period, at) => {
    const { owned = 0, unowned = 0 } = period;
    const middle = left + (at + 0.5) * step;
    const x = round(middle - barWidth / 2);
    const name = clip(period.name, 12);
    return markup`<g><title>${wordsOf(period)}</title>${bar('rest', 0, owned, x)}${bar('unknown', owned, unowned, x)}${at % every === 0 && markup`<text class="tick" x="${round(middle)}" y="${height - 6}" text-anchor="middle">${days.every === 'day' ? name.slice(5) : name}</text>`}</g>`;
  })}</svg>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
