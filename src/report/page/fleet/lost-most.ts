import { HOUR_US } from '../../../core/base/hour.ts';
import { isPeriod, type CapacityFigures, type InstalledRow } from '../../../figures/capacity/figures.ts';
import {
  addTimes,
  LOST_PARTS,
  OWNED_PARTS,
  partsUs,
  type InstalledTimes,
} from '../../../figures/capacity/installed/parts.ts';
import { INSTALLED_LABELS } from '../../capacity/installed-text.ts';
import { NOT_TOLD } from '../../capacity-text.ts';
import { formatHours, formatRatio, hourDecimals } from '../../text/format-quantity.ts';
import { clip, harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { nodeNames } from './node-names.ts';

const BAR = { width: 960, left: 180, right: 190, height: 22, gap: 6 } as const;
const NAME_WIDTH_MAX = 24;
const SHOWN_MAX = 10;

interface Loser {
  readonly name: string;
  readonly parts: InstalledTimes;
  readonly lostUs: number;
}

/** Whose GPUs were owned and idle, waiting or little used for longest. Undefined where rows are of times, or of nobody. */
export function lostMost({ by, installed }: CapacityFigures): Safe | undefined {
  const rows = installed.rows.filter(({ kind }) => kind === 'group' || kind === 'others');
  if (isPeriod(by) || rows.length === 0) return undefined;
  const losers = losersOf(rows);
  const body =
    losers.length === 0
      ? markup`<p>Nothing is known to have been lost${rows.some(({ parts }) => parts.untold !== undefined) && ': of some of what was owned it is not told what was done'}.</p>`
      : bars(losers);
  return markup`<section aria-labelledby="losers"><h2 id="losers">Who lost most</h2>${body}</section>`;
}

/** Most first, of all periods together; those who are not named are last. */
function losersOf(rows: readonly InstalledRow[]): Loser[] {
  const names = nodeNames(rows);
  const keyOf = ({ kind, name, cluster, also }: InstalledRow): string =>
    JSON.stringify([kind, cluster, name, also]);
  return [...Map.groupBy(rows, keyOf).values()]
    .map((own) => {
      const [first] = own as [InstalledRow, ...InstalledRow[]];
      const parts = addTimes(own.map((row) => row.parts));
      return { first, parts, lostUs: partsUs(parts, LOST_PARTS) };
    })
    .filter(({ lostUs }) => lostUs > 0)
    .sort((a, b) => Number(isOthers(a.first)) - Number(isOthers(b.first)) || b.lostUs - a.lostUs)
    .map(({ first, ...loser }) => ({ ...loser, name: nameOf(first, names) }));
}

function isOthers({ kind }: InstalledRow): boolean {
  return kind === 'others';
}

function nameOf(row: InstalledRow, names: ReadonlyMap<string, string>): string {
  if (isOthers(row)) return 'others';
  const { cluster, name, also } = row;
  return [names.get(JSON.stringify([cluster, name])) ?? NOT_TOLD, ...also.map((one) => one ?? NOT_TOLD)].join(
    ' ',
  );
}

function bars(losers: readonly Loser[]): Safe {
  const shown = losers.slice(0, SHOWN_MAX);
  const left = losers.length - shown.length;
  const topUs = Math.max(...shown.map(({ lostUs }) => lostUs));
  const decimals = hourDecimals(topUs / HOUR_US);
  const length = (us: number): number =>
    Math.round(((BAR.width - BAR.left - BAR.right) * us * 10) / topUs) / 10;
  const wordsOf = ({ parts, lostUs }: Loser): string =>
    `${formatHours(lostUs, decimals)} h, ${formatRatio(lostUs / partsUs(parts, OWNED_PARTS))} of their own`;
  const drawn = shown.map((loser, row) => {
    const { parts, lostUs } = loser;
    const name = harmless(loser.name);
    const y = row * (BAR.height + BAR.gap);
    let beforeUs = 0;
    const pieces = LOST_PARTS.flatMap((part) => {
      const us = parts[part];
      if (us === undefined) return [];
      const x = BAR.left + length(beforeUs);
      beforeUs += us;
      return [
        markup`<rect class="part ${part}" x="${Math.round(x * 10) / 10}" y="${y}" width="${length(us)}" height="${BAR.height}"><title>${name}, ${INSTALLED_LABELS[part]}: ${formatHours(us, decimals)} h</title></rect>`,
      ];
    });
    return markup`<g><text class="name" x="${BAR.left - 8}" y="${y + 16}" text-anchor="end">${clip(name, NAME_WIDTH_MAX)}</text>${pieces}<text class="name" x="${Math.round(BAR.left + length(lostUs) + 6)}" y="${y + 16}">${wordsOf(loser)}</text></g>`;
  });
  return markup`<p class="note">GPU-hours that were owned and idle (brown and orange), waiting without progress (violet) or of low use (green).</p>
<div class="scrolls" role="region" tabindex="0" aria-label="Bars, which scroll"><svg class="bars" viewBox="0 0 ${BAR.width} ${shown.length * (BAR.height + BAR.gap)}" role="img" aria-label="${shown.map((loser) => `${clip(harmless(loser.name), NAME_WIDTH_MAX)}: ${wordsOf(loser)}`).join('; ')}">${drawn}</svg></div>${left > 0 && markup`<p class="note">and ${left} more who lost less</p>`}`;
}
