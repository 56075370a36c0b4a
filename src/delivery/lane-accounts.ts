import type { Lane } from '../core/fields/lane.ts';
import type { Ring } from '../core/ring/ring.ts';
import type { LaneTotals } from './lane-delivery.ts';

/** What became of the rows of one lane: sampled = acknowledged + held + spooled + refused + dropped. */
export interface LaneAccount extends LaneTotals {
  readonly lane: string;
  readonly table: string;
  readonly intervalMs: number;
  /** In [0, 1]. */
  readonly ringFillRatio: number;
}

/** @param suspended why the store shows none of the rows that it takes */
export function accountOf(
  lane: Lane,
  ring: Ring,
  totals: LaneTotals,
  suspended: string | undefined,
): LaneAccount {
  const { name, table, intervalMs } = lane;
  const ringFillRatio = ring.heldTicks / ring.shape.capacityTicks;
  const problem = suspended ?? totals.problem;
  return {
    lane: name,
    table,
    intervalMs,
    ...totals,
    ringFillRatio,
    ...(problem === undefined ? {} : { problem }),
  };
}

/** The part of a `collector_stats` row that tells of the lane. */
export function statOf(account: LaneAccount, nowMs: number) {
  const { lane, sampledRows, acknowledgedRows, heldRows, spooledRows, refusedRows, droppedRows } = account;
  const { sentBytes, spoolBytes, spoolOldestMs, batches, failedBatches, ringFillRatio } = account;
  const { sendMsMean, sendMsMax } = account;
  return {
    lane,
    sampledRows,
    acknowledgedRows,
    heldRows,
    spooledRows,
    refusedRows,
    droppedRows,
    sentBytes,
    spoolBytes,
    flushCount: batches,
    flushFailedCount: failedBatches,
    ...(sendMsMax === 0 ? {} : { flushMsMean: sendMsMean, flushMsMax: sendMsMax }),
    ...(spoolOldestMs === undefined ? {} : { oldestUnsentMs: nowMs - spoolOldestMs }),
    ringFillRatio,
  };
}

/** The part of a `collector_stats` row that tells what sampling the lane cost since the row before. */
export function tickStatOf({ tally }: Ring) {
  const cost = tally.takeCost();
  return {
    lateTicks: tally.lateTicks,
    implausibleValues: tally.implausibleCells,
    ...(cost === undefined ? {} : { sampleMsMean: cost.meanMs, sampleMsMax: cost.maxMs }),
  };
}

/** What this process costs: CPU as a part of one core since the call before, and resident memory. */
export function createOwnUse(): () => { cpuRatio?: number; rssBytes: number } {
  let before: { readonly cpuUs: number; readonly atUs: number } | undefined;
  return () => {
    const { user, system } = process.cpuUsage();
    const now = { cpuUs: user + system, atUs: performance.now() * 1000 };
    const rssBytes = process.memoryUsage.rss();
    const use =
      before === undefined
        ? { rssBytes }
        : { rssBytes, cpuRatio: (now.cpuUs - before.cpuUs) / (now.atUs - before.atUs) };
    before = now;
    return use;
  };
}
