import { SHARED_CLUSTER, type HookRecord } from './facts-world.ts';

/** The rules of docs/ownership.md, read slowly: one record after the other, in the order of time. Nothing of gpuledger is used. */

/** One stay on one device; no end: it is open. */
export interface Stay {
  readonly cluster: string;
  readonly node: string;
  readonly gpu: string;
  readonly jobId: string;
  readonly count: number;
  readonly user: string;
  readonly startUs: number;
  endUs?: number;
}

/** What can be known of the devices from these records. */
export function staysOf(records: readonly HookRecord[]): Stay[] {
  const stays: Stay[] = [];
  const open = (): Stay[] => stays.filter(({ endUs }) => endUs === undefined);
  const isOfJob = (stay: Stay, { node, run }: HookRecord): boolean =>
    stay.cluster === run.cluster && stay.node === node && stay.jobId === run.jobId;
  // A requeue counts up before the epilog.
  const isOfRun = (stay: Stay, { run, count }: HookRecord): boolean =>
    stay.user === run.user && [count, count - 1].includes(stay.count);
  for (const record of [...records].sort((a, b) => a.atUs - b.atUs)) {
    const { run, node, gpus, atUs, count } = record;
    if (record.event === 'end') {
      const ended = stays.findLast((stay) => isOfJob(stay, record) && isOfRun(stay, record));
      for (const stay of open())
        if (isOfJob(stay, record) && stay.startUs === ended?.startUs) stay.endUs = atUs;
      continue;
    }
    const isWhole = run.cluster !== SHARED_CLUSTER;
    for (const stay of open()) {
      // A job runs once at a time on a node, and a whole device has one owner.
      const isTaken = isWhole && stay.cluster === run.cluster && gpus.includes(stay.gpu);
      if (isOfJob(stay, record) || isTaken) stay.endUs = atUs;
    }
    const { cluster, jobId, user } = run;
    for (const gpu of gpus) stays.push({ cluster, node, gpu, jobId, count, user, startUs: atUs });
  }
  return stays;
}
