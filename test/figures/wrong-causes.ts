import { CAUSES, type Cause } from '../../src/core/analysis/causes.ts';
import type { Scenario, ScenarioJob } from '../../src/core/synthetic/scenario.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';

const STRAY_MAX = 0.01;
const WAITING_STRAY_MAX = 0.015;

/** What cannot be told apart: a job of bursts rests before its first one and after its last one as it does between them. */
const BURSTS: readonly Cause[] = ['idleHead', 'gaps', 'idleTail', 'pause'];

/**
 * Where the report's causes are not what the scenario says the job did. Of shared devices nobody can tell which of the jobs did
 * what: there only the sum is looked at.
 * @param isByMinutes the report was made from them
 */
export function wrongCauses(
  { causes, all, sharing, boundaryUs, devices }: JobFigures,
  scenario: Scenario,
  job: ScenarioJob,
  isByMinutes: boolean,
): string[] {
  const what = `job ${job.jobId} run ${job.run} (${job.shape})`;
  if (all.samples === 0) return causes === undefined ? [] : [`${what}: causes of no samples`];
  if (causes === undefined || 'why' in causes) return [`${what}: no causes`];
  const sumUs = [...causes.causes.values()].reduce((sum, { us }) => sum + us, 0);
  if (sharing !== 'whole') return sumUs < all.ownedUs ? [] : [`${what}: all of shared devices`];
  const wrong: string[] = [];
  if (sumUs !== all.ownedUs) wrong.push(`${sumUs} of ${all.ownedUs} µs`);
  for (const device of causes.devices) {
    const us = [...device.causes.values()].reduce((sum, one) => sum + one.us, 0);
    if (us !== devices.find(({ gpu }) => gpu === device.gpu)!.ownedUs)
      wrong.push(`${us} µs of ${device.gpu}`);
  }
  const joules = [...causes.causes.values()].reduce((sum, one) => sum + (one.joules ?? 0), 0);
  const best = all.energy.best?.value ?? 0;
  if (Math.abs(joules - best) > 1e-6 * best) wrong.push(`${joules} of ${best} J`);
  const truth = truthOf(scenario, job);
  const told = (cause: Cause): number => (causes.causes.get(cause)?.us ?? 0) / sumUs;
  const unseen = told('notSeen');
  // A context begins and ends with a tick.
  const edges = (2 * boundaryUs) / (job.endUs - job.startUs);
  const compare = (name: string, some: readonly Cause[], max: number): void => {
    const [a, b] = [sumOf(some.map(told)), sumOf(some.map((cause) => truth[cause]))];
    // What was not seen may have been anything.
    if (a > b + max + edges || a < b - max - edges - unseen) wrong.push(`${name}: ${a} for ${b}`);
  };
  const { waiting } = causes;
  const [least, most] = [(waiting?.leastUs ?? 0) / sumUs, (waiting?.mostUs ?? 0) / sumUs];
  const isInRange = least - edges - unseen <= truth.waiting && truth.waiting <= most + edges + unseen;
  if (!isInRange) compare('waiting', ['waiting'], WAITING_STRAY_MAX);
  compare('waiting and effective', ['waiting', 'effective'], STRAY_MAX);
  const isBurst = job.shape === 'inference' || (isByMinutes && truth.gaps > 0.5);
  if (isBurst) compare('rests', BURSTS, STRAY_MAX);
  for (const cause of CAUSES) {
    const isTogether = cause === 'waiting' || cause === 'effective' || (isBurst && BURSTS.includes(cause));
    if (!isTogether && cause !== 'notSeen') compare(cause, [cause], STRAY_MAX);
  }
  return wrong.map((one) => `${what}: ${one}`);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function truthOf(scenario: Scenario, job: ScenarioJob): Record<Cause, number> {
  const truth = Object.fromEntries(CAUSES.map((cause) => [cause, 0])) as Record<Cause, number>;
  const ownedUs = (job.endUs - job.startUs) * job.devices.length;
  for (const { causeUs } of scenario.storyOf(job, job.startUs, job.endUs).devices)
    for (const [cause, us] of Object.entries(causeUs)) truth[cause as Cause] += us / ownedUs;
  return truth;
}
