import { NOT_LOST, type Cause } from '../../core/analysis/causes.ts';
import type { WaitingRange } from './causes/figures.ts';
import type { Finding, FindingRule, JobDevice, JobFigures } from './figures.ts';

/** Time that was not effective, GPU µs. */
interface Lost {
  readonly cause: Cause;
  readonly us: number;
  /** Of waiting, which is estimated. */
  readonly range: WaitingRange | undefined;
  /** For which device the others waited, where that is known. */
  readonly device: JobDevice | undefined;
}

/** What a running job does at the end of what was looked at; `quiet`: when it was last active is all that is known. */
export type Now =
  | { readonly state: 'active' }
  | { readonly state: 'idle' | 'hangs' | 'quiet' | 'not_seen'; readonly sinceUs: number };

/** What a job did, as far as one sentence goes. Times of devices are GPU time, µs. */
export interface Verdict {
  readonly ownedUs: number;
  readonly seenUs: number;
  /** Undefined where it is not told where the time went. */
  readonly effectiveUs: number | undefined;
  /** Seen, and nobody knows what the engine did. */
  readonly untoldUs: number;
  /** What cost most, largest first. */
  readonly lost: readonly Lost[];
  /** Nearly all of it was seen, most of that was effective, and no rule speaks but that of dips. */
  readonly isHealthy: boolean;
  readonly faults: readonly Finding[];
  /** Of a running job of which that is known. */
  readonly now: Now | undefined;
}

const FAULTS: ReadonlySet<FindingRule> = new Set(['xid', 'out-of-memory', 'crash-loop']);
const LOST_MAX = 2;
/** Less of what was seen is not worth a word. */
const LOST_RATIO_MIN = 0.02;
const HEALTHY_SEEN_RATIO_MIN = 0.95;
const HEALTHY_EFFECTIVE_RATIO_MIN = 0.8;
/** Samples of a running job may be under way for so long. */
const UNDER_WAY_US_MAX = 60e6;

type Judged = Pick<
  JobFigures,
  'all' | 'analysis' | 'causes' | 'devices' | 'endUs' | 'findings' | 'isOpen' | 'rulesKept' | 'startUs'
>;

export function verdictOf(figures: Judged): Verdict {
  const { all, causes, findings, rulesKept } = figures;
  const told = causes === undefined || 'why' in causes ? undefined : causes.causes;
  const usOf = (cause: Cause): number => told?.get(cause)?.us ?? 0;
  // By parts and slices, as causes are.
  const part = all.sampledUs > 0 ? all.attributedUs / all.sampledUs : all.ownedGpuUs / all.ownedUs;
  const ownedUs = told === undefined ? all.ownedUs * part : sumOf([...told.values()].map(({ us }) => us));
  const seenUs = told === undefined ? Math.min(ownedUs, all.attributedUs) : ownedUs - usOf('notSeen');
  const effectiveUs = told === undefined ? undefined : usOf('effective');
  return {
    ownedUs,
    seenUs,
    effectiveUs,
    untoldUs: usOf('untold'),
    lost: lostOf(figures, seenUs),
    isHealthy:
      // Checkpoints in a rhythm are how sound jobs work.
      [...findings.map(({ rule }) => rule), ...rulesKept].every((id) => id === 'dips') &&
      seenUs >= HEALTHY_SEEN_RATIO_MIN * ownedUs &&
      (effectiveUs ?? 0) >= HEALTHY_EFFECTIVE_RATIO_MIN * seenUs,
    faults: findings.filter(({ rule }) => FAULTS.has(rule)),
    now: nowOf(figures),
  };
}

function lostOf({ causes, analysis, devices }: Judged, seenUs: number): Lost[] {
  if (causes === undefined || 'why' in causes) return [];
  const slowest = devices.find(({ gpu }) => gpu === analysis.slowest?.gpu);
  return [...causes.causes]
    .filter(([cause, { us }]) => !NOT_LOST.has(cause) && us >= LOST_RATIO_MIN * seenUs)
    .map(([cause, { us }]): Lost => {
      const isWaiting = cause === 'waiting';
      return {
        cause,
        us,
        range: isWaiting ? causes.waiting : undefined,
        device: isWaiting ? slowest : undefined,
      };
    })
    .sort((a, b) => b.us - a.us)
    .slice(0, LOST_MAX);
}

/** What nobody saw is neither work nor idleness. */
function nowOf({ isOpen, all, endUs, startUs, devices, findings }: Judged): Now | undefined {
  const { lastSampleUs, lastActiveUs } = all;
  if (!isOpen || lastSampleUs === undefined) return undefined;
  if (lastSampleUs < endUs - UNDER_WAY_US_MAX) return { state: 'not_seen', sinceUs: lastSampleUs };
  for (const finding of findings) {
    const { rule, fromUs } = finding;
    if (rule === 'hang' && finding.isOpen) return { state: 'hangs', sinceUs: fromUs };
    if (rule === 'idle-tail' && !finding.isCutOff) return { state: 'idle', sinceUs: fromUs };
    if (rule === 'unused' && finding.devices.length === devices.length)
      return { state: 'idle', sinceUs: startUs };
  }
  if (lastActiveUs === undefined) return undefined;
  return lastActiveUs >= endUs - UNDER_WAY_US_MAX
    ? { state: 'active' }
    : { state: 'quiet', sinceUs: lastActiveUs };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
