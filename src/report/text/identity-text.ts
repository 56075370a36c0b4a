import type { OtherJob } from '../../figures/job/figures.ts';
import { calendarDate, clockTime, formatCount } from './format-quantity.ts';
import { tableText } from './table-text.ts';

/** Other jobs that are listed one by one; all of them are in `--json`. */
const OTHER_JOBS_LISTED_MAX = 8;

/** `ada`, `account physics`, … as far as they are known. */
export function whoTexts(job: {
  readonly user: string | undefined;
  readonly account: string | undefined;
  readonly partition: string | undefined;
  readonly cluster: string | undefined;
}): string[] {
  const { user, account, partition, cluster } = job;
  return [
    user,
    account === undefined ? undefined : `account ${account}`,
    partition === undefined ? undefined : `partition ${partition}`,
    cluster === undefined ? undefined : `cluster ${cluster}`,
  ].filter((part) => part !== undefined);
}

/** That a step was asked for, and what is shown instead. */
export function stepText(step: string): string {
  return `step ${step}: steps are not kept apart, this is the whole job`;
}

/** Which other jobs bear the id, and the command that shows each. */
export function otherJobLines(others: readonly OtherJob[]): string[] {
  if (others.length === 0) return [];
  const shown = others.slice(0, OTHER_JOBS_LISTED_MAX).map((other) => [other.command, ...aboutTexts(other)]);
  const left = others.length - shown.length;
  return [
    `  not the only job with this id; ${formatCount(others.length, 'other')}:`,
    ...tableText(shown, 'left', '    '),
    ...(left === 0 ? [] : [`    … and ${left} more (--json)`]),
  ];
}

function aboutTexts({ user, state, taskCount, startUs }: OtherJob): string[] {
  return [
    `${calendarDate(startUs)} ${clockTime(startUs)} UTC`,
    user ?? '',
    taskCount === undefined ? (state ?? '') : formatCount(taskCount, 'task'),
  ];
}
