import { quoteText } from '../../schemas/tables.ts';
import { useQuestionOf, type TellingOfStay } from '../core/jobs/device-parts.ts';
import type { MeasuredUse } from '../core/jobs/measured-use.ts';
import { readSharedUse } from '../questdb/reads/shared-use.ts';
import { ask, type Asked } from './query-cells.ts';
import { quoteTime } from './sql-text.ts';

/** Their names are written into the query. */
export const DEVICES_PER_QUERY_MAX = 200;

/** What decides how devices were divided, as `partsOf` wants it. */
interface Division {
  readonly stays: readonly TellingOfStay[];
  readonly uses: readonly MeasuredUse[];
}

/** Epoch µs. */
interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * Everybody's stays on these devices that touch (fromUs, toUs]: who shared them with whom. Some devices at a time, all stays
 * of a device at once.
 * @throws what `ask` throws
 */
export async function* readDivision(
  db: Asked,
  gpus: readonly string[],
  span: Span,
): AsyncGenerator<Division> {
  for (let from = 0; from < gpus.length; from += DEVICES_PER_QUERY_MAX) {
    const stays = await readStays(db, gpus.slice(from, from + DEVICES_PER_QUERY_MAX), span);
    const question = useQuestionOf(stays);
    if (question === undefined) yield { stays, uses: [] };
    else {
      // A part by use is of all the time in which the owners were the same, whatever part of it is asked for.
      const whole = await readStays(db, question.gpus, {
        fromUs: Math.min(span.fromUs, question.fromUs),
        toUs: Math.max(span.toUs, question.toUs),
      });
      const others = stays.filter(({ gpu }) => !question.gpus.includes(gpu));
      yield { stays: [...others, ...whole], uses: await readSharedUse(db, question) };
    }
  }
}

/** Everybody's stays on at most `DEVICES_PER_QUERY_MAX` devices that touch (fromUs, toUs]. @throws what `ask` throws */
export async function readStays(
  db: Asked,
  gpus: readonly string[],
  { fromUs, toUs }: Span,
): Promise<TellingOfStay[]> {
  const until = toUs === Infinity ? '' : ` AND ts < ${quoteTime(toUs)}`;
  const rows = await ask(
    db,
    'SELECT gpu, job_id, cast(ts AS LONG) AS start_us, cast(end_ts AS LONG) AS end_us, share FROM gpu_ownership' +
      ` WHERE gpu IN (${gpus.map(quoteText).join(', ')})${until} AND (end_ts IS NULL OR end_ts > ${quoteTime(fromUs)})`,
  );
  return rows.map((row) => ({
    gpu: row.text('gpu') ?? '',
    jobId: row.text('job_id') ?? '',
    startUs: row.number('start_us')!,
    endUs: row.number('end_us') ?? Infinity,
    share: row.number('share'),
  }));
}
