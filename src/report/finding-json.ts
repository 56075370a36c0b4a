import { FINDING_LIMITS } from '../core/analysis/finding-limits.ts';
import type { Finding } from '../figures/job/figures.ts';
import { hostDoingJson } from './host/host-json.ts';
import { findingText } from './finding-text.ts';

/** A finding as JSON: what it costs, how it is known, when and where, from where on its rule speaks, and what to type. */
export function findingJson(finding: Finding): object {
  const { rule, lostGpuUs, confidence, fromUs, toUs, gpus, limit, evidence, command } = finding;
  return {
    rule,
    text: findingText(finding),
    lostGpuUs,
    confidence,
    fromUs,
    toUs,
    gpus,
    limit: limit === undefined ? undefined : limitJson(limit),
    evidence,
    host: 'host' in finding ? hostDoingJson(finding.host) : undefined,
    command,
  };
}

function limitJson({ name, value }: NonNullable<Finding['limit']>): object {
  const { unit, usual, source } = FINDING_LIMITS[name];
  const isTime = unit === 'milliseconds';
  return {
    value: isTime ? value * 1000 : value,
    unit: isTime ? 'microseconds' : unit,
    source: value === usual ? source : 'the configuration',
  };
}
