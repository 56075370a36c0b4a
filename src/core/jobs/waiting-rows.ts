import type { WaitingJobs, WaitingLabels } from './cluster-load.ts';

/** Jobs that waited at one moment and are alike. */
export interface WaitingRow extends WaitingLabels {
  readonly jobs: number;
  /** Σ over them of the time since they were submitted, µs. */
  readonly waitUs: number;
}

/** Counts jobs that are alike together. A submission that lies ahead (a clock that differs) is of now. */
export function waitingRowsOf(waiting: readonly WaitingJobs[], nowUs: number): WaitingRow[] {
  const rows = new Map<string, WaitingRow>();
  for (const { jobs, submitUs, ...labels } of waiting) {
    const { partition, account, user, qos, reason, gpuType, gpus, nodes } = labels;
    const key = JSON.stringify([partition, account, user, qos, reason, gpuType, gpus, nodes]);
    const row = rows.get(key);
    const waitUs = (row?.waitUs ?? 0) + jobs * Math.max(0, nowUs - submitUs);
    rows.set(key, { ...labels, jobs: (row?.jobs ?? 0) + jobs, waitUs: Math.min(waitUs, WAIT_US_MAX) });
  }
  return [...rows.values()];
}

/** The store takes whole numbers that are exact: 285 job-years. */
const WAIT_US_MAX = Number.MAX_SAFE_INTEGER;
