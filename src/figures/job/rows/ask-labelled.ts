import { quoteName } from '../../../../schemas/tables.ts';
import { withinSql, type Segment, type Span } from '../../levels.ts';
import { askOwned } from '../../owned-samples.ts';
import { inPortions } from '../../portions.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists } from '../../sql-text.ts';
import { labelKeysSql, labelledSql, partIn, wholeSql } from './job-rows.ts';
import { sampledSpans, type DeviceSegments, type Stay, type LabelledJob } from './job-segments.ts';

/** Samples of more spans are told by their label alone: the server finds some short times of many, but not of a join. */
const SPANS_BY_STAYS_MAX = 4;

/** What is asked of the rows `s` of a segment, beside `gpu`. */
export interface Question {
  /** `EXPRESSION AS name`. There is no GROUP BY, which refuses constants: the server groups by whatever is no aggregate. */
  readonly keys: readonly string[];
  readonly picks: readonly string[];
  /** All devices together: rows have no `gpu`. */
  readonly isPooled?: boolean;
  /** A further condition. */
  readonly where?: string;
  /** What is asked of those rows in their turn, by the server: where it would be too many to send. */
  readonly over?: { readonly keys: readonly string[]; readonly picks: readonly string[] };
}

/**
 * Asks about the rows that may be a job's, in all its segments. A group may come in several rows, to be added up; `whoseIs` says
 * which of them are the job's.
 * @throws what `ask` throws
 */
export async function askLabelled(
  db: Asked,
  job: LabelledJob,
  groups: readonly DeviceSegments[],
  questionOf: (segment: Segment) => Question,
): Promise<Cells[]> {
  return await askWhere(db, job, groups, (segment) => {
    const { keys, ...question } = questionOf(segment);
    return {
      ...question,
      keys: [labelKeysSql(job.label, segment.columns), ...keys],
      labelled: labelledSql(job.label, segment.columns),
    };
  });
}

/**
 * The same about rows that are the job's, by whichever part. Where it divides no device, they are asked for without the keys that
 * tell whose they are, by which the server would group them half as fast.
 * @throws what `ask` throws
 */
export async function askOwn(
  db: Asked,
  job: LabelledJob,
  groups: readonly DeviceSegments[],
  questionOf: (segment: Segment) => Question,
): Promise<Cells[]> {
  const { label } = job;
  if (label.sets.size > 0)
    return (await askLabelled(db, job, groups, questionOf)).filter((row) => partIn(label, row) !== undefined);
  return await askWhere(db, job, groups, (segment) => ({
    ...questionOf(segment),
    labelled: wholeSql(label, segment.columns),
  }));
}

/** The same with the job's part of them. @throws what `ask` throws */
export async function askParted(
  ...asked: Parameters<typeof askOwn>
): Promise<{ readonly row: Cells; readonly part: number }[]> {
  const [, { label }] = asked;
  const rows = await askOwn(...asked);
  return rows.map((row) => ({ row, part: label.sets.size > 0 ? partIn(label, row)! : 1 }));
}

async function askWhere(
  db: Asked,
  { stays, sampleCount }: LabelledJob,
  groups: readonly DeviceSegments[],
  questionOf: (segment: Segment) => Question & { readonly labelled: string },
): Promise<Cells[]> {
  const rows: Cells[][] = [];
  for (const { gpus, segments } of groups) {
    for (const segment of await inPortions(db, segments, sampleCount)) {
      const { keys, picks, where, over, isPooled = false, labelled } = questionOf(segment);
      const wanted = where === undefined ? labelled : `${labelled} AND ${where}`;
      const head = `SELECT ${[...(isPooled ? [] : ['s.gpu AS gpu']), ...keys, ...picks].join(', ')}`;
      const told = (sql: string): string =>
        over === undefined ? sql : `SELECT ${[...over.keys, ...over.picks].join(', ')} FROM (${sql})`;
      const isByStays = segment.level === 'raw' && segment.spans.length <= SPANS_BY_STAYS_MAX;
      const sampled = isByStays ? sampledSpans(segment, gpus, stays) : [];
      const spans = isByStays ? spansOfEach(gpus, sampled) : segment.spans;
      if (spans === undefined) {
        rows.push(
          await askOwned(db, segment.table, sampled, (of) =>
            told(`${head} ${of.from} WHERE ${of.where} AND ${wanted}`),
          ),
        );
        continue;
      }
      const from = `FROM ${quoteName(segment.table)} s WHERE ${withinSql({ ...segment, spans })}`;
      for (const some of spans.length === 0 ? [] : quotedLists(gpus))
        rows.push(await ask(db, told(`${head} ${from} AND s.gpu IN (${some}) AND ${wanted}`)));
    }
  }
  return rows.flat();
}

/** The spans that all of the devices have alike, which need no join; undefined where they differ. */
function spansOfEach(gpus: readonly string[], sampled: readonly Stay[]): readonly Span[] | undefined {
  const byDevice = Map.groupBy(sampled, ({ gpu }) => gpu);
  const spansOf = (gpu: string): Span[] =>
    (byDevice.get(gpu) ?? []).map(({ startUs, endUs }) => ({ fromUs: startUs + 1, toUs: endUs + 1 }));
  const sets = new Set(gpus.map((gpu) => JSON.stringify(spansOf(gpu))));
  return sets.size > 1 || gpus[0] === undefined ? undefined : spansOf(gpus[0]);
}
