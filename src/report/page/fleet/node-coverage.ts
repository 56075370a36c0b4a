import { HOUR_US } from '../../../core/base/hour.ts';
import type { CapacityFigures } from '../../../figures/capacity/figures.ts';
import { addTimes, timesUs } from '../../../figures/capacity/installed/parts.ts';
import { formatCount, formatCoverage, formatHours, hourDecimals } from '../../text/format-quantity.ts';
import { clip, harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml } from '../table-html.ts';
import { nodeNames, nodesOf } from './node-names.ts';

const NODES_MAX = 10;
const NAME_WIDTH = 32;

/** The nodes of which least was seen of what was there. @param figures by node, of any periods */
export function nodeCoverage({ installed }: CapacityFigures): Safe {
  const rows = installed.rows.filter(({ kind }) => kind === 'group');
  const groups = nodesOf(rows);
  if (groups.size === 0) return markup`<p>Of no node it is known that it was there.</p>`;
  const names = nodeNames(rows);
  const nodes = [...groups].map(([key, own]) => {
    const parts = addTimes(own.map((row) => row.parts));
    return { name: names.get(key)!, unseenUs: parts.unseen ?? 0, allUs: timesUs(parts) };
  });
  const unseen = nodes
    .filter(({ unseenUs }) => unseenUs > 0)
    .toSorted((a, b) => b.unseenUs / b.allUs - a.unseenUs / a.allUs || b.unseenUs - a.unseenUs);
  if (unseen.length === 0)
    return markup`<p>Of ${formatCount(nodes.length, 'node')} everything was seen, from first to last sign of life.</p>`;
  const decimals = hourDecimals(Math.max(...unseen.map(({ allUs }) => allUs)) / HOUR_US);
  const shown = unseen.slice(0, NODES_MAX);
  const left = nodes.length - shown.length;
  return markup`${tableHtml(
    ['node', 'seen', 'not seen (GPU-hours)', 'of'],
    shown.map(({ name, unseenUs, allUs }) => [
      clip(harmless(name), NAME_WIDTH),
      formatCoverage(1 - unseenUs / allUs),
      formatHours(unseenUs, decimals),
      formatHours(allUs, decimals),
    ]),
  )}${left > 0 && markup`<p class="note">Of ${formatCount(left, 'more node')} as much was seen, or more.</p>`}`;
}
