import type { EndedRuns, LosingRun, UserFigures } from '../../figures/user/user-figures.ts';
import { CAUSE_LABELS } from '../causes-text.ts';
import { jobCostNotes } from '../costs-text.ts';
import { SHARED_NOTE } from '../jobs-text.ts';
import { formatCount, formatGpuHours, formatPeriod, formatRatio } from '../text/format-quantity.ts';
import { finishLines, reportWidth, type RenderOptions } from '../text/report-text.ts';
import { clip, harmless, tableText, wrap } from '../text/table-text.ts';
import { invalidRollupTexts } from '../text/wording.ts';
import { amountLines, knownTexts } from './amount-lines.ts';
import { ruleAdvice } from './rule-advice.ts';

/** A mail is short, 40 lines at most: `--json` has all. */
const STATES_MAX = 5;
const CAUSES_MAX = 4;
const LOSING_MAX = 4;
const RULES_MAX = 3;
/** Whatever somebody is called, a line has room for it. */
const NAME_WIDTH = 40;

/** What a user's jobs did, as a weekly mail says it. */
export function renderUserReport(figures: UserFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const { ended, before, notEnded } = figures;
  const isEmpty = ended.runs + before.runs + notEnded === 0;
  const lines = [
    ...wrap(userTitle(figures), width, '', '  '),
    ...wrap(endedText(ended), width, '  ', '    '),
    ...(isEmpty ? ['  no job of this user was there then, or in the same time before'] : []),
    ...(ended.runs + before.runs === 0 ? [] : ['', ...amountLines(figures)]),
    ...userNotes(figures).flatMap((note) => wrap(note, width, '  ', '    ')),
    ...causeLines(figures),
    ...losingLines(figures),
    ...ruleLines(figures),
    '',
    `  Whether a job idles now: ${watchCommand(figures.user)}`,
  ];
  return finishLines(lines, options, new Set(options.isColored ? [lines[0]!] : []));
}

/** Whose jobs of which time. */
export function userTitle({ user, cluster, ended, isSynthetic }: UserFigures): string {
  const parts = [
    `GPUs of ${nameText(user)}`,
    ...(cluster === undefined ? [] : [`cluster ${nameText(cluster)}`]),
    formatPeriod(ended.fromUs, ended.toUs),
    ...(isSynthetic ? ['synthetic'] : []),
  ];
  return parts.join(' · ');
}

function nameText(name: string): string {
  return clip(harmless(name), NAME_WIDTH);
}

/** How many ended, and how. */
export function endedText({ runs, states }: EndedRuns): string {
  if (runs === 0) return 'no job ended';
  const told = [...states].map(
    ([state, count]) => `${count} ${state === undefined ? 'ended' : nameText(state)}`,
  );
  const left = told.length - STATES_MAX;
  const more = left > 0 ? [`in ${formatCount(left, 'other state')}`] : [];
  return `${formatCount(runs, 'job')} ended: ${[...told.slice(0, STATES_MAX), ...more].join(', ')}`;
}

/** What the figures mean, and what is not in them. */
export function userNotes({
  ended,
  before,
  notEnded,
  withoutGpus,
  costBasis,
  invalidRollups,
}: UserFigures): string[] {
  return [
    ...knownTexts(ended),
    ...(ended.isShared || before.isShared ? [SHARED_NOTE] : []),
    ...jobCostNotes(costBasis, ended.costs),
    ...(notEnded === 0
      ? []
      : [`${formatCount(notEnded, 'job')} had not ended: a job counts, whole, when it has.`]),
    ...(withoutGpus === 0
      ? []
      : [`${formatCount(withoutGpus, 'job')} had no GPUs, or nobody recorded which: not counted.`]),
    ...invalidRollupTexts(invalidRollups),
  ];
}

/** `of 12 of 14 jobs`; nothing of all of them. */
function ofText(runs: number, all: number): string {
  return runs === all ? '' : ` (of ${runs} of ${formatCount(all, 'job')})`;
}

function causeLines({ ended, causes }: UserFigures): string[] {
  const parts = [...causes.parts].sort(([, a], [, b]) => b.us - a.us);
  const allUs = parts.reduce((sum, [, { us }]) => sum + us, 0);
  if (allUs === 0) return [];
  const rows = parts
    .slice(0, CAUSES_MAX)
    .map(([cause, { us }]) => [CAUSE_LABELS[cause], formatRatio(us / allUs), formatGpuHours(us)]);
  return [
    '',
    `  Where the time went${ofText(causes.runs, ended.runs)}`,
    ...tableText(rows, ['left', 'right', 'right'], '    '),
  ];
}

function losingLines({ losing, lostBy }: UserFigures): string[] {
  if (losing.length === 0) return [];
  return [
    '',
    lostBy === 'lost'
      ? '  Lost most (GPU-hours that were seen and not effective)'
      : '  Wasted most (GPU-hours less SM activity)',
    ...tableText(losing.slice(0, LOSING_MAX).map(losingCells), ['right', 'left', 'left'], '    '),
  ];
}

function losingCells({ row, lostUs }: LosingRun): string[] {
  const { name, ownedGpuUs, rules = [], command } = row;
  const about = [...(name === undefined ? [] : [nameText(name)]), ...rules.slice(0, RULES_MAX)];
  const [lost, owned] = [formatGpuHours(lostUs), formatGpuHours(ownedGpuUs)];
  return [`${lost.replace(/\s*GPU-hours$/, '')} of ${owned}`, command, about.join(', ')];
}

function ruleLines({ findings, ended }: UserFigures): string[] {
  const { runs, rules } = findings;
  if (rules.length === 0) return [];
  const rows = rules
    .slice(0, RULES_MAX)
    .map((one) => [nameText(one.rule), formatCount(one.runs, 'job'), ruleAdvice(one.rule) ?? '']);
  return [
    '',
    `  What stood out most often${ofText(runs, ended.runs)}`,
    ...tableText(rows, ['left', 'right', 'left'], '    '),
  ];
}

/** Whatever else somebody is called goes into no command. */
function watchCommand(user: string): string {
  const isUsual = /^\w[\w.@-]{0,62}$/.test(user);
  return `gpuledger watch-idle${isUsual ? ` --user ${user}` : ''}`;
}
