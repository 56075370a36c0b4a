/**
 * The job of a process by the cgroup that Slurm put it into. The paths, below whatever a site or a container puts first:
 *
 *   v1     /slurm_NODE/uid_1000/job_4217/step_0/task_0        (`slurm` alone where a node has one slurmd)
 *   v2     /system.slice/NODE_slurmstepd.scope/job_4217/step_0/user/task_0
 *   26.05  /system.slice/slurmstepd.scope/sEKNKTV3WPV500/step_0/user/task_0
 */

/** A job by the name that its cgroup bears. */
export type CgroupJob = { readonly jobId: string } | { readonly sluid: string };

const V1 = /^uid_\d{1,10}$/;
const V2 = /^(?:.+_)?slurmstepd\.scope$/;
const JOB = /^job_(\d{1,10})$/;
/** 13 digits of Crockford's alphabet, which has no I, L, O and U. */
const SLUID = /^s[0-9A-HJKMNP-TV-Z]{13}$/;
/** Below here anybody may make a cgroup of any name. */
const OF_USERS = /^user\.slice$|^user@/;

/**
 * @param text of `/proc/PID/cgroup`
 * @returns undefined where no line is of a Slurm job; `ambiguous` where the lines name several
 */
export function slurmJobOf(text: string): CgroupJob | 'ambiguous' | undefined {
  const found = new Map<string, CgroupJob>();
  for (const line of text.split('\n')) {
    // Number and controllers of the hierarchy; the path itself may hold colons.
    const path = /^\d+:[^:]*:(\/.*)$/.exec(line)?.[1];
    const job = path === undefined ? undefined : jobOfPath(path.replace(/ \(deleted\)$/, '').split('/'));
    if (job !== undefined) found.set('jobId' in job ? job.jobId : job.sluid, job);
  }
  if (found.size > 1) return 'ambiguous';
  return [...found.values()][0];
}

/** The first place that is Slurm's: what a job makes below its own cgroup says nothing. */
function jobOfPath(names: readonly string[]): CgroupJob | undefined {
  for (const [at, name] of names.entries()) {
    if (OF_USERS.test(name)) return undefined;
    const next = names[at + 1] ?? '';
    const jobId = JOB.exec(next)?.[1];
    if (V1.test(name) && jobId !== undefined) return { jobId };
    if (!V2.test(name)) continue;
    if (jobId !== undefined) return { jobId };
    return SLUID.test(next) ? { sluid: next } : undefined;
  }
  return undefined;
}
