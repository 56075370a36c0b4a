import { GAUGE_LABELS, PIPE_LABELS } from './text/wording.ts';
import type { JobFigures, RuleNotTold } from '../figures/job/figures.ts';
import { findingText } from './finding-text.ts';
import { formatCount, formatGpuHours } from './text/format-quantity.ts';
import { harmless, wrap } from './text/table-text.ts';

export const FINDINGS_HEADING = '  What stands out';
/** Nobody reads on. */
const SHOWN_MAX = 5;

/** The findings that weigh most, with what each cost and what to type; and the rules that could not look. */
export function findingLines(
  { findings, rulesNotTold, causes }: Pick<JobFigures, 'findings' | 'rulesNotTold' | 'causes'>,
  width: number,
): string[] {
  const told = findings.slice(0, SHOWN_MAX).flatMap((finding) => {
    const { lostGpuUs, command } = finding;
    return [
      ...wrap(harmless(findingText(finding)), width, '  · ', '    '),
      ...(lostGpuUs === undefined ? [] : [`      lost: ${formatGpuHours(lostGpuUs)}`]),
      ...(command === undefined ? [] : [`      type: ${command}`]),
    ];
  });
  const more = findings.length - SHOWN_MAX;
  // That the engine was not recorded is said where its causes would stand.
  const hasNoEngine = causes !== undefined && 'why' in causes && causes.why === 'no_engine';
  const left = rulesNotTold.filter(({ lacks }) => !(hasNoEngine && lacks.includes('engineActive')));
  return [
    ...(told.length === 0 ? [] : ['', FINDINGS_HEADING, ...told]),
    ...(more <= 0 ? [] : [`  and ${formatCount(more, 'more finding')}: --json has all`]),
    ...(left.length === 0 ? [] : ['', ...wrap(notToldText(left), width, '  ', '    ')]),
  ];
}

/** `not told: no-tensor (not recorded: tensor active, FP32 active)`. */
function notToldText(rules: readonly RuleNotTold[]): string {
  const texts = rules.map(({ rule, lacks }) => `${rule} (not recorded: ${lacks.map(lackText).join(', ')})`);
  return `not told: ${texts.join('; ')}`;
}

function lackText(key: RuleNotTold['lacks'][number]): string {
  return key === 'fp32' ? `${PIPE_LABELS.fp32} active` : GAUGE_LABELS[key];
}
