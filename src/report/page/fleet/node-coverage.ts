import { HOUR_US } from '../../../core/base/hour.ts';
import type { CapacityFigures, CapacityTimes } from '../../../figures/capacity/figures.ts';
import { addTimes, timesUs } from '../../../figures/capacity/installed/parts.ts';
import { formatCount, formatCoverage, formatHours, hourDecimals } from '../../text/format-quantity.ts';
import { clip, harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml } from '../table-html.ts';
import { nodeNames, nodesOf } from './node-names.ts';

const NODES_MAX = 10;
const NAME_WIDTH = 32;

/** What is told of the nodes. */
export interface NodesFigures extends Pick<CapacityFigures, 'unseenNodes'> {
  /** By node and `heatPeriod`. */
  readonly times: CapacityTimes;
}

/** The nodes of which least was seen of what was there. */
export function nodeCoverage({ times: { rows }, unseenNodes }: NodesFigures): Safe {
  const seen = nodesOf(rows.filter(({ kind }) => kind === 'group'));
  const unseenOf = nodesOf(unseenNodes);
  const groups = nodesOf([...[...seen.values()].flat(), ...unseenNodes]);
  if (groups.size === 0) return markup`<p>Of no node it is known that it was there.</p>`;
  const names = nodeNames([...groups.values()].flat());
  const nodes = [...groups.keys()].map((key) => {
    const parts = addTimes((unseenOf.get(key) ?? []).map((one) => one.parts));
    const seenUs = (seen.get(key) ?? []).reduce(
      (us, { attributedUs, unownedUs = 0 }) => us + attributedUs + unownedUs,
      0,
    );
    return { name: names.get(key)!, unseenUs: parts.unseen ?? 0, allUs: seenUs + timesUs(parts) };
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
