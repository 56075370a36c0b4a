import type { JobFact, JobInput, JobRecord } from '../core/jobs/job-fact.ts';
import type { OwnershipChange } from '../core/jobs/interval.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import { RelabelBacklog } from '../core/jobs/relabel.ts';
import type { RelabelOrder } from '../questdb/rows/relabel-samples.ts';

/** How far back a late fact is followed into the samples. */
const RELABEL_WINDOW_US = 24 * 3600 * 1e6;
/** A job's record is sent again as long as it may have been missing or incomplete in the last drain. */
const RECORD_SLACK_US = 60_000_000;

/** Whose devices these were, as far as anybody told. */
export interface Told {
  readonly ownership: Ownership;
  /** What the inputs say beyond what is stored. */
  readonly changes: readonly OwnershipChange[];
  readonly records: readonly JobRecord[];
  readonly problems: readonly string[];
}

/**
 * What is stored comes first: what the inputs change of it is what is new.
 * @param stored facts that `gpu_ownership` has
 * @param oldestUs oldest watermark, NaN without any
 */
export function readJobs(
  inputs: readonly JobInput[],
  stored: readonly JobFact[],
  oldestUs: number,
  nowUs: number,
): Told {
  const ownership = new Ownership();
  for (const fact of stored) ownership.apply(fact);
  const news = inputs.map((input) => input.read(nowUs));
  const changes = news.flatMap(({ facts }) => facts.flatMap((fact) => ownership.apply(fact)));
  const changed = new Set(changes.map(({ interval }) => interval.jobId));
  const recentUs = oldestUs - RECORD_SLACK_US;
  const records = news
    .flatMap((one) => one.records)
    .filter(
      ({ jobId, startUs, endUs }) =>
        changed.has(jobId) || !(startUs < recentUs) || (endUs !== undefined && !(endUs < recentUs)),
    );
  const problems = news.flatMap((one) => one.problems ?? []).map(({ message }) => message);
  return { ownership, changes, records, problems };
}

/**
 * Which stored samples have to be labelled again for what is new.
 * @param labelledUntilUs newest watermark: later samples are being written with the right label
 */
export function relabelOrders(told: Told, labelledUntilUs: number): RelabelOrder[] {
  if (!Number.isFinite(labelledUntilUs)) return [];
  const backlog = new RelabelBacklog(RELABEL_WINDOW_US);
  backlog.note(told.changes, labelledUntilUs);
  return backlog.take().map(({ gpu, fromUs, toUs }) => ({
    gpu,
    stretches: told.ownership.labelsBetween(gpu, fromUs, toUs),
  }));
}
