import type { CapacityFigures, CapacityTimes } from '../../../figures/capacity/figures.ts';
import { capacityNotes, capacityTable, capacityTitle } from '../../capacity-text.ts';
import { markup, type Safe } from '../html.ts';
import { pageText, type PageAssets } from '../page.ts';
import { tableHtml } from '../table-html.ts';
import { capacityBars, capacityTiles } from './capacity-parts.ts';
import { energyCarbon } from './energy-carbon.ts';
import { lostMost } from './lost-most.ts';
import { periodsChart } from './periods-chart.ts';
import { sectionsHtml, type FleetSections } from './sections.ts';
import { waterfall } from './waterfall.ts';

/** What is drawn of the fleet beside the figures. */
export interface Beside {
  /** The same time by clusters and days, weeks or months; without it they are not drawn. */
  readonly days?: CapacityTimes | undefined;
  /** What planners ask beside that; what is not in it was not asked for. */
  readonly sections?: FleetSections | undefined;
}

/**
 * The account of the fleet as a page in one file, which asks for nothing else.
 * @param assets of `readStillAssets` @param version of gpuledger
 */
export function renderCapacityPage(
  figures: CapacityFigures,
  { assets, version, ...beside }: { readonly assets: PageAssets; readonly version: string } & Beside,
): string {
  const [title = '', window = '', ...rest] = capacityTitle(figures);
  const body = markup`<main>
<header><h1>${title} · ${window}</h1><p class="who">${rest.join(' · ')}</p></header>
${capacityBody(figures, beside)}
<footer><p class="note">gpuledger ${version}</p></footer>
</main>`;
  return pageText(`${title} ${window}`, body, assets);
}

/** All that is drawn and told of the fleet in a time, below what it is called. */
export function capacityBody(figures: CapacityFigures, { days, sections }: Beside): Safe {
  if (figures.samples === 0)
    return markup`<p class="verdict">no data: nothing was sampled in this window. Was a collector running?</p>`;
  const { titles, rows } = capacityTable(figures);
  return markup`${capacityTiles(figures)}${waterfall(figures)}${days && periodsChart(days)}${capacityBars(figures)}${lostMost(figures)}
${energyCarbon(figures, days)}${sections && sectionsHtml(sections)}
<section aria-labelledby="table"><h2 id="table">By ${[figures.by, ...figures.also, ...(figures.every === undefined ? [] : [figures.every])].join(' and ')}</h2>${tableHtml(titles, rows)}</section>
${notesOf(figures)}`;
}

/** What the figures mean. */
export function notesOf(figures: CapacityFigures): Safe {
  return markup`<section aria-labelledby="notes"><h2 id="notes">What the figures mean</h2><ul>${capacityNotes(figures).map((note) => markup`<li>${note}</li>`)}</ul></section>`;
}
