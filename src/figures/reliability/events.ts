import type { Happening } from '../../core/reliability/incidents.ts';
import type { Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

/** Events of one device, kind and number within a minute. */
export interface FaultEvents extends Happening {
  readonly cluster: string | undefined;
  readonly node: string;
  readonly gpu: string;
  /** `engine_lost` of one device: the driver says that it is away. */
  readonly kind: 'xid' | 'engine_lost';
  readonly code: number | undefined;
  readonly count: number;
}

/** @throws what `ask` throws */
export async function faultEvents(db: Asked, { fromUs, toUs }: Span): Promise<FaultEvents[]> {
  const rows = await ask(
    db,
    'SELECT cluster, node, gpu, kind, code, minute, count() AS n, cast(min(ts) AS LONG) AS from_us, cast(max(ts) AS LONG) AS to_us FROM' +
      ` (SELECT ts, cluster, node, gpu, kind, code, timestamp_floor('1m', ts) AS minute FROM gpu_events WHERE ts >= ${quoteTime(fromUs)} AND ts < ${quoteTime(toUs)}` +
      " AND kind IN ('xid', 'engine_lost') AND gpu IS NOT NULL AND gpu != '') GROUP BY cluster, node, gpu, kind, code, minute",
  );
  return rows.map((row) => ({
    cluster: row.text('cluster'),
    node: row.text('node') ?? '',
    gpu: row.text('gpu') ?? '',
    kind: row.text('kind') === 'xid' ? 'xid' : 'engine_lost',
    code: row.number('code'),
    count: row.number('n') ?? 0,
    fromUs: row.number('from_us')!,
    toUs: row.number('to_us')!,
  }));
}

/** Nodes of which a collector told in this time that it does not hear of all XIDs, as `[cluster, node]`. @throws what `ask` throws */
export async function deafNodes(db: Asked, { fromUs, toUs }: Span): Promise<[string | undefined, string][]> {
  const rows = await ask(
    db,
    `SELECT DISTINCT cluster, node FROM gpu_events WHERE ts >= ${quoteTime(fromUs)} AND ts < ${quoteTime(toUs)}` +
      " AND kind = 'unresolved' AND subject IN ('nvml_events', 'kernel_log')",
  );
  return rows.map((row) => [row.text('cluster'), row.text('node') ?? '']);
}
