import type { ReliabilityFigures } from '../../../figures/reliability/figures.ts';
import {
  failedNodeTable,
  failureRateText,
  lemonText,
  NO_XID,
  reliabilityNotes,
  xidTable,
} from '../../reliability/reliability-text.ts';
import { calendarDate, formatCount } from '../../text/format-quantity.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml, type Cell } from '../table-html.ts';

/** Names are cut as in a terminal. */
const CELLS = { width: 100, isColored: false } as const;
/** More are in `report reliability --json`. */
const NODES_MAX = 10;

/** How often nodes and GPUs fail, and which nodes do more often than the others. */
export function healthHtml(figures: ReliabilityFigures): Safe {
  const { fromUs, toUs, nodes } = figures;
  const window = `${calendarDate(fromUs)} to ${calendarDate(toUs)} UTC.`;
  if (nodes.length === 0) return markup`<p>${window} No node was seen, so nothing is known of failures.</p>`;
  const xids = xidTable(figures, CELLS);
  return markup`<p>${window} ${failureRateText(figures)} ${lemonText(figures, CELLS)}</p>
${nodeTable(figures)}
${xids.rows.length === 0 ? markup`<p>${NO_XID}</p>` : tableHtml(xids.titles, xids.rows, new Set(['about']))}
<ul class="note">${reliabilityNotes(figures).map((note) => markup`<li>${note}</li>`)}</ul>`;
}

function nodeTable({ nodes }: ReliabilityFigures): Safe | undefined {
  const failed = nodes
    .filter(({ failures }) => failures > 0)
    .toSorted((a, b) => Number(b.isLemon) - Number(a.isLemon) || b.failures - a.failures);
  if (failed.length === 0) return undefined;
  const shown = failed.slice(0, NODES_MAX);
  const { titles, rows } = failedNodeTable(shown, nodes, CELLS);
  const marked = rows.map(([name = '', ...cells], at): Cell[] => [
    shown[at]!.isLemon ? markup`${name} <span class="badge">more than chance</span>` : name,
    ...cells,
  ]);
  const left = failed.length - shown.length;
  return markup`${tableHtml(titles, marked, new Set(['last', 'shown by']))}${left > 0 && markup`<p class="note">and ${formatCount(left, 'more node')} that failed: gpuledger report reliability --json</p>`}`;
}
