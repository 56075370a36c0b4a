import { visibleText } from '../../../schemas/visible-text.ts';
import { OperatingError } from '../../core/base/errors.ts';
import { ask, type Asked } from '../query-cells.ts';

/**
 * A cluster in which nobody owned anything has an empty bill; one that nobody knows has none.
 * @throws OperatingError `report.unknown_cluster`, and what `ask` throws
 */
export async function refuseUnknownCluster(db: Asked, cluster: string): Promise<void> {
  const rows = await ask(
    db,
    'SELECT DISTINCT cluster FROM (SELECT DISTINCT cluster FROM gpu_inventory UNION ALL SELECT DISTINCT cluster FROM gpu_ownership)',
  );
  const known = [...new Set(rows.flatMap((row) => row.text('cluster') ?? []))].sort();
  if (known.includes(cluster)) return;
  throw new OperatingError(`no cluster "${visibleText(cluster)}": no GPU is known to be of it`, {
    code: 'report.unknown_cluster',
    exit: 'usage',
    where: `${db.where}, tables gpu_inventory and gpu_ownership`,
    hints: [
      known.length > 0
        ? `the clusters there: ${known.map(visibleText).join(', ')}`
        : 'no GPU there has the name of a cluster: see the key cluster in docs/configuration.md',
    ],
  });
}
