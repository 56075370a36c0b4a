import { quoteName } from '../../../../schemas/tables.ts';
import { IDLE_ENGINE_MAX, type Span } from '../../../core/analysis/contexts.ts';
import { withinSql, type Segment } from '../../levels.ts';
import { ask, type Asked } from '../../query-cells.ts';
import { joined } from '../../spans.ts';
import { quotedLists } from '../../sql-text.ts';
import type { JobSegments, LabelledJob } from '../rows/job-segments.ts';
import { DEVICE_IDLE_US_MIN } from './device-contexts.ts';
import { jobRowSql, type EngineLane } from './engine-lane.ts';

/** Stretches that are told; of a job of so many more the rest counts as gaps. */
const STRETCHES_MAX = 10_000;

/**
 * When the engine of each device did not run for a minute or longer, whatever others did: of samples exactly, of rollups in whole
 * minutes.
 * @param window the job's time
 * @throws what `ask` throws
 */
export async function idleStretches(
  db: Asked,
  places: readonly (readonly [EngineLane, JobSegments])[],
  job: LabelledJob,
  window: Span,
): Promise<Map<string, readonly Span[]>> {
  const found = new Map<string, Span[]>();
  const add = (gpu: string, span: Span): void => {
    if (span.toUs > span.fromUs) found.set(gpu, [...(found.get(gpu) ?? []), span]);
  };
  for (const [lane, { groups }] of places)
    for (const { gpus, segments } of groups)
      for (const segment of segments)
        for (const some of quotedLists(gpus)) {
          const source = `FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.gpu IN (${some}) AND ${jobRowSql(job.label, segment.columns)}`;
          if (segment.level === 'raw') await betweenSamples(db, lane, source, segment, window, add);
          else await wholeMinutes(db, lane, source, add);
        }
  return new Map([...found].map(([gpu, spans]) => [gpu, joined(spans)]));
}

type Add = (gpu: string, span: Span) => void;

async function wholeMinutes(db: Asked, { columns }: EngineLane, source: string, add: Add): Promise<void> {
  const rows = await ask(
    db,
    `SELECT s.gpu AS gpu, cast(s.ts AS LONG) AS at_us ${source} AND s.${quoteName(`${columns.engine}_max`)} < ${IDLE_ENGINE_MAX} LIMIT ${STRETCHES_MAX}`,
  );
  for (const row of rows) {
    const fromUs = row.number('at_us')!;
    add(row.text('gpu') ?? '', { fromUs, toUs: fromUs + DEVICE_IDLE_US_MIN });
  }
}

/** Between samples in which the engine ran, before the first of them and after the last. */
async function betweenSamples(
  db: Asked,
  { columns }: EngineLane,
  source: string,
  { spans }: Segment,
  window: Span,
  add: Add,
): Promise<void> {
  const ran = `${source} AND s.${quoteName(columns.engine)} >= ${IDLE_ENGINE_MAX}`;
  const between = await ask(
    db,
    `WITH l AS (SELECT s.gpu AS gpu, s.ts AS ts, lag(s.ts) OVER (PARTITION BY s.gpu ORDER BY s.ts) AS before_ts ${ran})` +
      ' SELECT gpu, cast(before_ts AS LONG) AS from_us, cast(ts AS LONG) AS to_us FROM l' +
      ` WHERE cast(ts AS LONG) - cast(before_ts AS LONG) >= ${DEVICE_IDLE_US_MIN} LIMIT ${STRETCHES_MAX}`,
  );
  for (const row of between)
    add(row.text('gpu') ?? '', { fromUs: row.number('from_us')! + 1, toUs: row.number('to_us')! });
  const edges = await ask(
    db,
    `SELECT s.gpu AS gpu, min(cast(s.ts AS LONG)) AS first_us, max(cast(s.ts AS LONG)) AS last_us ${ran}`,
  );
  const [fromUs, toUs] = [
    Math.max(window.fromUs, spans[0]?.fromUs ?? 0),
    Math.min(window.toUs, spans.at(-1)?.toUs ?? 0),
  ];
  for (const row of edges) {
    const gpu = row.text('gpu') ?? '';
    add(gpu, { fromUs, toUs: row.number('first_us')! });
    add(gpu, { fromUs: row.number('last_us')! + 1, toUs });
  }
}
