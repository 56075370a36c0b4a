import { HOUR_US } from '../../core/base/hour.ts';
import type { Beside, QueueFigures, WaitRow } from '../../figures/queue/figures.ts';
import { NOT_TOLD, windowText } from '../capacity-text.ts';
import {
  formatCount,
  formatCoverage,
  formatGpuHours,
  formatHours,
  formatMoment,
  formatRatio,
  formatSpan,
  hourDecimals,
  NOT_KNOWN,
} from '../text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from '../text/report-text.ts';
import { foldedTables, pack, stacked, tableText, wrap, type Side } from '../text/table-text.ts';
import { idleText } from '../text/wording.ts';

/** Rows of those who waited; `--all` shows all. */
const ROWS_MAX = 20;
const NAME_WIDTH = 32;
/** Of less of the window the figures say so. */
const ASKED_RATIO_MIN = 0.995;

/** Who waited and what stood idle meanwhile, for people: the answer first. */
export function renderQueueReport(figures: QueueFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const title = pack(titleOf(figures, options), ' · ', width, '', '  ');
  const lines = [
    ...title,
    ...queueAnswers(figures).flatMap((answer) => wrap(answer, width, '  ', '  ')),
    ...waitLines(figures, options),
    ...timeLines(figures),
    ...fragmentLines(figures),
    ...spaced(queueNotes(figures).flatMap((note) => wrap(note, width, '  ', '  '))),
  ];
  return finishLines(lines, options, new Set(options.isColored ? title.slice(0, 1) : []));
}

function spaced(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', ...lines];
}

function titleOf(figures: QueueFigures, options: RenderOptions): string[] {
  const { cluster, devices, isSynthetic, time } = figures;
  return [
    cluster === undefined ? 'Queue' : `Queue of cluster ${cellText(cluster, options, NAME_WIDTH)}`,
    windowText(figures),
    `${formatCount(devices, 'GPU')}, ${formatGpuHours(time.knownUs)}`,
    ...(isSynthetic ? ['synthetic'] : []),
  ];
}

/** Who waits, and what stood idle meanwhile. */
export function queueAnswers({ queue, beside }: QueueFigures): string[] {
  if (queue === undefined)
    return [
      'Who waited is unknown: nobody asked the scheduler in this time. Let one run ask it (scheduler.poll), or call jobs sync by cron.',
    ];
  const { waitingJobs, waitingGpus, otherJobs, lastPollUs } = queue;
  const others = otherJobs === 0 ? '' : `, ${otherJobs.toLocaleString('en-US')} for something else`;
  const now =
    waitingJobs === 0
      ? `No job waits for GPUs${others}`
      : `${formatCount(waitingJobs, 'job')} ${waitingJobs === 1 ? 'waits' : 'wait'} for ${formatCount(waitingGpus, 'GPU')}${others}`;
  return [`${now} (${formatMoment(lastPollUs)}).`, besideText(beside)];
}

/** What jobs would have held. */
function besideText({ free, idle }: QueueFigures['beside']): string {
  const freeText =
    free === undefined
      ? 'free GPUs unknown (nobody told how the nodes were)'
      : `${formatGpuHours(free.besideUs)} free`;
  const idleHours =
    idle === undefined
      ? 'idle ones unknown (no SM activity was recorded)'
      : `${formatGpuHours(idle.besideUs)} owned and idle`;
  return `While a job waited that would have fitted: ${freeText}, ${idleHours}.`;
}

function waitLines({ waits }: QueueFigures, options: RenderOptions): string[] {
  if (waits.length === 0) return [];
  const shown = options.isWhole === true ? waits : waits.slice(0, ROWS_MAX);
  const hasModels = waits.some(({ model }) => model !== undefined);
  const titles = [
    ...['account', ...(hasModels ? ['model'] : []), 'GPUs'],
    ...['began', 'median wait', '95 % within', 'wait now', 'mean wait'],
  ];
  const rows = shown.map((row) => [
    cellText(row.account ?? NOT_TOLD, options, NAME_WIDTH),
    ...(hasModels ? [cellText(row.model ?? 'any', options, NAME_WIDTH)] : []),
    row.size,
    ...waitCells(row),
  ]);
  const names = hasModels ? 2 : 1;
  const sides = Array.from({ length: names }, (): Side => 'left');
  const left = waits.length - shown.length;
  return [
    '',
    ...stacked(foldedTables([titles, ...rows], sides, names + 1, lineWidth(options))),
    ...(left === 0 ? [] : [`  and ${formatCount(left, 'row')} more: --all`]),
  ];
}

function waitCells({ started, waiting }: WaitRow): string[] {
  return [
    String(started?.jobs ?? 0),
    started === undefined ? NOT_KNOWN : formatSpan(started.medianUs),
    started === undefined ? NOT_KNOWN : formatSpan(started.p95Us),
    String(waiting?.jobs ?? 0),
    waiting === undefined ? NOT_KNOWN : formatSpan(waiting.meanWaitUs),
  ];
}

/** Where the GPUs were, and how much of that lay beside a queue. */
function timeLines({ time, beside, fragmentation }: QueueFigures): string[] {
  if (time.knownUs === 0) return [];
  const decimals = hourDecimals(time.knownUs / HOUR_US);
  const row = (what: string, us: number, besides: Beside | undefined): string[] => [
    what,
    formatHours(us, decimals),
    formatRatio(us / time.knownUs),
    besides === undefined ? '' : formatHours(besides.besideUs, decimals),
    besides === undefined ? '' : formatSpan(besides.fitsUs),
  ];
  const { free, idle } = beside;
  const isBeside = free !== undefined || idle !== undefined;
  const rows = [
    ['', 'GPU-hours', 'of all', ...(isBeside ? ['beside a job that fits', 'for'] : ['', ''])],
    row('owned', time.ownedUs, undefined),
    ...(idle === undefined ? [] : [row('  idle, while asked', idle.hadUs, idle)]),
    ...(fragmentation === undefined
      ? []
      : [row('free', time.freeUs, free), row('drained or down', time.outOfUseUs, undefined)]),
    row('unknown', time.untoldUs, undefined),
  ];
  return ['', ...tableText(rows, ['left'])];
}

function fragmentLines(figures: QueueFigures): string[] {
  const rows = fragmentRows(figures);
  return rows.length === 0 ? [] : ['', ...tableText([FRAGMENT_TITLES, ...rows], ['left'])];
}

export const FRAGMENT_TITLES: readonly string[] = ['free for jobs of', 'GPU-hours', 'fragmented'];

/** How far what is free is in pieces too small, by the size of a request; nothing where that is not known, or nothing is free. */
export function fragmentRows({ fragmentation, time }: QueueFigures): string[][] {
  if (fragmentation === undefined || time.freeUs === 0) return [];
  const decimals = hourDecimals(time.freeUs / HOUR_US);
  return fragmentation.map(({ gpus, usableUs, ratio }) => [
    formatCount(gpus, 'GPU'),
    formatHours(usableUs, decimals),
    ratio === undefined ? NOT_KNOWN : formatRatio(ratio),
  ]);
}

/** What the figures mean, and what of them is not known. */
export function queueNotes(figures: QueueFigures): string[] {
  const { queue, time, beside, migInstances, unknownWaits, fragmentation } = figures;
  const { idle } = beside;
  return [
    ...(queue === undefined || queue.askedUs >= ASKED_RATIO_MIN * queue.windowUs
      ? []
      : [
          `The queue was asked over ${formatCoverage(queue.askedUs / queue.windowUs)} of the time. Of the rest nobody knows who waited, and none of it counts as beside a job.`,
        ]),
    ...(queue === undefined || queue.unknownTypes.length === 0
      ? []
      : [
          `${formatGpuHours(queue.unknownTypeGpuUs)} of ${formatGpuHours(queue.waitedGpuUs)} that waited ask for a type that no model here bears (${queue.unknownTypes.join(', ')}): they are taken to fit nowhere.`,
        ]),
    ...(time.untoldUs === 0
      ? []
      : ['unknown: of no job, and nobody told whether the node took jobs. It does not count as free.']),
    ...(idle === undefined
      ? []
      : [
          `idle: ${idleText(figures.idleLimits)} for a whole ${idle.bucketUs > 60e6 ? 'hour' : 'minute'}, so it is a lower bound.`,
        ]),
    ...(idle === undefined || idle.keptUs >= figures.toUs - figures.fromUs
      ? []
      : ['Of a part of the time only days are kept: idle GPUs of then are unknown.']),
    ...(fragmentation === undefined || time.freeUs === 0
      ? []
      : ['fragmented: 1 − what jobs of so many GPUs on one node can use / what was free.']),
    ...(unknownWaits === 0
      ? []
      : [
          `Of ${formatCount(unknownWaits, 'run')} that began nobody told the submission: gpuledger jobs sync asks for it.`,
        ]),
    ...(migInstances === 0
      ? []
      : [`Left out of all but the waits: ${formatCount(migInstances, 'MIG instance')}.`]),
  ];
}
