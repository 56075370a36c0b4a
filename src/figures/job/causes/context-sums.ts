import { quoteName } from '../../../../schemas/tables.ts';
import { seenRiseSql } from '../../../../schemas/views.ts';
import type { ContextSums, DeviceContext } from '../../../core/analysis/causes.ts';
import type { Span } from '../../../core/analysis/contexts.ts';
import { ENERGY_RISE_COLUMN } from '../../../core/fields/well-known.ts';
import type { Segment } from '../../levels.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { common } from '../../spans.ts';
import { summandSql, type Summand } from '../../summands.ts';
import { askParted, type Question } from '../rows/ask-labelled.ts';
import type { DeviceSegments, JobSegments, LabelledJob } from '../rows/job-segments.ts';
import { columnsIn, littleSql, type EngineLane, type LaneColumns } from './engine-lane.ts';

/** In which context the samples of each device lie. */
export type ContextsOf = ReadonlyMap<string, ReadonlyMap<DeviceContext, readonly Span[]>>;

/** By device. */
export type SumsOf = ReadonlyMap<string, ReadonlyMap<DeviceContext, ContextSums>>;

interface Wanted {
  readonly contexts: ContextsOf;
  /** Largest rate of the job's links, bytes per second. */
  readonly topLinks: number;
  /** Of devices by whose energy counter their energy is told; of others it is the integral of power. */
  readonly counted: ReadonlySet<string>;
}

/** Spans that a query names. */
const SPANS_PER_QUERY_MAX = 100;

/**
 * Adds up each device's samples in each context, by the job's part of them.
 * @param places where the rows are read: buckets that hold the end of a context are not among them, where anything finer is left
 * @throws what `ask` throws
 */
export async function contextSums(
  db: Asked,
  places: readonly (readonly [EngineLane, JobSegments])[],
  job: LabelledJob,
  wanted: Wanted,
): Promise<SumsOf> {
  const read = places.flatMap(([lane, { groups }]) =>
    groups
      .flatMap((one) => alike(one, wanted))
      .flatMap((group) =>
        [...group.contexts].map(async ([context, spans]) => ({
          context,
          rows: await askParted(
            db,
            job,
            [{ gpus: group.gpus, segments: group.segments.flatMap((segment) => inSpans(segment, spans)) }],
            questionOf(lane, group.isCounted, wanted.topLinks),
          ),
        })),
      ),
  );
  const sums = new Map<string, Map<DeviceContext, ContextSums>>();
  for (const { context, rows } of await Promise.all(read))
    for (const { row, part } of rows) addRow(sums, row, context, part);
  return sums;
}

interface AlikeDevices extends DeviceSegments {
  readonly contexts: ReadonlyMap<DeviceContext, readonly Span[]>;
  readonly isCounted: boolean;
}

/** Devices whose contexts are the same are asked about together. */
function alike({ gpus, segments }: DeviceSegments, { contexts, counted }: Wanted): AlikeDevices[] {
  const groups = new Map<string, AlikeDevices & { gpus: string[] }>();
  for (const gpu of gpus) {
    const [own, isCounted] = [
      contexts.get(gpu) ?? new Map<DeviceContext, readonly Span[]>(),
      counted.has(gpu),
    ];
    const key = JSON.stringify([isCounted, ...own]);
    const group = groups.get(key) ?? { gpus: [], segments, contexts: own, isCounted };
    group.gpus.push(gpu);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** What of a segment lies in the spans, in as many as a query can name. */
function inSpans(segment: Segment, spans: readonly Span[]): Segment[] {
  const within = common(segment.spans, spans);
  const some: Segment[] = [];
  for (let from = 0; from < within.length; from += SPANS_PER_QUERY_MAX)
    some.push({ ...segment, spans: within.slice(from, from + SPANS_PER_QUERY_MAX) });
  return some;
}

/**
 * What is added up: time, and energy, of each part of the samples, by whether few SMs are busy and whether nothing moves. Two keys,
 * since by a CASE of several conditions QuestDB 9.3.4 groups the rows by one thread alone.
 */
function questionOf(lane: EngineLane, isCounted: boolean, topLinks: number): (segment: Segment) => Question {
  return (segment) => {
    const columns = columnsIn(lane.columns, segment);
    const little = littleSql(columns, segment.level, topLinks) ?? { low: '1 = 0', still: '1 = 0' };
    const keyOf = (condition: string): string => `CASE WHEN ${condition} THEN 1 ELSE 0 END`;
    return {
      keys: [`${keyOf(little.low)} AS is_low`, `${keyOf(little.still)} AS is_still`],
      picks: summandsOf(columns, segment, isCounted).map(
        (one) => `sum(${summandSql(one, segment)}) AS ${one.name}`,
      ),
    };
  };
}

/** Of a bucket the energy is divided as its time is. */
function summandsOf(columns: LaneColumns, segment: Segment, isCounted: boolean): Summand[] {
  const { engine, sm } = columns;
  const isRaw = segment.level === 'raw';
  const of = (column: string): string => `s.${quoteName(column)}`;
  const busy = isRaw ? `${of(engine)} * s.dt_us` : of(`${engine}_dtsum`);
  const knownUs = isRaw ? `CASE WHEN ${of(engine)} IS NOT NULL THEN s.dt_us END` : of(`${engine}_dt`);
  const plain = (name: string, sql: string): Summand => ({ name, rollup: 'dt_us', rollupSql: sql, raw: sql });
  const joules = joulesSql(columns, segment, isCounted);
  const share = (part: string): string =>
    joules === undefined ? NOTHING : `CASE WHEN s.dt_us > 0 THEN (${joules}) * (${part}) / s.dt_us END`;
  return [
    plain('all_us', 's.dt_us'),
    plain('known_us', knownUs),
    plain('busy_us', busy),
    plain('sm_sum', sm === undefined ? NOTHING : isRaw ? `${of(sm)} * s.dt_us` : of(`${sm}_dtsum`)),
    plain('all_joules', joules ?? NOTHING),
    plain('known_joules', share(knownUs)),
    plain('busy_joules', share(busy)),
  ];
}

const NOTHING = 'cast(null AS DOUBLE)';

/** Joules of a sample or bucket, where its table tells. */
function joulesSql(
  { power, hasRises }: EngineLane['columns'],
  { level }: Segment,
  isCounted: boolean,
): string | undefined {
  const isRaw = level === 'raw';
  if (isCounted) {
    if (!hasRises) return undefined;
    return isRaw ? seenRiseSql('s.').rise : `s.${quoteName(ENERGY_RISE_COLUMN)}`;
  }
  if (power === undefined) return undefined;
  return isRaw ? `s.${quoteName(power)} * s.dt_us / 1e6` : `s.${quoteName(`${power}_dtsum`)} / 1e6`;
}

function addRow(
  sums: Map<string, Map<DeviceContext, ContextSums>>,
  row: Cells,
  context: DeviceContext,
  part: number,
): void {
  const gpu = row.text('gpu') ?? '';
  const own = sums.get(gpu) ?? new Map<DeviceContext, ContextSums>();
  sums.set(gpu, own);
  const before = own.get(context);
  const told = (name: string): number => (row.number(name) ?? 0) * part;
  const isLow = row.number('is_low') === 1;
  const isSpin = isLow && row.number('is_still') === 1;
  const amount = (key: keyof Omit<ContextSums, 'smUs'>, of: string, isOne = true): ContextSums['all'] => {
    const { us, joules } = before?.[key] ?? { us: 0, joules: 0 };
    return isOne ? { us: us + told(`${of}_us`), joules: joules + told(`${of}_joules`) } : { us, joules };
  };
  own.set(context, {
    all: amount('all', 'all'),
    known: amount('known', 'known'),
    busy: amount('busy', 'busy'),
    low: amount('low', 'busy', isLow),
    spin: amount('spin', 'busy', isSpin),
    smUs: told('sm_sum') + (before?.smUs ?? 0),
  });
}
