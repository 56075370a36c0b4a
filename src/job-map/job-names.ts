import type { JobRecord } from '../core/jobs/job-fact.ts';
import type { UserKind } from '../core/jobs/measured-use.ts';
import type { MarkedProcess } from '../source/nvml/process-use-thread.ts';

/** Whose processes are, by the names that their cgroups bear and the jobs that own the device. */
export interface JobNames {
  readonly note: (records: readonly JobRecord[]) => void;
  /** @param isMpsUsed whether the device has clients of MPS */
  userOf(
    process: Pick<MarkedProcess, 'mark' | 'isMpsClient'>,
    owners: readonly string[],
    isMpsUsed: boolean,
  ): { readonly kind: UserKind; readonly jobId?: string };
}

/** A node has a few hundred jobs at once, at most; what their ends did not take away goes by age. */
const NAMES_MAX = 10_000;

export function createJobNames(): JobNames {
  /** By SLUID. */
  const jobIds = new Map<string, string>();
  /** By the id of a component: the id that the steps of the whole job may run under. */
  const hetJobIds = new Map<string, string>();

  function keep(names: Map<string, string>, key: string, value: string, isOver: boolean): void {
    names.delete(key);
    if (!isOver) names.set(key, value);
    const [oldest] = names.keys();
    if (names.size > NAMES_MAX) names.delete(oldest!);
  }

  /** @returns the id of the owner where it is one under another name */
  function ownerCalled(jobId: string, owners: readonly string[]): string {
    if (owners.includes(jobId)) return jobId;
    const components = owners.filter((owner) => hetJobIds.get(owner) === jobId);
    return components.length === 1 ? components[0]! : jobId;
  }

  return {
    note(records) {
      for (const { jobId, sluid, hetJobId, endUs } of records) {
        const isOver = endUs !== undefined;
        if (sluid !== undefined) keep(jobIds, sluid, jobId, isOver);
        if (hetJobId !== undefined) keep(hetJobIds, jobId, hetJobId, isOver);
      }
    },
    userOf({ mark: { job, isMpsServer }, isMpsClient }, owners, isMpsUsed) {
      // A job may call its program what it likes, but then nobody is served by it.
      if (isMpsServer && !isMpsClient && (isMpsUsed || job === 'none')) return { kind: 'mps_server' };
      if (job === 'none') return { kind: 'no_job' };
      if (job === 'unknown') return { kind: 'unknown' };
      const jobId = 'jobId' in job ? job.jobId : jobIds.get(job.sluid);
      return jobId === undefined ? { kind: 'unknown' } : { kind: 'job', jobId: ownerCalled(jobId, owners) };
    },
  };
}
