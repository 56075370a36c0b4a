import { HOUR_US } from '../../core/base/hour.ts';
import type { Installed } from '../../figures/capacity/figures.ts';
import { INSTALLED_PARTS, timesUs, type InstalledPart } from '../../figures/capacity/installed/parts.ts';
import { barText } from '../text/bar-text.ts';
import { formatHours, formatRatio, hourDecimals } from '../text/format-quantity.ts';
import { tableText } from '../text/table-text.ts';

/** What people call a part of the time of GPUs. */
export const INSTALLED_LABELS: Readonly<Record<InstalledPart, string>> = {
  unseen: 'not seen',
  down: 'node down',
  drained: 'node drained',
  fragmented: 'free in too small pieces',
  free: 'free',
  unowned: 'unowned, node not told',
  partlyFree: 'free parts of GPUs',
  idleHead: 'owned: idle at the beginning',
  idle: 'owned: idle',
  idleTail: 'owned: idle at the end',
  stalled: 'owned: waiting, no progress',
  low: 'owned: low use',
  effective: 'owned: effective',
  untold: 'owned: not told apart',
};

/** What the free time means beside those who waited, where there is any. */
export function inPiecesTexts({ all, inPieces }: Installed): string[] {
  if (all.fragmented !== undefined)
    return [
      'free in too small pieces: a job waited that asked for no more GPUs than were free, and they lay on more nodes than it can use.',
    ];
  if (all.free === undefined || inPieces === undefined) return [];
  switch (inPieces) {
    case 'told':
      return [];
    case 'queueNotAsked':
      return ['free: nobody asked who waited, so it is not known what of it lay in too small pieces.'];
    case 'windowTooLong':
      return ['free: what of it lay in too small pieces is told of windows of up to 31 days.'];
  }
}

const BAR_WIDTH = 20;

/** Where the time of all GPUs went, a line for each part that there is, with a blank line before and behind them; bars where there is room. */
export function installedLines({ all }: Installed, width: number): string[] {
  const allUs = timesUs(all);
  const shown = INSTALLED_PARTS.flatMap((part) => {
    const us = all[part];
    return us === undefined ? [] : [{ part, us }];
  });
  if (allUs === 0) return [];
  const decimals = hourDecimals(allUs / HOUR_US);
  const rows = shown.map(({ part, us }) => [
    INSTALLED_LABELS[part],
    formatRatio(us / allUs),
    `${formatHours(us, decimals)} h`,
    barText(us / allUs, BAR_WIDTH),
  ]);
  const sides = ['left', 'right', 'right', 'left'] as const;
  const lines = tableText([['', 'of the time', 'GPU-hours', ''], ...rows], sides);
  const isWide = lines.every((line) => line.length <= width);
  const bare = rows.map((row) => row.slice(0, -1));
  return [
    '',
    '  Where the time of the GPUs went',
    ...(isWide ? lines : tableText([['', 'of the time', 'GPU-hours'], ...bare], sides.slice(0, -1))),
    '',
  ];
}
