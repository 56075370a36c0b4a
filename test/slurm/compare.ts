import type { Interval } from '../../src/core/jobs/interval.ts';
import type { TrueStay } from './truth.ts';

/** A stored sample: whom its label names, and who owns it by `gpu_ownership`. */
export interface LabelledSample {
  readonly node: string;
  /** Position in gres.conf. */
  readonly index: number;
  readonly tsUs: number;
  readonly jobId: string | null;
  readonly owners: number;
  readonly byTable: readonly Interval[];
}

export interface Verdict {
  readonly samples: number;
  /** In a job's own stamps, and labelled with just the jobs that ran there. */
  innerRight: number;
  /** Between allocation and epilog, but outside the stamps: labelled, and not. */
  marginLabelled: number;
  marginUnlabelled: number;
  /** Outside every allocation, and unlabelled. */
  freeUnlabelled: number;
  /** Must be 0: a label on a device that the job did not have then. */
  outsideLabelled: string[];
  /** Must be 0: a sample of a running job without its label. */
  innerWrong: string[];
  /** Must be 0: label column and `gpu_ownership` differ. */
  disagreeing: string[];
}

/** How the shares that are stored compare with the shards that Slurm gave. */
export interface ShareVerdict {
  /** The stored share is the job's shards by those of the GPU. */
  right: number;
  /** The job had ended before anybody could ask. */
  unknown: number;
  /** Must be 0: another share is stored. */
  wrong: string[];
}

/** @param ofShards shards of each GPU */
export function compareShares(
  intervals: readonly Interval[],
  stays: readonly TrueStay[],
  ofShards: number,
): ShareVerdict {
  const verdict: ShareVerdict = { right: 0, unknown: 0, wrong: [] };
  for (const { jobId, node, startUs, share } of intervals) {
    const stay = stays.find(
      (one) =>
        one.jobId === jobId && one.node === node && one.allocatedUs <= startUs && startUs <= one.completedUs,
    );
    if (stay?.shards === undefined) continue;
    if (Number.isNaN(share)) verdict.unknown += 1;
    else if (share === stay.shards / ofShards) verdict.right += 1;
    else verdict.wrong.push(`job ${jobId} has ${stay.shards} of ${ofShards} shards, stored is ${share}`);
  }
  return verdict;
}

/** The controller's log has milliseconds. */
const LOG_GRAIN_US = 2_000;

export function compare(samples: readonly LabelledSample[], stays: readonly TrueStay[]): Verdict {
  const verdict: Verdict = {
    samples: samples.length,
    innerRight: 0,
    marginLabelled: 0,
    marginUnlabelled: 0,
    freeUnlabelled: 0,
    outsideLabelled: [],
    innerWrong: [],
    disagreeing: [],
  };
  const byNode = Map.groupBy(stays, (stay) => stay.node);
  for (const sample of samples) judge(sample, byNode.get(sample.node) ?? [], verdict);
  return verdict;
}

function judge(sample: LabelledSample, stays: readonly TrueStay[], verdict: Verdict): void {
  const { tsUs, index } = sample;
  const holding = stays.filter(
    (stay) =>
      (stay.gpus === undefined || stay.gpus.includes(index)) &&
      stay.allocatedUs - LOG_GRAIN_US < tsUs &&
      tsUs <= stay.completedUs + LOG_GRAIN_US,
  );
  const running = holding.filter(
    (stay) =>
      stay.gpus !== undefined && stay.inner.some((span) => span.firstUs < tsUs && tsUs <= span.lastUs),
  );
  // The run is the key, not the id alone: a requeued job has several.
  const named = sample.byTable.map((interval) => `${interval.jobId}/${interval.run}`);
  const text = `${new Date(tsUs / 1000).toISOString()} ${sample.node} gpu ${index}: label ${named.join('+') || 'none'}`;
  const sole = sample.byTable.length === 1 ? sample.byTable[0]!.jobId : null;
  if (sample.owners !== sample.byTable.length || sample.jobId !== sole) {
    verdict.disagreeing.push(`${text}, but the sample says ${String(sample.jobId)} of ${sample.owners}`);
  }
  const held = new Set(holding.map((stay) => `${stay.jobId}/${stay.occurrence}`));
  if (named.some((run) => !held.has(run)))
    verdict.outsideLabelled.push(`${text}, held by ${[...held].join('+') || 'nobody'}`);
  const missing = running.filter((stay) => !named.includes(`${stay.jobId}/${stay.occurrence}`));
  if (missing.length > 0)
    verdict.innerWrong.push(`${text}, runs ${missing.map((stay) => stay.jobId).join('+')}`);
  else if (running.length > 0) verdict.innerRight += 1;
  else if (holding.length === 0) verdict.freeUnlabelled += named.length === 0 ? 1 : 0;
  else if (named.length > 0) verdict.marginLabelled += 1;
  else verdict.marginUnlabelled += 1;
}
