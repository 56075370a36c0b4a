import { SHARED_CLUSTER, type HookRecord } from './facts-world.ts';

/** The rules of docs/ownership.md, read slowly: one record after the other, in the order of time. Nothing of gpuledger is used. */

/** One stay on one device; no end: it is open. */
export interface Stay {
  readonly cluster: string;
  readonly node: string;
  readonly gpu: string;
  readonly jobId: string;
  readonly count: number;
  readonly startUs: number;
  endUs?: number;
}

/** What can be known of the devices from these records. */
export function staysOf(records: readonly HookRecord[]): Stay[] {
  const stays: Stay[] = [];
  const open = (): Stay[] => stays.filter(({ endUs }) => endUs === undefined);
  const isOnNode = (stay: Stay, { node, run }: HookRecord): boolean =>
    stay.cluster === run.cluster && stay.node === node;
  for (const record of [...records].sort((a, b) => a.atUs - b.atUs)) {
    const { run, node, gpus, atUs, count } = record;
    const isWhole = run.cluster !== SHARED_CLUSTER;
    for (const stay of open()) {
      const isOwn = isOnNode(stay, record) && stay.jobId === run.jobId;
      // A job runs once at a time on a node, and a whole device has one owner.
      const isTaken = isWhole && gpus.includes(stay.gpu);
      if (isOwn || (record.event === 'start' && isTaken)) stay.endUs = atUs;
    }
    if (record.event === 'end') continue;
    const { cluster, jobId } = run;
    for (const gpu of gpus) stays.push({ cluster, node, gpu, jobId, count, startUs: atUs });
  }
  return stays;
}
