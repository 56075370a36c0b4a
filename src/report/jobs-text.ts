import { HOUR_US } from '../core/base/hour.ts';
import {
  isShared,
  JOB_FILTERS,
  type JobAmounts,
  type JobsFigures,
  type JobsRow,
} from '../figures/job/jobs-figures.ts';
import { amountColumns, jobCostNotes } from './costs-text.ts';
import {
  calendarDate,
  clockTime,
  energyTexts,
  formatCount,
  formatHours,
  formatPeriod,
  formatQuantity,
  formatSpan,
  hourDecimals,
  NOT_KNOWN,
  ownedText,
} from './text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from './text/report-text.ts';
import { foldedTables, harmless, stacked, wrap } from './text/table-text.ts';
import { idleText, invalidRollupTexts, stateText } from './text/wording.ts';

/** Why the hours of shared devices are more than what was used and wasted of them. */
export const SHARED_NOTE =
  'GPU-hours are of whole GPUs, also of shared ones; what was done there is divided among their jobs.';

/** What the figures mean. */
export function jobsNotes(
  { rows, idleLimits, costBasis, invalidRollups }: JobsFigures,
  all: JobAmounts,
): string[] {
  return [
    'Each job is told whole, also what it did before and after that time.',
    `idle: ${idleText(idleLimits)}. wasted: GPU-hours less SM activity.`,
    ...(rows.some(({ lostUs }) => lostUs !== undefined)
      ? [
          'lost: GPU-hours that were seen and not effective, as was told of ended jobs while their samples were there.',
        ]
      : []),
    ...(rows.some(isShared) ? [SHARED_NOTE] : []),
    ...jobCostNotes(costBasis, all.costs),
    ...invalidRollupTexts(invalidRollups),
  ];
}

/** Jobs that are shown, of more than that. */
const JOB_ROWS_MAX = 40;

/** The account of many jobs for people, those first that the order asks for. */
export function renderJobsReport(figures: JobsFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const title = jobsTitle(figures);
  const lines = wrap(title, width, '', '  ');
  const { rows, all } = figures;
  if (all === undefined) lines.push('  no job was there then that is like that');
  else {
    lines.push(
      '',
      ...jobLines(figures, all, options),
      ...jobsNotes(figures, all).flatMap((note) => wrap(note, width, '  ', '  ')),
      ...wrap(`one of them: ${rows[0]!.command}`, width, '  ', '    '),
    );
  }
  return finishLines(lines, options, new Set(options.isColored ? [lines[0]!] : []));
}

/** What was asked for, and how much of it there is. */
export function jobsTitle({ fromUs, toUs, filters, jobs, rows, all, isSynthetic }: JobsFigures): string {
  const asked = JOB_FILTERS.flatMap((key) => (filters[key] === undefined ? [] : [`${key} ${filters[key]}`]));
  const parts = [
    'Jobs',
    formatPeriod(fromUs, toUs),
    ...(asked.length === 0 ? [] : [asked.join(', ')]),
    rows.length === jobs ? formatCount(jobs, 'job') : `${formatCount(jobs, 'job')} in ${rows.length} runs`,
    ...(all === undefined ? [] : [ownedText(all)]),
    ...(isSynthetic ? ['synthetic'] : []),
  ];
  return harmless(parts.join(' · '));
}

/**
 * A header, a row for each of these jobs, and one of all where that is given.
 * @param clipped what of a name is shown in so many columns
 */
export function jobsCells(
  shown: readonly JobsRow[],
  all: JobAmounts | undefined,
  costBasis: JobsFigures['costBasis'],
  clipped: (text: string, columns: number) => string,
): readonly (readonly string[])[] {
  const told: readonly JobAmounts[] = [...shown, ...(all === undefined ? [] : [all])];
  const energies = energyTexts(told.map(({ energy }) => energy));
  const decimals = hourDecimals(Math.max(0, ...told.map(({ ownedGpuUs }) => ownedGpuUs)) / HOUR_US);
  const hours = (us: number | undefined): string =>
    us === undefined ? NOT_KNOWN : formatHours(us, decimals);
  const money = amountColumns(costBasis, told);
  const amounts = (of: JobAmounts, index: number): string[] => [
    String(of.devices),
    hours(of.ownedGpuUs),
    ...money.map(({ cells }) => cells[index]!),
    hours(of.idle?.value),
    hours(of.used === undefined ? undefined : of.used.knownUs - of.used.value),
    hours(of.lostUs),
    energies[index]!,
    formatQuantity(of.smActive),
  ];
  const header = [
    ...['job', 'name', 'user', 'account', 'state', 'began (UTC)', 'time', 'GPUs', 'GPU-hours'],
    ...money.map(({ title }) => title),
    ...['idle', 'wasted', 'lost', 'energy', 'SM active'],
  ];
  return [
    header,
    ...shown.map((row, index) => [...whoCells(row, clipped), ...amounts(row, index)]),
    ...(all === undefined ? [] : [['all', '', '', '', '', '', '', ...amounts(all, shown.length)]]),
  ];
}

function jobLines({ rows, costBasis }: JobsFigures, all: JobAmounts, options: RenderOptions): string[] {
  const shown = options.isWhole === true ? rows : rows.slice(0, JOB_ROWS_MAX);
  const cells = jobsCells(shown, all, costBasis, (text, columns) => cellText(text, options, columns));
  const sides = ['left', 'left', 'left', 'left', 'left', 'left'] as const;
  const tables = foldedTables(cells, sides, 2, lineWidth(options));
  const left = rows.length - shown.length;
  if (left === 0) return stacked(tables);
  const more = `  … and ${left.toLocaleString('en-US')} more (--all)`;
  return stacked(tables.map((table) => [...table.slice(0, -1), more, table.at(-1)!]));
}

function whoCells(row: JobsRow, clipped: (text: string, columns: number) => string): string[] {
  return [
    clipped(row.typedId, 24),
    clipped(row.name ?? '', 20),
    clipped(row.user ?? '', 12),
    clipped(row.account ?? '', 12),
    stateText(row),
    `${calendarDate(row.startUs)} ${clockTime(row.startUs).slice(0, 5)}`,
    formatSpan(row.endUs - row.startUs),
  ];
}
