import { quoteName, quoteText } from '../../schemas/tables.ts';
import { ask, type Asked, type Cells } from './query-cells.ts';
import { quoteTime } from './sql-text.ts';

/** Which samples are the job's: those of its intervals, by the one rule (start < ts ≤ end). Epoch µs. */
export interface SampleWindow {
  /** Condition on `gpu_ownership` that its intervals fulfil and no others. */
  readonly ownedSql: string;
  readonly startUs: number;
  readonly endUs: number;
  /** The server reads them itself; here only where they begin is needed. */
  readonly intervals: readonly { readonly startUs: number }[];
  /** Only these of its devices; all when absent. */
  readonly gpus?: readonly string[];
}

/** The job's samples of one table, as the tail of a query; both sides of the join are bounded in time. */
interface OwnedSamples {
  /** `WITH o AS (…)`. */
  readonly head: string;
  /** `FROM … JOIN … WHERE …`; the sample is `s`, its interval `o`. */
  readonly tail: string;
}

/** Part of the sample's device that is the job's: as told, else an equal part among the owners of that moment. */
export const SHARE_SQL = 'coalesce(o.share, 1.0 / CASE WHEN s.owners > 1 THEN s.owners ELSE 1 END)';

export function ownedSamples(table: string, window: SampleWindow): OwnedSamples {
  const starts = window.intervals.map((interval) => interval.startUs);
  const first = quoteTime(Math.min(...starts));
  const end = quoteTime(window.endUs);
  const some = window.gpus === undefined ? undefined : `gpu IN (${window.gpus.map(quoteText).join(', ')})`;
  return {
    head:
      `WITH o AS (SELECT gpu AS owned_gpu, ts AS start_ts, CASE WHEN end_ts < ${end} THEN end_ts ELSE cast(${end} AS TIMESTAMP) END AS stop_ts, share FROM gpu_ownership` +
      ` WHERE ${window.ownedSql}${some === undefined ? '' : ` AND ${some}`})`,
    tail:
      `FROM ${quoteName(table)} s JOIN o ON s.gpu = o.owned_gpu` +
      ` WHERE s.ts > ${first} AND s.ts <= ${end} AND s.ts > o.start_ts AND s.ts <= o.stop_ts` +
      (some === undefined ? '' : ` AND s.${some}`),
  };
}

/** Parts into which the values are sorted before the exact rank is looked for in one of them. */
const RANK_PARTS = 4096;

/** Where the values are, and the smallest and largest of them, between which a histogram is made. */
interface RankedColumn {
  readonly table: string;
  readonly column: string;
  readonly min: number;
  readonly max: number;
}

/**
 * Exact dt-weighted nearest ranks: for each q the smallest x with Σ dt of the samples ≤ x at least q of all. Two passes,
 * neither sorting more than a small part: a histogram of the values' range, then the one bar that holds the rank.
 * @param ranks each in (0, 1]. @returns a value for each; undefined when no sample speaks for any time.
 */
export async function rankedValues(
  db: Asked,
  { table, column, min, max }: RankedColumn,
  window: SampleWindow,
  ranks: readonly number[],
): Promise<number[] | undefined> {
  if (max === min) return ranks.map(() => min);
  const { head, tail } = ownedSamples(table, window);
  const x = `s.${quoteName(column)}`;
  const bar = `cast((${x} - (${min})) * ${RANK_PARTS / (max - min)} AS INT)`;
  const bars = await ask(
    db,
    `${head} SELECT ${bar} AS bar, sum(s.dt_us) AS dt_us ${tail} AND ${x} IS NOT NULL GROUP BY bar ORDER BY bar`,
  );
  const total = bars.reduce((sum, row) => sum + (row.number('dt_us') ?? 0), 0);
  if (total === 0) return undefined;
  const found: number[] = [];
  for (const rank of ranks) {
    const place = placeOfRank(bars, rank * total);
    const values = await ask(
      db,
      `${head} SELECT ${x} AS x, sum(s.dt_us) AS dt_us ${tail} AND ${x} IS NOT NULL AND ${bar} = ${bars[place.at]!.number('bar') ?? 0}` +
        ' GROUP BY x ORDER BY x',
    );
    const at = placeOfRank(values, rank * total, place.beforeUs).at;
    found.push(values[at]!.number('x')!);
  }
  return found;
}

/** First row at which the running Σ dt reaches `wantedUs`, and the sum before it. */
function placeOfRank(
  rows: readonly Cells[],
  wantedUs: number,
  alreadyUs = 0,
): { at: number; beforeUs: number } {
  let beforeUs = alreadyUs;
  for (let at = 0; at < rows.length - 1; at += 1) {
    const dtUs = rows[at]!.number('dt_us') ?? 0;
    if (beforeUs + dtUs >= wantedUs) return { at, beforeUs };
    beforeUs += dtUs;
  }
  return { at: rows.length - 1, beforeUs };
}
