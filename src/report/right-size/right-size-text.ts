import type { Size } from '../../core/right-size/sizes.ts';
import type { RightSizeFigures, SizedGroup, Unsized, WhatIf } from '../../figures/right-size/figures.ts';
import {
  calendarDate,
  formatCount,
  formatGpuHours,
  formatHours,
  formatMemory,
  formatMoment,
  formatRatio,
  formatSpan,
  hourDecimals,
} from '../text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from '../text/report-text.ts';
import { foldedTables, pack, stacked, wrap } from '../text/table-text.ts';

/** Groups that are shown; --json and --csv have all. */
const SHOWN_MAX = 20;

/** Who could have done with less, for people. */
export function renderRightSize(figures: RightSizeFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const title = pack(titleParts(figures), ' · ', width, '', '  ');
  const bold = new Set(options.isColored ? title.slice(0, 1) : []);
  const lines = [...title];
  const note = (text: string): void => {
    lines.push(...wrap(text, width, '  ', '    '));
  };
  if (figures.groups.length === 0 && figures.unsized.size === 0) note('No job had a GPU in this window.');
  else {
    lines.push(...groupLines(figures, options));
    for (const text of rightSizeAnswers(figures)) note(text);
  }
  for (const whatIf of figures.whatIfs) for (const text of whatIfTexts(whatIf)) note(text);
  return finishLines(lines, options, bold);
}

function titleParts({ fromUs, toUs, cluster, isSynthetic, sized }: RightSizeFigures): string[] {
  return [
    'Right size',
    ...(cluster === undefined ? [] : [`cluster ${cluster}`]),
    `${formatMoment(fromUs).replace(/ UTC$/, '')} → ${formatMoment(toUs)}`,
    `${formatCount(sized.runs, 'job')} of one GPU, ${formatGpuHours(sized.ownedUs)}`,
    ...(isSynthetic ? ['synthetic'] : []),
  ];
}

function groupLines(figures: RightSizeFigures, options: RenderOptions): string[] {
  const { groups } = figures;
  const { titles, rows, left } = rightSizeTable(figures, options);
  if (groups.length > 0 && rows.length === 0)
    return wrap('Nobody could have done with less than they had.', reportWidth(options), '  ', '    ');
  if (rows.length === 0) return [];
  const rest = groups.length - rows.length - left;
  return [
    '',
    ...stacked(foldedTables([titles, ...rows], ['left', 'left'], 2, lineWidth(options))),
    ...(left > 0 ? [`  … and ${left} more (--json, --csv)`] : []),
    ...(rest > 0 ? [`  ${formatCount(rest, 'other group')} could not have done with less.`] : []),
    '',
  ];
}

/** Those who could have done with less, most freed first, as cells; and how many more there are. */
export function rightSizeTable(
  { groups }: RightSizeFigures,
  options: RenderOptions,
): {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly left: number;
} {
  const less = groups.filter(isLess);
  const decimals = hourDecimals(Math.max(0, ...less.map(({ ownedUs }) => ownedUs)) / 3600e6);
  const shown = less.slice(0, SHOWN_MAX);
  return {
    titles: TITLES,
    rows: shown.map((group) => [
      cellText(group.account ?? '(not told)', options, 20),
      cellText(group.name ?? '(not told)', options, 28),
      String(group.runs),
      formatHours(group.ownedUs, decimals),
      formatMemory(group.memoryPeakBytes),
      formatRatio(group.smP95),
      nameOf(group.had, group.model, options),
      nameOf(group.size, group.model, options),
      formatHours(group.sizedUs, decimals),
    ]),
    left: less.length - shown.length,
  };
}

const TITLES = [
  ...['account', 'job', 'jobs', 'GPU-hours', 'memory peak'],
  ...['SM p95', 'had', 'would do', 'GPU-hours then'],
];

function isLess({ had, size }: SizedGroup): boolean {
  return had !== size;
}

function nameOf({ profile }: Size, model: string, options: RenderOptions): string {
  return profile ?? cellText(model.replace(/^NVIDIA /, ''), options, 24);
}

/** What packing by the sizes would have freed, how far off that may be, and who was not looked at. */
export function rightSizeAnswers(figures: RightSizeFigures): string[] {
  return [...freedTexts(figures), ...weekTexts(figures), ...unsizedTexts(figures)];
}

function freedTexts({ usedUs, neededUs, usedMost, neededMost }: RightSizeFigures): string[] {
  if (usedUs === 0) return [];
  return [
    `Packed by these sizes jobs would have had ${formatGpuHours(neededUs)} of whole GPUs instead of ${formatGpuHours(usedUs)}` +
      ` (${formatRatio((usedUs - neededUs) / usedUs)} less), and ${neededMost} at once instead of ${usedMost}, at most.`,
  ];
}

function weekTexts({ weeks }: RightSizeFigures): string[] {
  if (weeks.length === 0)
    return [
      'How far off that may be is not known: it takes two whole weeks, each held against sizes chosen without it.',
    ];
  const freed = weeks.map(({ freedUs }) => freedUs);
  const [runs, failed] = [
    weeks.reduce((sum, week) => sum + week.runs, 0),
    weeks.reduce((sum, week) => sum + week.failed, 0),
  ];
  const tried =
    runs === 0
      ? 'no job was tried so'
      : `${failed} of ${formatCount(runs, 'job')} would have been given too little`;
  return [
    `Each of ${weeks.length} weeks (from ${calendarDate(weeks[0]!.fromUs)}) by sizes chosen without it: ${formatGpuHours(Math.min(...freed))} to ${formatGpuHours(Math.max(...freed))} freed a week; ${tried}.`,
  ];
}

const REASONS: Readonly<Record<Unsized, string>> = {
  several_gpus: 'had several GPUs, and MIG instances do not reach each other as GPUs do',
  shared: 'shared a GPU: whose memory it was is not known',
  no_memory: 'used memory that nobody recorded',
  no_activity: 'had SM activity that nobody recorded',
  partly_seen: 'were seen for less than nine tenths of their time',
  no_device: 'had a device of which the inventory does not tell how large it is',
  id_again: 'bear an id that two jobs had on one device',
};

function unsizedTexts({ unsized }: RightSizeFigures): string[] {
  if (unsized.size === 0) return [];
  const told = [...unsized]
    .sort(([, a], [, b]) => b.ownedUs - a.ownedUs)
    .map(
      ([why, { runs, ownedUs }]) =>
        `${formatCount(runs, 'job')} (${formatGpuHours(ownedUs)}) ${REASONS[why]}`,
    );
  return [`Not looked at, and left as they were: ${told.join('; ')}.`];
}

/** What would have been, for people, below another report of the same time; nothing where nobody asked. */
export function renderWhatIfs(whatIfs: readonly WhatIf[], options: RenderOptions): string {
  if (whatIfs.length === 0) return '';
  const width = reportWidth(options);
  const notes = whatIfs.flatMap(whatIfTexts).flatMap((text) => wrap(text, width, '  ', '    '));
  return finishLines(['', ...notes], options, new Set());
}

function whatIfTexts(whatIf: WhatIf): string[] {
  if (whatIf.of === 'mig') {
    const { profile, count, models, fitting, known, usedUs, neededUs, neededMost } = whatIf;
    return [
      `What if GPUs (${models.join(', ')}) were cut into ${count} of ${profile}: they would have done for ${fitting} of ${formatCount(known, 'job')} of which that is known;` +
        ` ${formatGpuHours(neededUs)} of whole GPUs instead of ${formatGpuHours(usedUs)}, ${neededMost} at once at most.`,
    ];
  }
  const { limitUs, runs, freedUs, stoppedBefore, maybeStopped, unknown, known } = whatIf;
  return [
    `What if idle jobs were ended after ${formatSpan(limitUs)}: of ${formatCount(known, 'job')} that ended, ${runs} had idled at their end for longer: ${formatGpuHours(freedUs)} freed.` +
      ` ${stoppedBefore} idled for longer before they worked, and would have been stopped; ${maybeStopped} paused for longer in all, and may have been.` +
      (unknown === 0 ? '' : ` Of ${formatCount(unknown, 'more job')} that is not known.`),
  ];
}
