import { createOwnUse, statOf, tickStatOf, type LaneAccount } from '../delivery/lane-accounts.ts';
import type { Outbox } from '../delivery/outbox.ts';
import type { Sampling } from './sampling.ts';

export interface SelfReportOptions {
  readonly sampling: Sampling;
  readonly account: () => readonly LaneAccount[];
  readonly outbox: Pick<Outbox, 'stats'>;
  /** Of gpuledger, for `collector_stats`. */
  readonly version?: string;
  /** Hears the account as often as it is noted. */
  readonly onStats?: (own: { readonly cpuRatio?: number; readonly rssBytes: number }) => void;
}

/** @returns what puts a row a lane for `collector_stats` on its way: the collector measuring itself */
export function createSelfReport(options: SelfReportOptions): () => void {
  const { sampler, startUs, nowUs } = options.sampling;
  const ownUse = createOwnUse();
  return () => {
    const own = ownUse();
    const { cluster, node } = sampler.devices[0]!;
    const stamp = {
      tsUs: nowUs(),
      ...(cluster === undefined ? {} : { cluster }),
      node,
      source: sampler.source,
      lifeStartUs: startUs,
      ...(options.version === undefined ? {} : { version: options.version }),
      ...own,
    };
    const costs = sampler.rings.map(tickStatOf);
    const rows = options
      .account()
      .map((each, lane) => ({ ...stamp, ...statOf(each, Date.now()), ...costs[lane] }));
    options.outbox.stats(rows);
    options.onStats?.(own);
  };
}
