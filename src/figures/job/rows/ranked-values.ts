import { quoteName } from '../../../../schemas/tables.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { askLabelled } from './ask-labelled.ts';
import { partIn } from './job-rows.ts';
import type { JobSegments } from './job-segments.ts';
import type { LabelledJob } from './scan.ts';

/** Parts into which the values are sorted before the exact rank is looked for in one of them. */
const RANK_PARTS = 4096;

/** Samples of which a column is ranked. */
interface RankedSamples {
  readonly places: JobSegments;
  readonly column: string;
}

/**
 * Exact dt-weighted nearest ranks over the samples that bear the job's label: for each q the smallest x with Σ dt of the samples ≤ x
 * at least q of all. Two passes, neither sorting more than a small part: a histogram of the values' range, then the one bar that holds
 * the rank.
 * @param range the smallest and the largest value, between which the histogram is made
 * @param ranks each in (0, 1]. @returns a value for each; undefined when no sample speaks for any time.
 */
export async function rankedValues(
  db: Asked,
  job: LabelledJob,
  samples: readonly RankedSamples[],
  { min, max }: { readonly min: number; readonly max: number },
  ranks: readonly number[],
): Promise<number[] | undefined> {
  if (max === min) return ranks.map(() => min);
  const barOf = (x: string): string => `cast((${x} - (${min})) * ${RANK_PARTS / (max - min)} AS INT)`;
  const weigh = async (keyOf: (x: string) => string, bar?: number): Promise<Weighed[]> => {
    const rows: Cells[] = [];
    for (const { places, column } of samples) {
      const x = `s.${quoteName(column)}`;
      const asked = await askLabelled(db, job, places.groups, () => ({
        keys: [`${keyOf(x)} AS x`],
        picks: ['sum(s.dt_us) AS dt_us'],
        isPooled: true,
        where: `${x} IS NOT NULL${bar === undefined ? '' : ` AND ${barOf(x)} = ${bar}`}`,
      }));
      rows.push(...asked);
    }
    return weighedOf(rows.filter((row) => partIn(job.label, row) !== undefined));
  };
  const bars = await weigh(barOf);
  const total = bars.reduce((sum, { dtUs }) => sum + dtUs, 0);
  if (total === 0) return undefined;
  const found: number[] = [];
  for (const rank of ranks) {
    const place = placeOfRank(bars, rank * total);
    const values = await weigh((x) => x, bars[place.at]!.x);
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
