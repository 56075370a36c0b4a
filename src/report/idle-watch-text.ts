import { HOUR_US } from '../core/base/hour.ts';
import type { IdleDevice, IdleJob, IdleWatchFigures, NotSeenWhy } from '../figures/idle/figures.ts';
import {
  calendarDate,
  clockTime,
  formatCount,
  formatHours,
  formatMoment,
  formatSpan,
  hourDecimals,
  NOT_KNOWN,
} from './text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from './text/report-text.ts';
import { foldedTables, harmless, stacked, wrap, type Side } from './text/table-text.ts';
import { idleText, invalidRollupTexts } from './text/wording.ts';

/** Ids that a line names, of more than that. */
const IDS_SHOWN_MAX = 5;

const WHY_NOT_SEEN: Readonly<Record<NotSeenWhy, string>> = {
  no_samples: 'no SM activity of the last 5 minutes was written of one of its GPUs',
  gaps: 'too much of the time before is not known',
  unrecorded: 'the scheduler gave it more GPUs than are recorded',
};

/** The running jobs of which GPUs idle, for people; those first that lost most. */
export function renderIdleWatch(figures: IdleWatchFigures, options: RenderOptions): string {
  const { idle, partlyIdle, shared, idleLimits } = figures;
  const width = reportWidth(options);
  const title = titleOf(figures);
  const isAnyIdle = idle.length + partlyIdle.length > 0;
  const notes = [
    `idle: ${idleText(idleLimits)}.${isAnyIdle ? ' GPU-hours: what its idle GPUs have lost since then.' : ''}`,
    ...(isAtLeastAnywhere(figures) ? ['≥: it may have been idle before, which was not seen.'] : []),
    ...notSeenTexts(figures),
    ...(shared.length === 0
      ? []
      : [
          `${formatCount(shared.length, 'job')} not looked at: on a shared GPU nobody sees which of its jobs idles.`,
        ]),
    ...invalidRollupTexts(figures.invalidRollups),
  ];
  const first = idle[0] ?? partlyIdle[0];
  const lines = [
    ...wrap(title, width, '', '  '),
    ...(idle.length === 0 ? [] : ['', ...jobLines(idle, options)]),
    ...(partlyIdle.length === 0
      ? []
      : ['', '  GPUs that idle while others of their job work', ...deviceLines(partlyIdle, options)]),
    ...(isAnyIdle ? [''] : []),
    ...notes.flatMap((note) => wrap(note, width, '  ', '  ')),
    ...(first === undefined ? [] : wrap(`more of one: ${first.command}`, width, '  ', '    ')),
  ];
  return finishLines(lines, options, new Set(options.isColored ? [lines[0]!] : []));
}

function titleOf({ nowUs, afterUs, running, idle, isSynthetic }: IdleWatchFigures): string {
  const parts = [
    'Idle jobs',
    formatMoment(nowUs),
    running === 0
      ? 'no job runs'
      : `${idle.length} of ${formatCount(running, 'running job')} idle for ${formatSpan(afterUs)} or longer`,
    ...(isSynthetic ? ['synthetic'] : []),
  ];
  return parts.join(' · ');
}

function isAtLeastAnywhere({ idle, partlyIdle }: IdleWatchFigures): boolean {
  return (
    idle.some(({ isAtLeast }) => isAtLeast) || partlyIdle.some((job) => job.idle.some((one) => one.isAtLeast))
  );
}

function notSeenTexts({ notSeen }: IdleWatchFigures): string[] {
  return [...Map.groupBy(notSeen, ({ why }) => why)].map(([why, jobs]) => {
    const ids = jobs.slice(0, IDS_SHOWN_MAX).map(({ jobId }) => harmless(jobId));
    const more = jobs.length > ids.length ? ', …' : '';
    return `${formatCount(jobs.length, 'job')} not seen (${ids.join(', ')}${more}): ${WHY_NOT_SEEN[why]}.`;
  });
}

/**
 * A header, and a row for each job.
 * @param clipped what of a name is shown in so many columns
 */
export function idleJobCells(
  jobs: readonly IdleJob[],
  clipped: (text: string, columns: number) => string,
): readonly (readonly string[])[] {
  const hours = hoursOf(jobs.map(({ lostGpuUs }) => lostGpuUs));
  const header = ['job', 'user', 'name', 'GPUs', 'since (UTC)', 'idle for', 'GPU-hours'];
  const rows = jobs.map((job, index) => [
    ...whoCells(job, clipped),
    job.idle.length === job.gpus ? String(job.gpus) : `${job.idle.length} of ${job.gpus}`,
    ...timeCells(job),
    hours[index]!,
  ]);
  return [header, ...rows];
}

function jobLines(jobs: readonly IdleJob[], options: RenderOptions): string[] {
  const cells = idleJobCells(jobs, (text, columns) => cellText(text, options, columns));
  return tableOf(cells, ['left', 'left', 'left', 'right', 'left'], options);
}

function deviceLines(jobs: readonly IdleJob[], options: RenderOptions): string[] {
  const header = ['job', 'user', 'name', 'node', 'GPU', 'since (UTC)', 'idle for'];
  const rows = jobs.flatMap((job) =>
    job.idle.map((device) => [
      ...whoCells(job, (text, columns) => cellText(text, options, columns)),
      cellText(device.node, options, 16),
      cellText(device.gpu, options, 44),
      ...timeCells(device),
    ]),
  );
  return tableOf([header, ...rows], ['left', 'left', 'left', 'left', 'left', 'left'], options);
}

function tableOf(
  rows: readonly (readonly string[])[],
  sides: readonly Side[],
  options: RenderOptions,
): string[] {
  return stacked(foldedTables(rows, sides, 2, lineWidth(options)));
}

function whoCells(
  { typedId, user, name }: IdleJob,
  clipped: (text: string, columns: number) => string,
): string[] {
  return [clipped(typedId, 24), clipped(user ?? '', 12), clipped(name ?? '', 20)];
}

function timeCells({
  sinceUs,
  untilUs,
  isAtLeast,
}: Pick<IdleDevice, 'sinceUs' | 'untilUs' | 'isAtLeast'>): string[] {
  return [
    `${calendarDate(sinceUs)} ${clockTime(sinceUs)}`,
    `${isAtLeast ? '≥ ' : ''}${formatSpan(untilUs - sinceUs)}`,
  ];
}

function hoursOf(lostUs: readonly (number | undefined)[]): string[] {
  const decimals = hourDecimals(Math.max(0, ...lostUs.map((us) => us ?? 0)) / HOUR_US);
  return lostUs.map((us) => (us === undefined ? NOT_KNOWN : formatHours(us, decimals)));
}
