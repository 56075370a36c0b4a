import { hostDoing, type HostDoing } from '../../../core/analysis/host-doing.ts';
import type { FindingLimits } from '../../../core/analysis/finding-limits.ts';
import type { Cause } from '../../../core/analysis/causes.ts';
import type { ContextSpan, JobContext } from '../../../core/analysis/contexts.ts';
import { common } from '../../spans.ts';
import type { JobCauses } from '../causes/figures.ts';
import type { Found, JobFacts } from '../figures.ts';

/** Rules on where the time went: of a job of which that is not told they say nothing. */

/** A shorter head is a start as others have. */
const HEAD_US_MIN = 60e6;
/** A head of which more was not seen says nothing. */
const SEEN_RATIO_MIN = 0.95;
/** A job that has not been looked at for so long may have gone on. */
const OPEN_END_US_MAX = 60e6;

function told({ causes }: JobFacts): JobCauses | undefined {
  return causes === undefined || 'why' in causes ? undefined : causes;
}

function spansOf({ contexts }: JobCauses, wanted: JobContext): ContextSpan[] {
  return contexts.filter(({ context }) => context === wanted);
}

/** Of the time that was seen. */
export function seenRatio({ causes }: JobCauses, cause: Cause): number {
  let seenUs = 0;
  for (const [name, { us }] of causes) if (name !== 'notSeen') seenUs += us;
  return seenUs === 0 ? 0 : (causes.get(cause)?.us ?? 0) / seenUs;
}

/** Nothing ran from the start on, and then something did. */
export function idleHead(facts: JobFacts, { idleHeadMs, idleHeadRatio }: FindingLimits): readonly Found[] {
  const causes = told(facts);
  const head = causes && spansOf(causes, 'head')[0];
  const { startUs, endUs } = facts;
  if (head === undefined || head.toUs > endUs || !isHeadSeen(facts, head)) return [];
  const lengthUs = head.toUs - head.fromUs;
  const ratio = lengthUs / (endUs - startUs);
  const isLong = lengthUs >= idleHeadMs * 1000 || (ratio >= idleHeadRatio && lengthUs >= HEAD_US_MIN);
  return isLong ? [{ rule: 'idle-head', fromUs: startUs, toUs: head.toUs - 1, ratio }] : [];
}

/** Whether it is known of every device that nothing ran: a sample without the engine's activity does not tell. */
function isHeadSeen({ devices, gaps, unplacedGaps }: JobFacts, head: ContextSpan): boolean {
  const missedUsMax = (1 - SEEN_RATIO_MIN) * (head.toUs - head.fromUs);
  return devices.every(({ gpu, gauges, sampledUs }) => {
    const own = gaps?.filter((gap) => gap.gpu === gpu);
    if (own === undefined) return false;
    const gapUs = common(own, [head]).reduce((us, { fromUs, toUs }) => us + toUs - fromUs, unplacedGaps.us);
    const blankUs = sampledUs - (gauges.engineActive?.max.knownUs ?? 0);
    return gapUs + blankUs <= missedUsMax;
  });
}

/** All devices spin and nothing moves, after they have done more. */
export function hang(facts: JobFacts): readonly Found[] {
  const causes = told(facts);
  const hangs = causes === undefined ? [] : spansOf(causes, 'hang');
  const longest = hangs.reduce<ContextSpan | undefined>(
    (best, span) => (best !== undefined && best.toUs - best.fromUs >= span.toUs - span.fromUs ? best : span),
    undefined,
  );
  if (longest === undefined) return [];
  const { isOpen, endUs } = facts;
  return [
    {
      rule: 'hang',
      fromUs: longest.fromUs,
      toUs: Math.min(longest.toUs, endUs),
      count: hangs.length,
      isOpen: isOpen && longest.toUs >= endUs - OPEN_END_US_MAX,
    },
  ];
}

/** What the host did in such times; nothing where that was not seen, or does not stand out. */
function meanwhile({ host }: JobFacts, when: 'inPauses' | 'atWork'): { readonly host?: HostDoing } {
  const doing = hostDoing(host?.[when]);
  return doing === undefined ? {} : { host: doing };
}

export function dips(facts: JobFacts): readonly Found[] {
  return facts.dips === undefined
    ? []
    : [{ rule: 'dips', dips: facts.dips, ...meanwhile(facts, 'inPauses') }];
}

/** Those that come in a rhythm are told of as dips. */
export function pauses(facts: JobFacts, { pausesRatio }: FindingLimits): readonly Found[] {
  const causes = told(facts);
  if (causes === undefined || facts.dips !== undefined) return [];
  const ratio = seenRatio(causes, 'pause');
  return ratio < pausesRatio ? [] : [{ rule: 'pauses', ratio, ...meanwhile(facts, 'inPauses') }];
}

/** Late input, host code and launches look alike. */
export function kernelGaps(facts: JobFacts, { kernelGapsRatio }: FindingLimits): readonly Found[] {
  const causes = told(facts);
  if (causes === undefined) return [];
  const ratio = seenRatio(causes, 'gaps');
  return ratio < kernelGapsRatio ? [] : [{ rule: 'kernel-gaps', ratio, ...meanwhile(facts, 'atWork') }];
}
