import { quoteName } from '../../../../schemas/tables.ts';
import type { Moment } from '../../../core/analysis/contexts.ts';
import { STEP_US, withinSql, type Segment } from '../../levels.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists } from '../../sql-text.ts';
import type { JobSegments, LabelledJob } from '../rows/job-segments.ts';
import { columnsIn, jobRowSql, linksSql, type EngineLane } from './engine-lane.ts';

/** A query names the spans that it reads. */
const SPANS_PER_QUERY_MAX = 100;

/** What was said of a time by one or more tables and lists of devices. */
interface Gathered {
  readonly fromUs: number;
  readonly toUs: number;
  readonly isMinute: boolean;
  samples: number;
  engineMin: number;
  engineMax: number;
  engineTop: number;
  engineSum: number;
  engineUs: number;
  smMax: number;
  smTop: number;
  smSum: number;
  smUs: number;
  tensorMax: number;
  dramMax: number;
  linksMax: number;
}

/** A moment, and how much there is to read of it. */
export interface ReadMoment extends Moment {
  /** It is of a rollup: more can be read of its time, where the samples are left. */
  readonly isMinute: boolean;
  /** Samples of all devices. */
  readonly samples: number;
}

/**
 * What all devices of a job did, step by step: of samples in steps of `stepUs`, of rollups by the minute.
 * @param places where the rows are read: samples and minutes
 * @returns ascending; time without a sample is left out
 * @throws what `ask` throws
 */
export async function momentsIn(
  db: Asked,
  places: readonly (readonly [EngineLane, JobSegments])[],
  job: LabelledJob,
  stepUs: number,
): Promise<ReadMoment[]> {
  const read = places.flatMap(([lane, { groups }]) =>
    groups.flatMap(({ gpus, segments }) =>
      segments.flatMap(inQueries).flatMap((segment) =>
        quotedLists(gpus).map(async (some) => ({
          level: segment.level,
          rows: await ask(db, momentsSql(lane, job, segment, some, stepUs)),
        })),
      ),
    ),
  );
  const gathered = new Map<number, Gathered>();
  for (const { level, rows } of await Promise.all(read)) {
    const lengthUs = level === 'raw' ? stepUs : STEP_US[level];
    for (const row of rows) gather(gathered, row, lengthUs, level !== 'raw');
  }
  return [...gathered.values()].sort((a, b) => a.fromUs - b.fromUs).map(momentOf);
}

function inQueries(segment: Segment): Segment[] {
  const some: Segment[] = [];
  for (let from = 0; from < segment.spans.length; from += SPANS_PER_QUERY_MAX)
    some.push({ ...segment, spans: segment.spans.slice(from, from + SPANS_PER_QUERY_MAX) });
  return some;
}

/**
 * First by device, so that the one with the highest mean can be told, where a step has several samples of it, or a minute a bucket of
 * each set of owners. Where nobody else owned it a bucket is of one device as it is, which takes half the time.
 */
function momentsSql(
  lane: EngineLane,
  job: LabelledJob,
  segment: Segment,
  gpus: string,
  stepUs: number,
): string {
  const isRaw = segment.level === 'raw';
  const at = isRaw ? `cast(s.ts AS LONG) / ${stepUs} * ${stepUs}` : 'cast(s.ts AS LONG)';
  const from = `FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.gpu IN (${gpus}) AND ${jobRowSql(job.label, segment.columns)}`;
  const picks = picksOf(lane, segment);
  // Of no time there is no mean.
  const topOf = (sum: string, us: string): string => `max(CASE WHEN ${us} > 0 THEN ${sum} / ${us} END)`;
  if (!isRaw && job.label.sets.size === 0) {
    const told = picks.map(({ name, of, sql }) => `${of}(${sql}) AS ${name}`);
    const tops = (['engine', 'sm'] as const).map((what) => {
      const column = columnsIn(lane.columns, segment)[what];
      const part = (end: string): string => `s.${quoteName(`${column}_${end}`)}`;
      return `${column === undefined ? NOTHING : topOf(part('dtsum'), part('dt'))} AS ${what}_top`;
    });
    return `SELECT ${at} AS at_us, ${[...told, ...tops].join(', ')} ${from}`;
  }
  const byDevice = `SELECT s.gpu AS gpu, ${at} AS at_us, ${picks.map(({ name, of, sql }) => `${of}(${sql}) AS ${name}`).join(', ')} ${from}`;
  const told = picks.map(({ name, of }) => `${of}(${name}) AS ${name}`);
  const tops = ['engine', 'sm'].map((what) => `${topOf(`${what}_sum`, `${what}_us`)} AS ${what}_top`);
  return `SELECT at_us, ${[...told, ...tops].join(', ')} FROM (${byDevice})`;
}

const NOTHING = 'cast(null AS DOUBLE)';

interface Pick {
  readonly name: string;
  readonly of: 'sum' | 'min' | 'max';
  readonly sql: string;
}

/** What is taken of the rows of a device, and of all devices of what was taken of each. */
function picksOf(lane: EngineLane, segment: Segment): Pick[] {
  const { level, columns: there } = segment;
  const columns = columnsIn(lane.columns, segment);
  const isRaw = level === 'raw';
  const end = (column: string | undefined, which: 'min' | 'max'): string =>
    column === undefined ? NOTHING : `s.${quoteName(isRaw ? column : `${column}_${which}`)}`;
  const sumOf = (column: string | undefined): string => {
    if (column === undefined) return NOTHING;
    return isRaw ? `s.${quoteName(column)} * s.dt_us` : `s.${quoteName(`${column}_dtsum`)}`;
  };
  const usOf = (column: string | undefined): string => {
    if (column === undefined) return NOTHING;
    return isRaw
      ? `CASE WHEN s.${quoteName(column)} IS NOT NULL THEN s.dt_us END`
      : `s.${quoteName(`${column}_dt`)}`;
  };
  const { engine, sm, tensor, dram } = columns;
  const links = linksSql(columns, (column) => end(column, 'max'));
  // Rollups of before there was a smallest value.
  const least = isRaw || there.has(`${engine}_min`) ? end(engine, 'min') : NOTHING;
  return [
    { name: 'samples', of: 'sum', sql: isRaw ? '1' : 's.row_count' },
    { name: 'engine_min', of: 'min', sql: least },
    { name: 'engine_max', of: 'max', sql: end(engine, 'max') },
    { name: 'engine_sum', of: 'sum', sql: sumOf(engine) },
    { name: 'engine_us', of: 'sum', sql: usOf(engine) },
    { name: 'sm_max', of: 'max', sql: end(sm, 'max') },
    { name: 'sm_sum', of: 'sum', sql: sumOf(sm) },
    { name: 'sm_us', of: 'sum', sql: usOf(sm) },
    { name: 'tensor_max', of: 'max', sql: end(tensor, 'max') },
    { name: 'dram_max', of: 'max', sql: end(dram, 'max') },
    { name: 'links_max', of: 'max', sql: links ?? NOTHING },
  ];
}

function gather(gathered: Map<number, Gathered>, row: Cells, lengthUs: number, isMinute: boolean): void {
  const fromUs = row.number('at_us')!;
  const told = (name: string): number => row.number(name) ?? NaN;
  const known = (name: string): number => row.number(name) ?? 0;
  const before = gathered.get(fromUs);
  gathered.set(fromUs, {
    fromUs,
    toUs: Math.max(before?.toUs ?? 0, fromUs + lengthUs),
    isMinute: isMinute && (before?.isMinute ?? true),
    samples: known('samples') + (before?.samples ?? 0),
    engineMin: least(told('engine_min'), before?.engineMin),
    engineMax: most(told('engine_max'), before?.engineMax),
    engineTop: most(told('engine_top'), before?.engineTop),
    engineSum: known('engine_sum') + (before?.engineSum ?? 0),
    engineUs: known('engine_us') + (before?.engineUs ?? 0),
    smMax: most(told('sm_max'), before?.smMax),
    smTop: most(told('sm_top'), before?.smTop),
    smSum: known('sm_sum') + (before?.smSum ?? 0),
    smUs: known('sm_us') + (before?.smUs ?? 0),
    tensorMax: most(told('tensor_max'), before?.tensorMax),
    dramMax: most(told('dram_max'), before?.dramMax),
    linksMax: most(told('links_max'), before?.linksMax),
  });
}

/** Of what is not known of one of them the other speaks. */
function most(a: number, b = NaN): number {
  return Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b);
}

function least(a: number, b = NaN): number {
  return Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b);
}

function momentOf({ engineSum, engineUs, smSum, smUs, ...known }: Gathered): ReadMoment {
  return { ...known, engineMean: engineSum / engineUs, smMean: smSum / smUs };
}
