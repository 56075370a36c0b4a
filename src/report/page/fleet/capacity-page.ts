import type { CapacityFigures } from '../../../figures/capacity/figures.ts';
import { capacityNotes, capacityTable, capacityTitle } from '../../capacity-text.ts';
import { markup, type Safe } from '../html.ts';
import { pageText, type PageAssets } from '../page.ts';
import { tableHtml } from '../table-html.ts';
import { capacityBars, capacityTiles } from './capacity-parts.ts';
import { periodsChart } from './periods-chart.ts';
import { sectionsHtml, type FleetSections } from './sections.ts';
import { waterfall } from './waterfall.ts';

/**
 * The account of the fleet as a page in one file, which asks for nothing else.
 * @param assets of `readStillAssets` @param version of gpuledger
 * @param days the same time by clusters and days, weeks or months; without it they are not drawn
 * @param sections what planners ask beside that; what is not in it was not asked for
 */
export function renderCapacityPage(
  figures: CapacityFigures,
  {
    assets,
    version,
    days,
    sections,
  }: {
    readonly assets: PageAssets;
    readonly version: string;
    readonly days?: CapacityFigures;
    readonly sections?: FleetSections;
  },
): string {
  const [title = '', window = '', ...rest] = capacityTitle(figures);
  const { titles, rows } = capacityTable(figures);
  const body = markup`<main>
<header><h1>${title} · ${window}</h1><p class="who">${rest.join(' · ')}</p></header>
${
  figures.samples === 0
    ? markup`<p class="verdict">no data: nothing was sampled in this window. Was a collector running?</p>`
    : markup`${capacityTiles(figures)}${waterfall(figures)}${days && periodsChart(days)}${capacityBars(figures)}${sections && sectionsHtml(sections)}
<section aria-labelledby="table"><h2 id="table">By ${[figures.by, ...figures.also, ...(figures.every === undefined ? [] : [figures.every])].join(' and ')}</h2>${tableHtml(titles, rows)}</section>
${notesOf(figures)}`
}
<footer><p class="note">gpuledger ${version}</p></footer>
</main>`;
  return pageText(`${title} ${window}`, body, assets);
}

/** What the figures mean. */
export function notesOf(figures: CapacityFigures): Safe {
  return markup`<section aria-labelledby="notes"><h2 id="notes">What the figures mean</h2><ul>${capacityNotes(figures).map((note) => markup`<li>${note}</li>`)}</ul></section>`;
}
