import { HOUR_US } from '../core/base/hour.ts';
import type { TaskAmounts, TaskFigures, TasksFigures } from '../figures/job/tasks-figures.ts';
import { amountColumns, jobCostNotes } from './costs-text.ts';
import {
  formatCount,
  formatCoverage,
  energyTexts,
  formatHours,
  formatPeriod,
  formatQuantity,
  formatSpan,
  hourDecimals,
  ownedText,
} from './text/format-quantity.ts';
import { otherJobLines, stepText, whoTexts } from './text/identity-text.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from './text/report-text.ts';
import { foldedTables, harmless, stacked, wrap } from './text/table-text.ts';
import { invalidRollupTexts, stateText } from './text/wording.ts';

/** More tasks than this are cut to the first and the last ones. */
const TASK_ROWS_MAX = 40;

/** The account of an array or a heterogeneous job for people. */
export function renderTasksReport(figures: TasksFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const title = tasksTitle(figures);
  const { askedStep, all } = figures;
  const [who, ...when] = tasksHead(figures);
  const lines = [
    title,
    ...wrap(who, width, '  ', '    '),
    ...when.map((line) => `  ${line}`),
    ...(askedStep === undefined ? [] : [`  ${stepText(askedStep)}`]),
    ...invalidRollupTexts(figures.invalidRollups).flatMap((text) => wrap(text, width, '  ', '    ')),
    ...otherJobLines(figures.otherJobs),
    '',
    ...taskLines(figures, options),
    ...jobCostNotes(figures.costBasis, all.costs).flatMap((note) => wrap(note, width, '  ', '    ')),
    `  one of them: ${figures.tasks[0]!.command}`,
  ];
  return finishLines(lines, options, new Set(options.isColored ? [title] : []));
}

/** Whose they are, when they ran, and how much of that was seen. */
export function tasksHead(figures: TasksFigures): [who: string, ...when: string[]] {
  const { startUs, endUs, isOpen, all, nodes } = figures;
  const what = `${formatCount(nodes, 'node')}, ${formatCount(all.devices, 'GPU')}`;
  const seen =
    all.coverage === undefined ? 'no data for its' : `seen ${formatCoverage(all.coverage.value)} of`;
  return [
    [whoTexts(figures).join(', '), what].filter((part) => part !== '').join(' · '),
    `${formatPeriod(startUs, endUs)}${isOpen ? ' (still running)' : ''}`,
    `${seen} ${ownedText(all)}`,
  ];
}

export function tasksTitle({ family, jobId, name, tasks, isSynthetic }: TasksFigures): string {
  const count = new Set(tasks.map(({ jobId: raw }) => raw)).size;
  const parts = [
    family === 'array' ? `Array ${jobId}` : `Heterogeneous job ${jobId}`,
    ...(name === undefined ? [] : [name]),
    formatCount(count, family === 'array' ? 'task' : 'component'),
    ...(isSynthetic ? ['synthetic'] : []),
  ];
  return harmless(parts.join(' · '));
}

function taskLines(figures: TasksFigures, options: RenderOptions): string[] {
  const { tasks } = figures;
  const shown = ({ task, jobId }: TaskFigures): [string, string] => [
    cellText(task ?? '?', options, 12),
    cellText(jobId, options, 24),
  ];
  const cells = taskCells(figures, shown);
  const tables = foldedTables(cells, ['right', 'left', 'left'], 2, lineWidth(options));
  if (options.isWhole === true || tasks.length <= TASK_ROWS_MAX) return stacked(tables);
  return stacked(tables.map((table) => shortened(table, tasks.length)));
}

/** Titles, a row of each task, and one of all. @param shown a task's number and raw id, as far as there is room */
export function taskCells(
  { family, tasks, all, costBasis }: TasksFigures,
  shown: (task: TaskFigures) => [string, string],
): string[][] {
  const energies = energyTexts([...tasks, all].map(({ energy }) => energy));
  const decimals = hourDecimals(all.ownedGpuUs / HOUR_US);
  const money = amountColumns(costBasis, [...tasks, all]);
  const amounts = (of: TaskAmounts, index: number): string[] => [
    String(of.devices),
    formatHours(of.ownedGpuUs, decimals),
    ...money.map(({ cells }) => cells[index]!),
    energies[index]!,
    formatQuantity(of.smActive),
  ];
  const rows = tasks.map((row, index) => [
    ...shown(row),
    stateText(row),
    formatSpan(row.endUs - row.startUs),
    ...amounts(row, index),
  ]);
  const title = family === 'array' ? 'task' : 'component';
  const titles = ['raw id', 'state', 'time', 'GPUs', 'GPU-hours', ...money.map((one) => one.title)];
  const header = [title, ...titles, 'energy', 'SM active'];
  return [header, ...rows, ['all', '', '', '', ...amounts(all, tasks.length)]];
}

/** The first and the last tasks, with what is above and below them. */
function shortened(table: readonly string[], taskCount: number): string[] {
  const half = TASK_ROWS_MAX / 2;
  return [
    ...table.slice(0, half + 1),
    `  … and ${taskCount - TASK_ROWS_MAX} more (--all)`,
    ...table.slice(-half - 1),
  ];
}
