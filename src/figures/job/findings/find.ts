import {
  USUAL_FINDING_LIMITS,
  type FindingLimitName,
  type FindingLimits,
} from '../../../core/analysis/finding-limits.ts';
import { lastsUntilUs } from '../facts.ts';
import type {
  Confidence,
  Evidence,
  Finding,
  FindingRule,
  Found,
  JobDevice,
  JobFacts,
  JobFigures,
} from '../figures.ts';
import { commandOf } from './commands.ts';
import { takeLost, timeOf, type TimeLeft } from './lost-time.ts';
import { rulesNotTold } from './not-told.ts';
import { foundIn } from './rules.ts';

interface RuleFacts {
  /** The first to look at. */
  readonly limit?: FindingLimitName;
  readonly evidence: readonly Evidence[];
  /** Something broke: that comes first, whatever it cost. */
  readonly isFault?: true;
  /** Of rules on where the time went, which may be told by minutes. */
  readonly isOfCauses?: true;
  /** Somebody said so. */
  readonly isTold?: true;
}

const ABOUT: Readonly<Record<FindingRule, RuleFacts>> = {
  'no-data': { evidence: [], isFault: true },
  xid: { evidence: ['gpu_events'], isFault: true, isTold: true },
  'out-of-memory': { evidence: ['jobs', 'memoryUsed'], isFault: true, isTold: true },
  unused: { evidence: ['smActive'] },
  hang: { evidence: ['engineActive', 'tensorActive', 'dramActive'], isOfCauses: true },
  'idle-tail': { limit: 'idleTailMs', evidence: ['smActive'] },
  'idle-head': { limit: 'idleHeadMs', evidence: ['engineActive'], isOfCauses: true },
  throttle: { limit: 'throttledRatio', evidence: ['smActive', 'gpu_events'] },
  'computes-longest': { evidence: ['smActive'] },
  'fed-late': { evidence: ['engineActive'] },
  imbalance: { limit: 'imbalanceRatio', evidence: ['smActive'] },
  dips: { evidence: ['smActive'] },
  pauses: { limit: 'pausesRatio', evidence: ['engineActive'], isOfCauses: true },
  'kernel-gaps': { limit: 'kernelGapsRatio', evidence: ['engineActive'], isOfCauses: true },
  'low-occupancy': { limit: 'lowSmRatio', evidence: ['gpuUtil', 'engineActive', 'smActive'] },
  idle: { limit: 'idleRatio', evidence: ['smActive'] },
  'no-tensor': { limit: 'tensorlessSmRatio', evidence: ['smActive', 'tensorActive'] },
  'memory-half': { limit: 'memoryRatio', evidence: ['memoryUsed', 'gpu_inventory'] },
  'power-cap': { limit: 'powerCapRatio', evidence: ['gpu_events'] },
  'pcie-degraded': { evidence: [] },
  fragmented: { evidence: ['gpu_inventory'] },
  coverage: { limit: 'coverageRatio', evidence: [] },
  'energy-check': { limit: 'energyRatio', evidence: ['power'] },
  'crash-loop': { evidence: ['jobs'], isFault: true, isTold: true },
  regressed: { limit: 'regressionRatio', evidence: ['jobs', 'job_figures'] },
};

/** What the rules conclude from a job, and which of them could not look. */
export function conclusionsOf(
  facts: JobFacts,
  limits: FindingLimits,
): Pick<JobFigures, 'findings' | 'rulesNotTold'> {
  return { findings: findingsOf(facts, limits), rulesNotTold: rulesNotTold(facts, limits) };
}

/** What a person should know about a job: what broke first, then what cost most, each time once. */
export function findingsOf(facts: JobFacts, limits: FindingLimits = USUAL_FINDING_LIMITS): Finding[] {
  const left = timeOf(facts);
  return ranked(foundIn(facts, limits).map((found) => findingOf(found, facts, { limits, left })));
}

/** The findings of a job with what was found beside its facts: rules that cost no time. */
export function withFound(figures: JobFigures, found: readonly Found[], limits: FindingLimits): Finding[] {
  const left: TimeLeft = new Map();
  return ranked([...figures.findings, ...found.map((one) => findingOf(one, figures, { limits, left }))]);
}

function findingOf(
  found: Found,
  facts: JobFacts,
  { limits, left }: { readonly limits: FindingLimits; readonly left: TimeLeft },
): Finding {
  const about = ABOUT[found.rule];
  return {
    ...found,
    lostGpuUs: takeLost(found, facts, left),
    confidence: confidenceOf(about, facts),
    ...timeOfFound(found, facts),
    gpus: (devicesOf(found) ?? facts.devices).map(({ gpu }) => gpu),
    limit: about.limit === undefined ? undefined : { name: about.limit, value: limits[about.limit] },
    evidence: 'host' in found ? [...about.evidence, 'host_jobs'] : about.evidence,
    command: commandOf(found, facts),
  };
}

function ranked(findings: readonly Finding[]): Finding[] {
  const isFault = ({ rule }: Finding): boolean => ABOUT[rule].isFault === true;
  // The sort is stable: of those that cost as much, or nothing, the order of the rules holds.
  return findings.toSorted(
    (a, b) =>
      Number(isFault(b)) - Number(isFault(a)) || (isFault(a) ? 0 : (b.lostGpuUs ?? 0) - (a.lostGpuUs ?? 0)),
  );
}

function confidenceOf({ isTold, isOfCauses }: RuleFacts, { origin, causes }: JobFacts): Confidence {
  if (isTold) return 'told';
  if (origin === 'kept') return 'kept';
  const isByMinutes = isOfCauses && causes !== undefined && !('why' in causes) && causes.origin !== 'samples';
  return origin === 'rollups' || isByMinutes ? 'minutes' : 'samples';
}

function timeOfFound(found: Found, { startUs, endUs }: JobFacts): Pick<Finding, 'fromUs' | 'toUs'> {
  if (found.rule === 'xid') return { fromUs: found.event.tsUs, toUs: found.event.tsUs };
  if (found.rule === 'throttle') {
    const { event } = found;
    return { fromUs: Math.max(startUs, event.tsUs), toUs: Math.min(endUs, lastsUntilUs(event)) };
  }
  if (found.rule === 'idle-tail') return { fromUs: found.fromUs, toUs: found.fromUs + found.lengthUs };
  return 'toUs' in found ? { fromUs: found.fromUs, toUs: found.toUs } : { fromUs: startUs, toUs: endUs };
}

/** Undefined where it is about all of them. */
function devicesOf(found: Found): readonly JobDevice[] | undefined {
  if ('device' in found) return [found.device];
  if ('devices' in found) return found.devices;
  if (found.rule === 'imbalance') return [found.slowest.device, found.fastest.device];
  return 'fullest' in found && found.fullest !== undefined ? [found.fullest.device] : undefined;
}
