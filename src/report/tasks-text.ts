import { HOUR_US } from '../core/base/hour.ts';
import type { TaskAmounts, TaskFigures, TasksFigures } from '../figures/job/tasks-figures.ts';
import {
  formatCount,
  formatCoverage,
  energyTexts,
  formatGrouped,
  formatPeriod,
  formatQuantity,
  formatSpan,
  hourDecimals,
  ownedText,
} from './text/format-quantity.ts';
import { otherJobLines, stepText, whoTexts } from './text/identity-text.ts';
import { cellText, finishLines, reportWidth, type RenderOptions } from './text/report-text.ts';
import { harmless, tableText, wrap, type Side } from './text/table-text.ts';
import { invalidRollupTexts } from './text/wording.ts';

/** More tasks than this are cut to the first and the last ones. */
const TASK_ROWS_MAX = 40;

/** The account of an array or a heterogeneous job for people. */
export function renderTasksReport(figures: TasksFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const title = titleOf(figures);
  const { startUs, endUs, isOpen, all, nodes, askedStep } = figures;
  const what = `${formatCount(nodes, 'node')}, ${formatCount(all.devices, 'GPU')}`;
  const seen =
    all.coverage === undefined ? 'no data for its' : `seen ${formatCoverage(all.coverage.value)} of`;
  const lines = [
    title,
    ...wrap(
      [whoTexts(figures).join(', '), what].filter((part) => part !== '').join(' · '),
      width,
      '  ',
      '    ',
    ),
    `  ${formatPeriod(startUs, endUs)}${isOpen ? ' (still running)' : ''}`,
    `  ${seen} ${ownedText(all)}`,
    ...(askedStep === undefined ? [] : [`  ${stepText(askedStep)}`]),
    ...invalidRollupTexts(figures.invalidRollups).flatMap((text) => wrap(text, width, '  ', '    ')),
    ...otherJobLines(figures.otherJobs),
    '',
    ...taskLines(figures, options),
    `  one of them: ${figures.tasks[0]!.command}`,
  ];
  return finishLines(lines, options, new Set(options.isColored ? [title] : []));
}

function titleOf({ family, jobId, name, tasks, isSynthetic }: TasksFigures): string {
  const count = new Set(tasks.map(({ jobId: raw }) => raw)).size;
  const parts = [
    family === 'array' ? `Array ${jobId}` : `Heterogeneous job ${jobId}`,
    ...(name === undefined ? [] : [name]),
    formatCount(count, family === 'array' ? 'task' : 'component'),
    ...(isSynthetic ? ['synthetic'] : []),
  ];
  return harmless(parts.join(' · '));
}

function taskLines({ family, tasks, all }: TasksFigures, options: RenderOptions): string[] {
  const energies = energyTexts([...tasks, all].map(({ energy }) => energy));
  const decimals = hourDecimals(all.ownedGpuUs / HOUR_US);
  const amounts = (of: TaskAmounts, index: number): string[] => [
    String(of.devices),
    formatGrouped(of.ownedGpuUs / HOUR_US, decimals),
    energies[index]!,
    formatQuantity(of.smActive),
  ];
  const rows = tasks.map((row, index) => [
    cellText(row.task ?? '?', options, 12),
    cellText(row.jobId, options, 24),
    stateText(row),
    formatSpan(row.endUs - row.startUs),
    ...amounts(row, index),
  ]);
  const title = family === 'array' ? 'task' : 'component';
  const header = [title, 'raw id', 'state', 'time', 'GPUs', 'GPU-hours', 'energy', 'SM active'];
  const sides: Side[] = ['right', 'left', 'left'];
  const table = tableText([header, ...rows, ['all', '', '', '', ...amounts(all, tasks.length)]], sides);
  if (options.isWhole === true || tasks.length <= TASK_ROWS_MAX) return table;
  const half = TASK_ROWS_MAX / 2;
  return [
    ...table.slice(0, half + 1),
    `  … and ${tasks.length - TASK_ROWS_MAX} more (--all)`,
    ...table.slice(-half - 1),
  ];
}

function stateText({ state, exitCode, isOpen, run, runCount }: TaskFigures): string {
  const told = state ?? (isOpen ? 'running' : 'ended');
  const exit = exitCode === undefined || exitCode === 0 || isOpen ? '' : ` (exit ${exitCode})`;
  return `${told}${exit}${runCount === 1 ? '' : `, run ${run}`}`;
}
