import type { FindingLimits } from '../../../core/analysis/finding-limits.ts';
import type { JobFacts, RuleNotTold } from '../figures.ts';
import { pipeRulesNotTold } from './pipe-rules.ts';

/** Those that look at where the time went. */
const OF_CAUSES = ['hang', 'idle-head', 'pauses', 'kernel-gaps'] as const;

/** Rules that may have had something to say of a job, and lacked what they look at; each once. */
export function rulesNotTold(facts: JobFacts, limits: FindingLimits): RuleNotTold[] {
  const { causes, all } = facts;
  if (all.samples === 0) return [];
  const hasNoEngine = causes !== undefined && 'why' in causes && causes.why === 'no_engine';
  return [
    ...(hasNoEngine ? OF_CAUSES.map((rule): RuleNotTold => ({ rule, lacks: ['engineActive'] })) : []),
    ...pipeRulesNotTold(facts, limits),
  ];
}
