import { sentenceOf } from '../core/base/errors.ts';
import type { Interval } from '../core/jobs/interval.ts';
import type { JobInput, JobRecord } from '../core/jobs/job-fact.ts';
import { Ownership } from '../core/jobs/ownership.ts';
import { openOwnership, type OlderNews } from '../job-map/session.ts';
import type { OwnerSetRow } from '../questdb/rows/owner-set-rows.ts';
import type { RelabelOrder } from '../questdb/rows/relabel-samples.ts';

/** A job's record is sent again as long as it may have been missing or incomplete in the last drain. */
const RECORD_SLACK_US = 60_000_000;

/** Whose devices these were, as far as anybody told. */
interface DrainedJobs {
  readonly ownership: Ownership;
  /** Those that labels use. */
  readonly ownerSets: readonly OwnerSetRow[];
  /** Intervals whose stored row is not right yet, but for what `older` tells for the first time. */
  readonly intervals: readonly Interval[];
  readonly records: readonly JobRecord[];
  /** Stored samples that have to be labelled again. */
  readonly relabel: readonly RelabelOrder[];
  /** What was told of times whose stays were not read; absent: nothing. */
  readonly older?: OlderNews;
  readonly warnings: readonly string[];
  /** To be called when all of it is stored; absent: no input wants to know. */
  readonly acknowledge?: () => void;
}

/** Times in epoch µs. */
interface DrainTimes {
  /** Oldest watermark, NaN without any. */
  readonly oldestUs: number;
  /** Newest watermark, -Infinity without any: later samples are being written with the right label. */
  readonly newestUs: number;
  readonly nowUs: number;
}

/**
 * What is stored comes first: what the inputs change of it is what is new.
 * @param cluster of the node; undefined where nobody knows
 */
export async function readJobs(
  inputs: readonly JobInput[],
  stored: readonly Interval[],
  { oldestUs, newestUs, nowUs }: DrainTimes,
  cluster?: string,
): Promise<DrainedJobs> {
  const ownership = new Ownership();
  const session = openOwnership({ inputs, ownership, labelledUntilUs: newestUs, cluster });
  const adopted = session.adopt(stored);
  const { changes, records, problems } = await session.readOnce(nowUs);
  const changed = new Set(changes.map(({ interval }) => interval.jobId));
  const recentUs = oldestUs - RECORD_SLACK_US;
  const isDue = ({ jobId, startUs, endUs }: JobRecord): boolean =>
    changed.has(jobId) || !(startUs < recentUs) || (endUs !== undefined && !(endUs < recentUs));
  const { orders } = session.takeRelabels();
  const older = session.takeOlder();
  const wantsToKnow = inputs.some((input) => input.acknowledge !== undefined);
  return {
    ownership,
    ownerSets: session.takeOwnerSets(),
    intervals: [...adopted, ...changes]
      .map(({ interval }) => interval)
      .filter((one) => !session.isUnread(one)),
    records: records.filter(isDue),
    relabel: orders,
    ...(older === undefined ? {} : { older }),
    warnings: problems.map(({ error }) => sentenceOf(error)),
    ...(wantsToKnow
      ? {
          acknowledge: () => {
            session.acknowledge(nowUs);
          },
        }
      : {}),
  };
}
