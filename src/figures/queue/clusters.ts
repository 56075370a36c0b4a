import type { AskedSpan } from '../../core/queue/had-and-asked.ts';
import { differ } from '../../core/jobs/job-runs.ts';
import type { KnownDevice } from '../capacity/devices.ts';
import type { AskedCluster } from './asked-spans.ts';
import type { GpuCells } from './gpu-cells.ts';

/** A queue, and the cells that those who wait in it can have. */
interface QueueOfCells {
  readonly spans: readonly AskedSpan[];
  readonly isOf: (cell: number) => boolean;
}

/**
 * Each cluster's queue beside its own GPUs; where only one was asked, beside those of no cluster, too. None of clusters without any
 * GPUs here.
 * @param devices of the cells
 */
export function queuesOfCells(
  asked: readonly AskedCluster[],
  devices: readonly KnownDevice[],
  { modelOfCell, cellOf }: GpuCells,
): QueueOfCells[] {
  const clusterOfCell: (string | undefined)[] = [];
  for (const { gpu, cluster } of devices) clusterOfCell[cellOf.get(gpu)!] = cluster;
  return asked
    .map(({ cluster, spans }) => ({
      spans,
      isOf: (cell: number) =>
        asked.length === 1 ? !differ(clusterOfCell[cell], cluster) : clusterOfCell[cell] === cluster,
    }))
    .filter(({ isOf }) => modelOfCell.some((_, cell) => isOf(cell)));
}
