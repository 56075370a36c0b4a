import { quoteName } from '../../../../schemas/tables.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { askLabelled } from './ask-labelled.ts';
import { partIn } from './job-rows.ts';
import type { JobSegments } from './job-segments.ts';
import type { LabelledJob } from './scan.ts';

/** Parts into which the values are sorted before the exact rank is looked for in one of them. */
const RANK_PARTS = 4096;

/** Where the values are, and the smallest and largest of them, between which a histogram is made. */
interface RankedColumn {
  /** Samples. */
  readonly places: JobSegments;
  readonly column: string;
  readonly min: number;
  readonly max: number;
}

/**
 * Exact dt-weighted nearest ranks over the samples that bear the job's label: for each q the smallest x with Σ dt of the samples ≤ x
 * at least q of all. Two passes, neither sorting more than a small part: a histogram of the values' range, then the one bar that holds
 * the rank.
 * @param ranks each in (0, 1]. @returns a value for each; undefined when no sample speaks for any time.
 */
export async function rankedValues(
  db: Asked,
  job: LabelledJob,
  { places, column, min, max }: RankedColumn,
  ranks: readonly number[],
): Promise<number[] | undefined> {
  if (max === min) return ranks.map(() => min);
  const x = `s.${quoteName(column)}`;
  const bar = `cast((${x} - (${min})) * ${RANK_PARTS / (max - min)} AS INT)`;
  const weigh = async (key: string, condition: string): Promise<Weighed[]> => {
    const rows = await askLabelled(db, job, places.groups, () => ({
      keys: [`${key} AS x`],
      picks: ['sum(s.dt_us) AS dt_us'],
      isPooled: true,
      where: `${x} IS NOT NULL${condition}`,
    }));
    return weighedOf(rows.filter((row) => partIn(job.label, row) !== undefined));
  };
  const bars = await weigh(bar, '');
  const total = bars.reduce((sum, { dtUs }) => sum + dtUs, 0);
  if (total === 0) return undefined;
  const found: number[] = [];
  for (const rank of ranks) {
    const place = placeOfRank(bars, rank * total);
    const values = await weigh(x, ` AND ${bar} = ${bars[place.at]!.x}`);
    found.push(values[placeOfRank(values, rank * total, place.beforeUs).at]!.x);
  }
  return found;
}

interface Weighed {
  readonly x: number;
  dtUs: number;
}

/** Added up by x, ascending. */
function weighedOf(rows: readonly Cells[]): Weighed[] {
  const byX = new Map<number, Weighed>();
  for (const row of rows) {
    const x = row.number('x') ?? 0;
    const known = byX.get(x);
    const dtUs = row.number('dt_us') ?? 0;
    if (known === undefined) byX.set(x, { x, dtUs });
    else known.dtUs += dtUs;
  }
  return [...byX.values()].sort((a, b) => a.x - b.x);
}

/** First value at which the running Σ dt reaches `wantedUs`, and the sum before it. */
function placeOfRank(
  values: readonly Weighed[],
  wantedUs: number,
  alreadyUs = 0,
): { at: number; beforeUs: number } {
  let beforeUs = alreadyUs;
  for (const [at, { dtUs }] of values.entries()) {
    if (at === values.length - 1 || beforeUs + dtUs >= wantedUs) return { at, beforeUs };
    beforeUs += dtUs;
  }
  return { at: 0, beforeUs };
}
