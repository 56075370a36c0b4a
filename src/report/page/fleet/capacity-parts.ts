import { HOUR_US } from '../../../core/base/hour.ts';
import { isOwned, type CapacityFigures } from '../../../figures/capacity/figures.ts';
import { capacityNames } from '../../capacity-text.ts';
import {
  formatGpuHours,
  formatHours,
  formatQuantity,
  formatRatio,
  hourDecimals,
  NOT_KNOWN,
} from '../../text/format-quantity.ts';
import { clip } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { tilesHtml } from '../tiles.ts';
import { timeParts } from './time-parts.ts';

const BAR = { width: 960, left: 180, right: 90, height: 22, gap: 6 } as const;
const NAME_WIDTH_MAX = 24;
/** Longer lists are in the table. */
const BARS_MAX = 20;

/** Four numbers, each with what it is worth. */
export function capacityTiles(figures: CapacityFigures): Safe {
  const { rows, all, sampledUs, knownUs } = figures;
  const ownedUs = rows.reduce((us, row) => (isOwned(row.kind) ? us + row.attributedUs : us), 0);
  const { idle, wasted, smActive, energy } = all;
  return tilesHtml([
    {
      value: formatGpuHours(sampledUs),
      name: 'seen',
      note:
        knownUs === undefined
          ? 'of these jobs'
          : `${formatRatio(knownUs > 0 ? sampledUs / knownUs : 0)} of what was there`,
    },
    {
      value: sampledUs > 0 ? formatRatio(ownedUs / sampledUs) : NOT_KNOWN,
      name: 'owned by jobs',
      note: formatGpuHours(ownedUs),
    },
    {
      value: wasted === undefined ? NOT_KNOWN : formatGpuHours(wasted.value),
      name: 'owned and not used',
      note: [
        ...(smActive === undefined ? [] : [`SM activity ${formatQuantity(smActive)}`]),
        ...(idle === undefined ? [] : [`idle ${formatRatio(idle.value / idle.knownUs)}`]),
      ].join(', '),
    },
    { value: formatQuantity(energy.best), name: 'energy', note: '' },
  ]);
}

/** Of each row its time: what was used, what was idle, the rest of what was owned; of nobody's time all. */
export function capacityBars(figures: CapacityFigures): Safe | undefined {
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
<div class="scrolls" role="region" tabindex="0" aria-label="Bars, which scroll"><svg class="bars" viewBox="0 0 ${BAR.width} ${height}" role="img" aria-label="GPU-hours of each row; the table below has them">${shown.map(
    (row, index) => {
      const y = index * (BAR.height + BAR.gap);
      let x: number = BAR.left;
      const name = `${[names.get(row)!, ...row.also.map((other) => other ?? '(not told)')].join(' ')}${row.period === undefined ? '' : ` ${row.period}`}`;
      const parts = timeParts(row).map(({ kind, us }) => {
        const from = x;
        x += length(us);
        return markup`<rect class="part ${kind}" x="${Math.round(from * 10) / 10}" y="${y}" width="${length(us)}" height="${BAR.height}"/>`;
      });
      return markup`<g><title>${name}: ${formatGpuHours(row.attributedUs)}</title><text class="name" x="${BAR.left - 8}" y="${y + 16}" text-anchor="end">${clip(name, NAME_WIDTH_MAX)}</text>${parts}<text class="name" x="${Math.round(x + 6)}" y="${y + 16}">${formatHours(row.attributedUs, decimals)} h</text></g>`;
    },
  )}</svg></div>
${timed.length > BARS_MAX && markup`<p class="note">and ${timed.length - BARS_MAX} more: the table has all</p>`}</section>`;
}
