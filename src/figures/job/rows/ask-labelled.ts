import { quoteName } from '../../../../schemas/tables.ts';
import { withinSql, type Segment } from '../../levels.ts';
import { askOwned } from '../../owned-samples.ts';
import { inPortions } from '../../portions.ts';
import { ask, type Asked, type Cells } from '../../query-cells.ts';
import { quotedLists } from '../../sql-text.ts';
import { labelKeysSql, labelledSql, type JobLabel } from './job-rows.ts';
import { sampledSpans, type DeviceSegments, type JobTime } from './job-segments.ts';

/** Samples of more spans are told by their label alone: the server finds some short times of many, but not of a join. */
const SPANS_BY_STAYS_MAX = 4;

/** What is asked of the rows `s` of a segment, beside `gpu` and the keys that tell whose they are. */
export interface Question {
  /** `EXPRESSION AS name`. There is no GROUP BY, which refuses constants: the server groups by whatever is no aggregate. */
  readonly keys: readonly string[];
  readonly picks: readonly string[];
  /** All devices together: rows have no `gpu`. */
  readonly isPooled?: boolean;
  /** A further condition. */
  readonly where?: string;
}

/**
 * Asks about the rows that may be a job's, in all its segments. A group may come in several rows, to be added up; `whoseIs` says
 * which of them are the job's.
 * @throws what `ask` throws
 */
export async function askLabelled(
  db: Asked,
  job: JobTime & { readonly label: JobLabel },
  groups: readonly DeviceSegments[],
  questionOf: (segment: Segment) => Question,
): Promise<Cells[]> {
  const rows: Cells[][] = [];
  for (const { gpus, segments } of groups) {
    for (const segment of await inPortions(db, segments)) {
      const { keys, picks, where, isPooled = false } = questionOf(segment);
      const labelled = labelledSql(job.label, segment.columns) + (where === undefined ? '' : ` AND ${where}`);
      const head = `SELECT ${isPooled ? '' : 's.gpu AS gpu, '}${[labelKeysSql(job.label, segment.columns), ...keys, ...picks].join(', ')}`;
      if (segment.level === 'raw' && segment.spans.length <= SPANS_BY_STAYS_MAX) {
        const spans = sampledSpans(segment, gpus, job.stays);
        const samples = await askOwned(
          db,
          segment.table,
          spans,
          (of) => `${head} ${of.from} WHERE ${of.where} AND ${labelled}`,
        );
        rows.push(samples);
        continue;
      }
      for (const some of quotedLists(gpus))
        rows.push(
          await ask(
            db,
            `${head} FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.gpu IN (${some}) AND ${labelled}`,
          ),
        );
    }
  }
  return rows.flat();
}
