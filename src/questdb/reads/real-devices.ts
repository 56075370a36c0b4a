import { OperatingError } from '../../core/base/errors.ts';
import type { QuestDb } from '../http.ts';

/**
 * Made-up samples would be counted with those of real GPUs, and nobody could take them out again by the look of them.
 * @throws OperatingError `store.real_rows` when the store knows a device of another source than `synthetic`
 */
export async function refuseBesideRealRows(db: QuestDb): Promise<void> {
  const { rows } = await db.exec(
    "SELECT gpu, node, source FROM gpu_inventory WHERE source IN ('dcgm', 'nvml') LIMIT 1",
  );
  const [real] = rows;
  if (real === undefined) return;
  const [gpu, node, source] = real.map(String);
  throw new OperatingError(
    `expected a store without real samples for the source synthetic, found ${gpu!} of node ${node!} (source ${source!})`,
    {
      code: 'store.real_rows',
      exit: 'config',
      where: db.where,
      hints: [
        'write to another server: gpuledger questdb start, or QDB_CLIENT_CONF="http::addr=host:9000;"',
        'or mix them: --force',
      ],
    },
  );
}
