import type { Tell } from '../core/base/notice.ts';
import type { Device } from '../core/devices/device.ts';
import { hostUseBetween, type HostReading } from '../core/jobs/host-use.ts';
import type { JobRecord } from '../core/jobs/job-fact.ts';
import type { Ownership } from '../core/jobs/ownership.ts';
import { openJobCgroups } from '../ownership/slurm/job-cgroups.ts';
import type { HostJobRow } from '../questdb/rows/small-tables.ts';

/** What the jobs that own GPUs do with the CPUs, the storage and the memory of their nodes, by their cgroups, for `host_jobs`. */
export interface HostJobs {
  /** Reads once. To be called every second or so. */
  readonly look: () => void;
  /** Takes note of what the jobs are called. */
  readonly noteRecords: (records: readonly JobRecord[]) => void;
}

export interface HostJobsOptions {
  readonly ownership: Pick<Ownership, 'ownersAt'>;
  readonly devices: readonly Device[];
  /** Where the hierarchy of cgroups is mounted; absent: nothing is read. */
  readonly cgroupRoot?: string;
  readonly nowUs: () => number;
  readonly onRows: (rows: readonly HostJobRow[]) => void;
  readonly tell: Tell;
}

/** A node has some dozens of jobs with GPUs, at most. */
const JOBS_MAX = 256;
/** A job owns its GPUs before its first step makes the cgroup. */
const LOOKS_WITHOUT_MAX = 10;
/** What their ends did not take away goes by age. */
const SLUIDS_MAX = 10_000;

interface Job {
  readonly device: Device;
  readonly jobId: string;
}

export function createHostJobs(options: HostJobsOptions): HostJobs {
  const { ownership, devices, cgroupRoot, nowUs, onRows, tell } = options;
  if (cgroupRoot === undefined) return { look: () => undefined, noteRecords: () => undefined };
  const cgroups = openJobCgroups(cgroupRoot);
  /** By the id of a job: what Slurm calls its run. */
  const sluids = new Map<string, string>();
  let before = new Map<string, HostReading>();
  let looksWithout = 0;

  /** The jobs that own devices now, one a node. */
  function jobsAt(atUs: number): Map<string, Job> {
    const jobs = new Map<string, Job>();
    for (const device of devices)
      for (const { jobId } of ownership.ownersAt(device.uuid, atUs))
        if (jobs.size < JOBS_MAX) jobs.set(`${device.node}\n${jobId}`, { device, jobId });
    return jobs;
  }

  function tellAbsence(jobs: number, found: number): void {
    looksWithout = jobs === 0 || found > 0 ? 0 : looksWithout + 1;
    if (looksWithout !== LOOKS_WITHOUT_MAX) return;
    const sentence = `no job that owns GPUs here has a cgroup of Slurm below ${cgroupRoot}: what they do on their node is not recorded`;
    tell({ level: 'warn', code: 'host_jobs.unmeasured', sentence });
  }

  return {
    look() {
      const tsUs = nowUs();
      const now = new Map<string, HostReading>();
      const rows: HostJobRow[] = [];
      const jobs = jobsAt(tsUs);
      for (const [key, { device, jobId }] of jobs) {
        const { node, cluster } = device;
        const reading = cgroups.read({ node, jobId, sluid: sluids.get(jobId) });
        if (reading === undefined) continue;
        now.set(key, reading);
        const former = before.get(key);
        const use = former && hostUseBetween(former, reading);
        if (use === undefined) continue;
        rows.push({ tsUs, ...(cluster === undefined ? {} : { cluster }), node, jobId, ...use });
      }
      before = now;
      tellAbsence(jobs.size, now.size);
      if (rows.length > 0) onRows(rows);
    },
    noteRecords(records) {
      for (const { jobId, sluid, endUs } of records) {
        if (sluid === undefined) continue;
        sluids.delete(jobId);
        if (endUs === undefined) sluids.set(jobId, sluid);
        const [oldest] = sluids.keys();
        if (sluids.size > SLUIDS_MAX) sluids.delete(oldest!);
      }
    },
  };
}
