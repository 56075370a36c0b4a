import { quoteName } from '../../../../schemas/tables.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { askOwn } from './ask-labelled.ts';
import type { JobSegments, LabelledJob } from './job-segments.ts';

/** Parts into which the values are sorted before the exact rank is looked for in one of them. */
const RANK_PARTS = 4096;

/** Samples of which a column is ranked. */
interface RankedSamples {
  readonly places: JobSegments;
  readonly column: string;
}

/**
 * Exact dt-weighted nearest ranks over the samples that bear the job's label: for each q the smallest x with Σ dt of the samples ≤ x
 * at least q of all. Two passes, neither sorting more than a small part: a histogram of the values' range, then the bars that hold
 * the ranks.
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
  const weigh = async (keysOf: (x: string) => string[], whereOf: (x: string) => string): Promise<Cells[]> => {
    const rows: Cells[] = [];
    for (const { places, column } of samples) {
      const x = `s.${quoteName(column)}`;
      const asked = await askOwn(db, job, places.groups, () => ({
        keys: keysOf(x),
        picks: ['sum(s.dt_us) AS dt_us'],
        isPooled: true,
        where: whereOf(x),
      }));
      rows.push(...asked);
    }
    return rows;
  };
  const bars = weighedOf(
    await weigh(
      (x) => [`${barOf(x)} AS x`],
      (x) => `${x} IS NOT NULL`,
    ),
  );
  const total = bars.reduce((sum, { dtUs }) => sum + dtUs, 0);
  if (total === 0) return undefined;
  const places = ranks.map((rank) => placeOfRank(bars, rank * total));
  const wanted = new Set(places.map(({ at }) => bars[at]!.x));
  const rows = await weigh(
    (x) => [`${barOf(x)} AS bar`, `${x} AS x`],
    (x) => `${x} IS NOT NULL AND ${barOf(x)} IN (${[...wanted].join(', ')})`,
  );
  const valuesIn = Map.groupBy(rows, (row) => row.number('bar')!);
  return places.map(({ at, beforeUs }, index) => {
    const values = weighedOf(valuesIn.get(bars[at]!.x) ?? []);
    return values[placeOfRank(values, ranks[index]! * total, beforeUs).at]!.x;
  });
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
