import type { RightSizeFigures } from '../../../figures/right-size/figures.ts';
import { rightSizeAnswers, rightSizeTable } from '../../right-size/right-size-text.ts';
import { calendarDate, formatCount } from '../../text/format-quantity.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml } from '../table-html.ts';

/** Names are cut as in a terminal. */
const CELLS = { width: 100, isColored: false } as const;

/** Who could have done with a smaller part of a GPU, and what packing by these sizes would have freed. */
export function rightSizeHtml(figures: RightSizeFigures): Safe {
  const { fromUs, toUs, groups, unsized } = figures;
  const window = `${calendarDate(fromUs)} to ${calendarDate(toUs)} UTC.`;
  if (groups.length === 0 && unsized.size === 0)
    return markup`<p>${window} No job had a GPU in this time.</p>`;
  const { titles, rows, left } = rightSizeTable(figures, CELLS);
  const answers = rightSizeAnswers(figures);
  return markup`<p>${window} ${rows.length === 0 && 'Nobody is known to have been able to do with less than they had.'}</p>
${rows.length > 0 && tableHtml(titles, rows, new Set(['job', 'had', 'would do']))}${left > 0 && markup`<p class="note">and ${formatCount(left, 'more group')}: gpuledger report right-size --json</p>`}
<ul class="note">${answers.map((note) => markup`<li>${note}</li>`)}</ul>`;
}
