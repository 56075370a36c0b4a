import { HOST_INTERVAL_MS_MAX, HOST_INTERVAL_MS_MIN } from '../../core/fields/limits.ts';
import type * as values from '../values.ts';

/** What jobs do beside their GPUs. */
export const HOST_KEYS = {
  about:
    'what jobs do on their node, by the cgroups that Slurm makes for them: table `host_jobs` (docs/tables.md)',
  keys: {
    interval: {
      type: (is: typeof values) =>
        is.durationMs({ minMs: HOST_INTERVAL_MS_MIN, maxMs: HOST_INTERVAL_MS_MAX }).exactOptional(),
      doc: 'read CPU time, waits for CPUs and storage, bytes and memory of the jobs that own GPUs this often',
      as: 'intervalMs',
      unset: 'they are not read',
      example: '1s',
    },
    cgroup_root: {
      type: (is: typeof values) => is.path.default('/sys/fs/cgroup'),
      doc: 'where the cgroups are mounted; in a container where those of the host are',
      as: 'cgroupRoot',
    },
  },
} as const;
