import type { Lane } from '../../../core/fields/lane.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import type { Activity } from '../rows/rhythm.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import { bandsOf } from './bands.ts';
import type { Timeline } from './figures.ts';
import { heatMapOf } from './heat-map.ts';
import { powerLimitOf } from './power-limit.ts';

/** More steps than a screen has dots across would only make the page larger. */
const STEPS_MAX = 1440;

interface Drawn {
  /** Of the configuration. */
  readonly lanes: readonly Lane[];
  /** Where SM activity is read; of several places the first. */
  readonly activity: Activity | undefined;
  readonly inventory: ReadonlyMap<string, Cells>;
  /** Else only the activity of each device. */
  readonly isWhole: boolean;
}

/**
 * How a job went, to be drawn.
 * @param boundaryUs interval of the first lane, µs
 * @throws what `ask` throws
 */
export async function timelineOf(
  db: Asked,
  sources: readonly JobSource[],
  summed: SummedJob & { readonly boundaryUs: number },
  { lanes, activity, inventory, isWhole }: Drawn,
): Promise<Timeline> {
  const { boundaryUs } = summed;
  const place = activity?.places[0];
  const [bands, heatMap, powerLimitWatts] = await Promise.all([
    isWhole ? bandsOf(db, sources, summed, { boundaryUs, countMax: STEPS_MAX }) : [],
    place && heatMapOf(db, place, summed, (gpu) => inventory.get(gpu)?.number('gpu_index')),
    isWhole ? powerLimitOf(db, lanes, summed) : undefined,
  ]);
  return { bands, heatMap, powerLimitWatts };
}
