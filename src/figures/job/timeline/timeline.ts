import type { Asked, Cells } from '../../query-cells.ts';
import type { Activity } from '../rows/rhythm.ts';
import type { JobSource } from '../rows/scan.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import { bandsOf } from './bands.ts';
import type { Timeline } from './figures.ts';
import { heatMapOf } from './heat-map.ts';

/** More steps than a screen has dots across would only make the page larger. */
const STEPS_MAX = 1440;

/**
 * How a job went, to be drawn.
 * @param activity where SM activity is read; of several places the first @param boundaryUs interval of the first lane, µs
 * @throws what `ask` throws
 */
export async function timelineOf(
  db: Asked,
  sources: readonly JobSource[],
  summed: SummedJob & { readonly boundaryUs: number },
  {
    activity,
    inventory,
  }: { readonly activity: Activity | undefined; readonly inventory: ReadonlyMap<string, Cells> },
): Promise<Timeline> {
  const { boundaryUs } = summed;
  const place = activity?.places[0];
  const [bands, heatMap] = await Promise.all([
    bandsOf(db, sources, summed, { boundaryUs, countMax: STEPS_MAX }),
    place && heatMapOf(db, place, summed, (gpu) => inventory.get(gpu)?.number('gpu_index')),
  ]);
  return { bands, heatMap };
}
