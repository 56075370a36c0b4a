import type {
  AmountKey,
  ComparedAmount,
  HistoryFound,
  JobHistory,
} from '../../figures/job/history/figures.ts';
import {
  formatCount,
  formatEnergy,
  formatGpuHours,
  formatMoment,
  formatStep,
  NOT_KNOWN,
} from '../text/format-quantity.ts';
import { tableText, wrap } from '../text/table-text.ts';

export const HISTORY_HEADING = '  Beside its last runs';

/** Of fewer runs nobody can see what is usual. */
const RUNS_MIN = 3;

const AMOUNTS: Readonly<
  Record<AmountKey, { readonly label: string; readonly textOf: (value: number) => string }>
> = {
  gpuUs: { label: 'GPU time', textOf: formatGpuHours },
  joules: { label: 'energy', textOf: formatEnergy },
  periodUs: { label: 'step', textOf: formatStep },
  joulesPerStep: { label: 'energy of a step', textOf: formatEnergy },
};

/** The cells of that table, its titles first; undefined where it says nothing. */
export function historyCells(history: JobHistory | undefined): readonly (readonly string[])[] | undefined {
  if (history === undefined || history.runs.length < RUNS_MIN) return undefined;
  const rows = history.compared
    .filter(({ count }) => count >= RUNS_MIN)
    .map(({ key, value, median, mad, count, isRegressed }) => {
      const { label, textOf } = AMOUNTS[key];
      const own = value === undefined ? NOT_KNOWN : textOf(value);
      return [label, own, textOf(median), textOf(mad), String(count), isRegressed ? 'more than usual' : ''];
    });
  return [['', 'this run', 'median', 'spread', 'runs', ''], ...rows];
}

/** What the rows of that table are of. */
export function historyNote({ runs }: JobHistory): string {
  return `the last ${formatCount(runs.length, 'run')} of this user and name on as many such GPUs; spread: median absolute deviation`;
}

/** The table of a job beside its last runs, a blank line before it. */
export function historyLines(history: JobHistory | undefined, width: number): string[] {
  const cells = historyCells(history);
  if (history === undefined || cells === undefined) return [];
  return [
    '',
    HISTORY_HEADING,
    ...tableText(cells, ['left', 'right', 'right', 'right', 'right', 'left']),
    ...wrap(historyNote(history), width, '  ', '    '),
  ];
}

/** What stands out beside its earlier runs. */
export function historyFindingText(found: HistoryFound): string {
  return found.rule === 'regressed' ? regressedText(found) : crashLoopText(found);
}

/** What took more than in its last runs. */
function regressedText({ amounts }: Extract<HistoryFound, { rule: 'regressed' }>): string {
  return `it took more than its last runs: ${amounts.map(moreText).join('; ')}.`;
}

/** `energy 1.3 kWh, usually 1 kWh (median of 8 runs)`. */
function moreText({ key, value, median, count }: ComparedAmount): string {
  const { label, textOf } = AMOUNTS[key];
  return `${label} ${textOf(value!)}, usually ${textOf(median)} (median of ${formatCount(count, 'run')})`;
}

/** The restarts of a job that does not get going. */
function crashLoopText({ count, sinceUs }: Extract<HistoryFound, { rule: 'crash-loop' }>): string {
  return (
    `${formatCount(count, 'run')} of this name failed one after the other, this one too, each within five minutes of its first activity` +
    ` (the first began ${formatMoment(sinceUs)}): what do they write before they end?`
  );
}
