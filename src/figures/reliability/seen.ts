import { quoteName } from '../../../schemas/tables.ts';
import type { KnownDevice } from '../capacity/devices.ts';
import type { StoredLane } from '../gauge-lanes.ts';
import { segmentsOf, withinSql, type Span } from '../levels.ts';
import type { CutInventory } from '../mig-energy.ts';
import { ask, type Asked } from '../query-cells.ts';

/** A whole GPU on a node, and for how long it was seen. */
export interface SeenGpu {
  readonly gpu: string;
  readonly node: string;
  readonly cluster: string | undefined;
  readonly model: string | undefined;
  readonly seenUs: number;
}

/** The GPU that a device is, or is a part of. */
export function wholeGpuOf({ instances }: CutInventory, gpu: string): string {
  return instances.get(gpu)?.parent ?? gpu;
}

/**
 * For how long each GPU was seen: by the lane and, of a GPU that is cut, the device that was seen most.
 * @param devices those that are asked about
 * @throws what `ask` throws
 */
export async function seenGpus(
  db: Asked,
  stored: readonly StoredLane[],
  span: Span,
  { devices, inventory }: { readonly devices: readonly KnownDevice[]; readonly inventory: CutInventory },
): Promise<SeenGpu[]> {
  const known = new Map(devices.map((device) => [device.gpu, device]));
  const seen = new Map<string, SeenGpu>();
  for (const { kept } of stored) {
    const parts = segmentsOf(kept, span).map(
      (segment) =>
        `SELECT s.node AS node, s.gpu AS gpu, sum(s.dt_us) AS us FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} GROUP BY node, gpu`,
    );
    if (parts.length === 0) continue;
    const rows = await ask(
      db,
      `SELECT node, gpu, sum(us) AS seen_us FROM (${parts.join(' UNION ALL ')}) GROUP BY node, gpu`,
    );
    for (const row of rows) {
      const device = known.get(row.text('gpu') ?? '');
      if (device === undefined) continue;
      const [node, gpu] = [row.text('node') ?? '', wholeGpuOf(inventory, device.gpu)];
      const key = JSON.stringify([node, gpu]);
      const model = known.get(gpu)?.model ?? device.model?.replace(/ MIG .*$/, '');
      const seenUs = Math.max(seen.get(key)?.seenUs ?? 0, row.number('seen_us') ?? 0);
      seen.set(key, { gpu, node, cluster: device.cluster, model, seenUs });
    }
  }
  return [...seen.values()].filter(({ seenUs }) => seenUs > 0);
}
