import { HOUR_US } from '../../core/base/hour.ts';
import { isOwned, type CapacityFigures, type CapacityRow } from '../../figures/capacity/figures.ts';
import { capacityNames, capacityNotes, capacityTable, capacityTitle } from '../capacity-text.ts';
import {
  formatGpuHours,
  formatHours,
  formatQuantity,
  formatRatio,
  hourDecimals,
  NOT_KNOWN,
} from '../text/format-quantity.ts';
import { clip } from '../text/table-text.ts';
import { markup, type Safe } from './html.ts';
import { pageText, type PageAssets } from './page.ts';
import { tableHtml } from './table-html.ts';

const BAR = { width: 960, left: 180, right: 90, height: 22, gap: 6 } as const;
const NAME_WIDTH_MAX = 24;
/** Longer lists are in the table. */
const BARS_MAX = 20;

/**
 * The account of the fleet as a page in one file, which asks for nothing else.
 * @param assets of `readStillAssets` @param version of gpuledger
 */
export function renderCapacityPage(
  figures: CapacityFigures,
  { assets, version }: { readonly assets: PageAssets; readonly version: string },
): string {
  const [title = '', window = '', ...rest] = capacityTitle(figures);
  const { titles, rows } = capacityTable(figures);
  const body = markup`<main>
<header><h1>${title} · ${window}</h1><p class="who">${rest.join(' · ')}</p></header>
${
  figures.samples === 0
    ? markup`<p class="verdict">no data: nothing was sampled in this window. Was a collector running?</p>`
    : markup`${tilesOf(figures)}${bars(figures)}
<section aria-labelledby="table"><h2 id="table">By ${figures.by}${figures.every === undefined ? '' : ` and ${figures.every}`}</h2>${tableHtml(titles, rows)}</section>
<section aria-labelledby="notes"><h2 id="notes">What the figures mean</h2><ul>${capacityNotes(figures).map((note) => markup`<li>${note}</li>`)}</ul></section>`
}
<footer><p class="note">gpuledger ${version}</p></footer>
</main>`;
  return pageText(`${title} ${window}`, body, assets);
}

/** Four numbers, each with what it is worth. */
function tilesOf(figures: CapacityFigures): Safe {
  const { rows, all, sampledUs, knownUs } = figures;
  const ownedUs = rows.reduce((us, row) => (isOwned(row.kind) ? us + row.attributedUs : us), 0);
  const { idle, wasted, smActive, energy } = all;
  const tiles = [
    [
      formatGpuHours(sampledUs),
      'seen',
      `${formatRatio(knownUs > 0 ? sampledUs / knownUs : 0)} of what was there`,
    ],
    [sampledUs > 0 ? formatRatio(ownedUs / sampledUs) : NOT_KNOWN, 'owned by jobs', formatGpuHours(ownedUs)],
    [
      wasted === undefined ? NOT_KNOWN : formatGpuHours(wasted.value),
      'owned and not used',
      [
        ...(smActive === undefined ? [] : [`SM activity ${formatQuantity(smActive)}`]),
        ...(idle === undefined ? [] : [`idle ${formatRatio(idle.value / idle.knownUs)}`]),
      ].join(', '),
    ],
    [formatQuantity(energy.best), 'energy', ''],
  ] as const;
  return markup`<dl class="tiles">${tiles.map(
    ([value, name, note]) =>
      markup`<div class="tile"><dt>${name}</dt><dd>${value}</dd><dd class="note">${note}</dd></div>`,
  )}</dl>`;
}

/** Of each row its time: what was used, what was idle, the rest of what was owned; of nobody's time all. */
function bars(figures: CapacityFigures): Safe | undefined {
  const timed = figures.rows.filter(({ attributedUs }) => attributedUs > 0);
  if (timed.length === 0) return undefined;
  const shown = timed.slice(0, BARS_MAX);
  const names = capacityNames(figures);
  const topUs = Math.max(...shown.map(({ attributedUs }) => attributedUs));
  const decimals = hourDecimals(topUs / HOUR_US);
  const height = shown.length * (BAR.height + BAR.gap);
  const length = (us: number): number =>
    Math.round(((BAR.width - BAR.left - BAR.right) * us * 10) / topUs) / 10;
  return markup`<section aria-labelledby="bars"><h2 id="bars">Whose the time was</h2>
<p class="note">Green: SM activity x time. Blue: the rest of the time that was owned and not idle. Orange: owned and idle. Grey: nobody's, or nothing is known of what was done.</p>
<svg class="bars" viewBox="0 0 ${BAR.width} ${height}" role="img" aria-label="GPU-hours of each row; the table below has them">${shown.map(
    (row, index) => {
      const y = index * (BAR.height + BAR.gap);
      let x: number = BAR.left;
      const name = `${names.get(row)!}${row.period === undefined ? '' : ` ${row.period}`}`;
      const parts = partsOf(row).map(({ kind, us }) => {
        const from = x;
        x += length(us);
        return markup`<rect class="part ${kind}" x="${Math.round(from * 10) / 10}" y="${y}" width="${length(us)}" height="${BAR.height}"/>`;
      });
      return markup`<g><title>${name}: ${formatGpuHours(row.attributedUs)}</title><text class="name" x="${BAR.left - 8}" y="${y + 16}" text-anchor="end">${clip(name, NAME_WIDTH_MAX)}</text>${parts}<text class="name" x="${Math.round(x + 6)}" y="${y + 16}">${formatHours(row.attributedUs, decimals)} h</text></g>`;
    },
  )}</svg>
${timed.length > BARS_MAX && markup`<p class="note">and ${timed.length - BARS_MAX} more: the table has all</p>`}</section>`;
}

interface Part {
  readonly kind: 'used' | 'rest' | 'idle' | 'unknown';
  readonly us: number;
}

/** They add up to the row's time: of what is known of a part of it only the rest is not known. */
function partsOf({ kind, attributedUs, wasted, idle, smActive }: CapacityRow): Part[] {
  if (!isOwned(kind) || wasted === undefined || smActive === undefined)
    return [{ kind: 'unknown', us: attributedUs }];
  const usedUs = Math.max(0, smActive.knownUs - wasted.value);
  const idleUs = Math.min(wasted.value, idle?.value ?? 0);
  const parts: Part[] = [
    { kind: 'used', us: usedUs },
    { kind: 'rest', us: Math.max(0, wasted.value - idleUs) },
    { kind: 'idle', us: idleUs },
    { kind: 'unknown', us: Math.max(0, attributedUs - smActive.knownUs) },
  ];
  return parts.filter(({ us }) => us > 0);
}
