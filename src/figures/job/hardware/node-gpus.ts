import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists, quoteTime } from '../../sql-text.ts';
import type { JobWindow } from '../facts.ts';

/**
 * How many whole GPUs each node of a job has, as its collector told when it last started before the job. A node with a MIG instance is left out: of what is free there nobody knows how large it is.
 * @param cluster of the job; undefined where nobody knows
 * @returns nothing of a job on one node, or of one that did not have all of its devices at once
 * @throws what `ask` throws
 */
export async function gpusOfNodes(
  db: Asked,
  cluster: string | undefined,
  { startUs, intervals }: Pick<JobWindow, 'startUs' | 'intervals'>,
): Promise<ReadonlyMap<string, number>> {
  const nodes = new Set(intervals.map(({ node }) => node));
  if (nodes.size < 2 || !areTogether(intervals)) return new Map();
  const counts = new Map<string, number>();
  for (const some of quotedLists(nodes)) {
    const rows = await ask(
      db,
      'SELECT cluster, node, cast(ts AS LONG) AS life_us, count_distinct(gpu_index) AS gpus,' +
        " count(nullif(mig_profile, '')) AS instances FROM gpu_inventory" +
        ` WHERE node IN (${some}) AND ts <= ${quoteTime(startUs)} ORDER BY life_us DESC`,
    );
    for (const [node, own] of Map.groupBy(rows, (row) => row.text('node') ?? '')) {
      const row = rowOf(own, cluster);
      const gpus = row?.number('gpus') ?? 0;
      if (gpus > 0 && row?.number('instances') === 0) counts.set(node, gpus);
    }
  }
  return counts;
}

/**
 * Nodes of several clusters may have one name: of those that nobody can tell apart nothing is known, and another cluster's node is not the
 * job's. @param rows newest first
 */
function rowOf(rows: readonly Cells[], cluster: string | undefined): Cells | undefined {
  const clusters = Map.groupBy(rows, (row) => row.text('cluster') ?? '');
  const own = cluster === undefined ? undefined : clusters.get(cluster);
  const isUntold = cluster === undefined || clusters.has('');
  return own?.[0] ?? (isUntold && clusters.size === 1 ? rows[0] : undefined);
}

function areTogether(intervals: JobWindow['intervals']): boolean {
  return (
    Math.max(...intervals.map(({ startUs }) => startUs)) < Math.min(...intervals.map(({ endUs }) => endUs))
  );
}
