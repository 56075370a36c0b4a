import type { Scenario, ScenarioJob } from '../../src/core/synthetic/scenario.ts';
import { attributedOwnedUs, sumAttributed, type DeviceLedger, type Stay } from './attribution.ts';
import type { Grouping, GroupTruth } from './truth.ts';

/** The groups of every grouping, each list by name. */
export function groupTruths(
  scenario: Scenario,
  ledgers: readonly DeviceLedger[],
  fromUs: number,
  toUs: number,
): Readonly<Record<Grouping, readonly GroupTruth[]>> {
  const by = (nameOf: (stay: Stay) => string): readonly GroupTruth[] => {
    const stays = ledgers.flatMap((ledger) => ledger.stays);
    const groups = Map.groupBy(stays, nameOf);
    return [...groups.keys()]
      .sort()
      .map((name) => groupTruth(name, groups.get(name)!, ledgers, fromUs, toUs));
  };
  const record = ({ job }: Stay): ScenarioJob['record'] => job.record;
  return {
    user: by((stay) => record(stay).user ?? ''),
    account: by((stay) => record(stay).account ?? ''),
    partition: by((stay) => record(stay).partition ?? ''),
    node: by(({ device }) => scenario.devices[device]!.node),
    model: by(({ device }) => scenario.devices[device]!.model),
    cluster: by(({ device }) => scenario.devices[device]!.cluster ?? ''),
  };
}

function groupTruth(
  group: string,
  stays: readonly Stay[],
  ledgers: readonly DeviceLedger[],
  fromUs: number,
  toUs: number,
): GroupTruth {
  let physicalDtUs = 0;
  let physicalOwnedUs = 0;
  let ownedUs = 0;
  for (const [device, own] of Map.groupBy(stays, (stay) => stay.device)) {
    const { rows, stays: all } = ledgers[device]!;
    // A row that two jobs of the group share counts once.
    for (const row of new Set(own.flatMap((stay) => stay.at))) physicalDtUs += rows.dtUs[row]!;
    physicalOwnedUs += unionUs(own, fromUs, toUs);
    for (const stay of own) ownedUs += attributedOwnedUs(stay, all, fromUs, toUs);
  }
  const jobs = new Set(stays.map(({ job }) => job));
  return {
    ...sumAttributed(stays.map((stay) => stay.attributed)),
    ownedUs,
    group,
    physicalOwnedUs,
    physicalDtUs,
    jobs: new Set([...jobs].map((job) => job.jobId)).size,
    jobRuns: jobs.size,
  };
}

/** Length of the union of some stays within (fromUs, toUs]. */
function unionUs(stays: readonly Stay[], fromUs: number, toUs: number): number {
  let coveredUs = 0;
  let reachedUs = fromUs;
  for (const { job } of stays.toSorted((a, b) => a.job.startUs - b.job.startUs)) {
    const endUs = Math.min(job.endUs, toUs);
    coveredUs += Math.max(0, endUs - Math.max(job.startUs, reachedUs));
    reachedUs = Math.max(reachedUs, endUs);
  }
  return coveredUs;
}
