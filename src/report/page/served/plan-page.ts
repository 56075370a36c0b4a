import type { CapacityFigures } from '../../../figures/capacity/figures.ts';
import { capacityTitle } from '../../capacity-text.ts';
import { capacityBody, type Beside } from '../fleet/capacity-page.ts';
import { markup } from '../html.ts';
import { servedPage, type Frame } from './frame.ts';

/** How far back a planner may want to look, by one touch. */
const WINDOWS = [
  { since: '1w', name: 'a week' },
  { since: '4w', name: 'four weeks' },
  { since: '13w', name: 'a quarter' },
  { since: '52w', name: 'a year' },
] as const;

/** Weeks of the fleet and what comes: the same that the page in a file has. @param frame of the server */
export function renderPlanPage(
  { figures, ...beside }: { readonly figures: CapacityFigures } & Beside,
  frame: Frame,
): string {
  const { cluster } = figures;
  const windows = WINDOWS.map(
    ({ since, name }) => markup` <a href="${frame.served.links.plan({ since, cluster })}">${name}</a>`,
  );
  const body = markup`<header><h1>Plan</h1><p class="who">${capacityTitle(figures).join(' · ')}</p></header>
<p class="note">The last${windows}</p>
${capacityBody(figures, beside)}`;
  return servedPage('Plan', body, frame);
}
