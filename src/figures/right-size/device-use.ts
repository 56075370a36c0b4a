import { quoteName } from '../../../schemas/tables.ts';
import { HISTOGRAM_BAR_WIDTHS } from '../../core/fields/well-known.ts';
import type { Lane } from '../../core/fields/lane.ts';
import { storedLanes } from '../gauge-lanes.ts';
import { GAUGES } from '../gauges.ts';
import { keptRollups, segmentsOf, withinSql, type Segment, type Span } from '../levels.ts';
import { ask, type Asked } from '../query-cells.ts';

/** What was measured of one job on one device that it had alone. */
export interface MeasuredUse {
  memoryPeakBytes: number | undefined;
  memoryUs: number;
  /** 95th percentile of the SM activity of the device, by dt: the upper edge of the bar that holds it. */
  smP95: number | undefined;
  smUs: number;
}

/** With the length of the first one no two pairs are the same text: JSON of so many takes ten times as long. */
export function useKey(jobId: string, gpu: string): string {
  return `${jobId.length} ${jobId} ${gpu}`;
}

/**
 * What jobs made of the devices that they had alone in a time, by `useKey`: the peak of memory from the rollups, the percentile from
 * the histograms.
 * @throws what `ask` throws
 */
export async function measuredUses(
  db: Asked,
  lanes: readonly Lane[],
  span: Span,
): Promise<ReadonlyMap<string, MeasuredUse>> {
  const uses = new Map<string, MeasuredUse>();
  const stored = await storedLanes(db, lanes, span);
  const memory = stored.flatMap(({ lane, kept }) => {
    const field = lane.fields.find(({ id }) => id === GAUGES.memoryUsed.fieldId);
    return field === undefined ? [] : segmentsOf(kept, span).map((one) => memorySql(one, field.column));
  });
  for (const row of memory.length === 0
    ? []
    : await ask(db, summed(memory, 'max(peak) AS peak, sum(us) AS us'))) {
    const use = useOf(uses, row.text('job_id') ?? '', row.text('gpu') ?? '');
    use.memoryPeakBytes = row.number('peak');
    use.memoryUs = row.number('us') ?? 0;
  }
  const columns = stored.flatMap(({ lane }) => {
    const field = lane.fields.find(({ id }) => id === GAUGES.smActive.fieldId);
    return field === undefined ? [] : [{ table: lane.table, column: field.column }];
  });
  const histograms = await keptRollups(
    db,
    columns.map(({ table, column }) => ({ table, prefix: `${table}_${column}_hist` })),
  );
  const bars = columns.flatMap(({ table, column }) => {
    const kept = histograms.get(`${table}_${column}_hist`);
    return kept === undefined ? [] : segmentsOf(kept, span).map((one) => barSql(one, column));
  });
  for (const row of bars.length === 0 ? [] : await ask(db, rankedSql(bars))) {
    const use = useOf(uses, row.text('job_id') ?? '', row.text('gpu') ?? '');
    use.smP95 = Math.min(1, ((row.number('bar') ?? 0) + 1) * BAR_WIDTH);
    use.smUs = row.number('us') ?? 0;
  }
  return uses;
}

const BAR_WIDTH = HISTOGRAM_BAR_WIDTHS.get(GAUGES.smActive.fieldId)!;
const RANK = 0.95;

function useOf(uses: Map<string, MeasuredUse>, jobId: string, gpu: string): MeasuredUse {
  const key = useKey(jobId, gpu);
  const use = uses.get(key) ?? { memoryPeakBytes: undefined, memoryUs: 0, smP95: undefined, smUs: 0 };
  uses.set(key, use);
  return use;
}

/** Rows that bear the label of one job that had the device alone. */
function soleSql(segment: Segment): string {
  return `FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.job_id IS NOT NULL`;
}

function memorySql(segment: Segment, column: string): string {
  const x = `s.${quoteName(column)}`;
  const isRaw = segment.level === 'raw';
  const [peak, us] = isRaw
    ? [x, `CASE WHEN ${x} IS NOT NULL THEN s.dt_us END`]
    : [`s.${quoteName(`${column}_max`)}`, `s.${quoteName(`${column}_dt`)}`];
  return `SELECT s.job_id AS job_id, s.gpu AS gpu, max(${peak}) AS peak, sum(${us}) AS us ${soleSql(segment)}`;
}

function barSql(segment: Segment, column: string): string {
  const x = `s.${quoteName(column)}`;
  const isRaw = segment.level === 'raw';
  // As the views make it.
  const bar = isRaw ? `cast(${x} * ${Math.round(1 / BAR_WIDTH)} AS LONG)` : 's.bar';
  return (
    `SELECT s.job_id AS job_id, s.gpu AS gpu, ${bar} AS bar, sum(s.dt_us) AS us ${soleSql(segment)}` +
    (isRaw ? ` AND ${x} IS NOT NULL` : '')
  );
}

function summed(parts: readonly string[], sums: string): string {
  return `SELECT job_id, gpu, ${sums} FROM (${parts.join(' UNION ALL ')}) GROUP BY job_id, gpu`;
}

/** The bar that holds the rank, and how much time is known. */
function rankedSql(parts: readonly string[]): string {
  const bars = `SELECT job_id, gpu, bar, sum(us) AS us FROM (${parts.join(' UNION ALL ')}) GROUP BY job_id, gpu, bar`;
  const running =
    'SELECT job_id, gpu, bar, sum(us) OVER (PARTITION BY job_id, gpu ORDER BY bar ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS until_us,' +
    ` sum(us) OVER (PARTITION BY job_id, gpu) AS all_us FROM (${bars})`;
  return `SELECT job_id, gpu, min(bar) AS bar, max(all_us) AS us FROM (${running}) WHERE until_us >= ${RANK} * all_us AND all_us > 0 GROUP BY job_id, gpu`;
}
