import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, readBounded } from './bounded-read.ts';
import { slurmJobOf, type CgroupJob } from './slurm/cgroup.ts';

/** Whose a process is. */
export interface ProcessMark {
  /** By its cgroup; `none`: it is no job's; `unknown`: it has ended, or may not be looked at. */
  readonly job: CgroupJob | 'none' | 'unknown';
  /** By its name. */
  readonly isMpsServer: boolean;
}

/** The kernel's own number for the first namespace of processes. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';
/** The kernel cuts names at 15 characters: `nvidia-cuda-mps-server`. */
const MPS_NAME = 'nvidia-cuda-mps';
/** A dozen hierarchies with long paths. */
const PROC_BYTES_MAX = 64 * 1024;

/** Whether the numbers of processes here are those of the host, by which the driver speaks. */
export function isHostNamespace(proc: string): boolean {
  try {
    return readlinkSync(join(proc, 'self/ns/pid')) === FIRST_PID_NAMESPACE;
  } catch (thrown) {
    if (codeOf(thrown) === undefined) throw thrown;
    return false;
  }
}

/**
 * Everybody may read it of every process, unless /proc is mounted with `hidepid`: then only root may.
 * @param proc `/proc`
 */
export function readProcessMark(proc: string, pid: number): ProcessMark {
  const cgroup = readText(join(proc, String(pid), 'cgroup'));
  const job = cgroup === undefined ? 'ambiguous' : (slurmJobOf(cgroup) ?? 'none');
  const isMpsServer = readText(join(proc, String(pid), 'comm'))?.trimEnd() === MPS_NAME;
  return { job: job === 'ambiguous' ? 'unknown' : job, isMpsServer };
}

function readText(path: string): string | undefined {
  const found = readBounded(path, PROC_BYTES_MAX);
  return found.kind === 'content' ? new TextDecoder().decode(found.content) : undefined;
}
