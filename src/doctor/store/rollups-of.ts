import { histogramsOf, viewsOf } from '../../../schemas/views.ts';
import type { Config } from '../../config/config.ts';
import { invalidRollups, type InvalidRollup } from '../../figures/invalid-rollups.ts';
import type { QuestDb } from '../../questdb/http.ts';

/** Of the lanes of the configuration. */
export async function invalidRollupsOf(
  db: QuestDb,
  config: Pick<Config, 'lanes' | 'retention'>,
): Promise<InvalidRollup[]> {
  return await invalidRollups(
    db,
    viewNames(config).map((table) => ({ level: '1m', table })),
  );
}

export function viewNames({ lanes, retention }: Pick<Config, 'lanes' | 'retention'>): string[] {
  return lanes.flatMap((lane) =>
    [
      ...viewsOf(lane, retention),
      ...histogramsOf(lane, retention).flatMap((histogram) => histogram.views),
    ].map(({ name }) => name),
  );
}
