import { HOUR_US } from '../../../core/base/hour.ts';
import type { CapacityFigures } from '../../../figures/capacity/figures.ts';
import { INSTALLED_PARTS, timesUs } from '../../../figures/capacity/installed/parts.ts';
import { INSTALLED_LABELS } from '../../capacity/installed-text.ts';
import { formatHours, formatRatio, hourDecimals } from '../../text/format-quantity.ts';
import { markup, type Safe } from '../html.ts';

const PLOT = { width: 960, left: 220, right: 150, height: 22, gap: 6 } as const;

/** The time of all GPUs that were there, part after part: each begins where the one before ends. */
export function waterfall({ installed: { all } }: CapacityFigures): Safe | undefined {
  const allUs = timesUs(all);
  const shown = INSTALLED_PARTS.flatMap((part) => {
    const us = all[part];
    return us === undefined ? [] : [{ part, us }];
  });
  if (shown.length === 0) return undefined;
  const decimals = hourDecimals(allUs / HOUR_US);
  const length = (us: number): number =>
    Math.round(((PLOT.width - PLOT.left - PLOT.right) * us * 10) / allUs) / 10;
  const height = shown.length * (PLOT.height + PLOT.gap);
  let beforeUs = 0;
  const bars = shown.map(({ part, us }, row) => {
    const [x, y] = [PLOT.left + length(beforeUs), row * (PLOT.height + PLOT.gap)];
    beforeUs += us;
    const text = `${formatHours(us, decimals)} h, ${formatRatio(us / allUs)}`;
    const name = INSTALLED_LABELS[part];
    return markup`<g><title>${name}: ${text}</title><text class="name" x="${PLOT.left - 8}" y="${y + 16}" text-anchor="end">${name}</text><rect class="part ${part}" x="${x}" y="${y}" width="${Math.max(0.5, length(us))}" height="${PLOT.height}"/><text class="name" x="${Math.round(PLOT.left + length(beforeUs) + 6)}" y="${y + 16}">${text}</text></g>`;
  });
  return markup`<section aria-labelledby="waterfall"><h2 id="waterfall">Where the time of the GPUs went</h2>
<p class="note">All of the time for which GPUs were there, ${formatHours(allUs, decimals)} GPU-hours: what nobody saw, what nobody had, and what was done with the rest.</p>
<div class="scrolls" role="region" tabindex="0" aria-label="Bars, which scroll"><svg class="bars" viewBox="0 0 ${PLOT.width} ${height}" role="img" aria-label="${shown.map(({ part, us }) => `${INSTALLED_LABELS[part]} ${formatRatio(us / allUs)}`).join(', ')}">${bars}</svg></div></section>`;
}
