import type { ClusterPolling } from '../src/collector/collection.ts';
import type { Job } from './schedule.ts';

/** How the nodes of the cluster are, and who waits. */
export function pollClusterJob({ everyMs, poll }: Pick<ClusterPolling, 'everyMs' | 'poll'>): Job {
  return { name: 'poll cluster', schedule: { everyMs }, run: poll };
}
