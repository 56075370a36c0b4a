import { incidentsOf } from '../../core/reliability/incidents.ts';
import { XID_CLASSES, xidClassOf, type XidClass } from '../../core/reliability/xid-classes.ts';
import { STEP_US } from '../levels.ts';
import type { FaultEvents } from './events.ts';
import type { ClassRate, ModelRates } from './figures.ts';
import { meanCountInterval } from './rates.ts';
import type { SeenGpu } from './seen.ts';

const YEAR_US = 365.25 * STEP_US['1d'];

/** XIDs by model and class, of the GPUs that were seen. @param xids of a GPU that was seen, by its name as a whole */
export function xidRates(
  seen: readonly SeenGpu[],
  xids: ReadonlyMap<string, readonly FaultEvents[]>,
): ModelRates[] {
  return [...Map.groupBy(seen, ({ model }) => model)]
    .map(([model, own]): ModelRates => {
      const seenUs = own.reduce((sum, gpu) => sum + gpu.seenUs, 0);
      const gpus = [...new Set(own.map(({ gpu }) => gpu))];
      const classes = XID_CLASSES.flatMap((name) =>
        classRate(
          name,
          gpus.map((gpu) => xids.get(gpu) ?? []),
          seenUs,
        ),
      );
      return { model, gpus: gpus.length, seenUs, classes };
    })
    .sort((a, b) => b.seenUs - a.seenUs || ((a.model ?? '') < (b.model ?? '') ? -1 : 1));
}

/** @param xids of each GPU */
function classRate(name: XidClass, xids: readonly (readonly FaultEvents[])[], seenUs: number): ClassRate[] {
  const own = xids.map((some) => some.filter(({ code }) => xidClassOf(code) === name));
  const events = own.flat().reduce((sum, { count }) => sum + count, 0);
  if (events === 0) return [];
  const incidents = own.reduce((sum, some) => sum + incidentsOf(some).length, 0);
  const { low, high } = meanCountInterval(incidents);
  const perYear = (count: number): number => (count * YEAR_US) / seenUs;
  return [
    {
      ...{ name, events, incidents },
      perGpu: { perYear: perYear(incidents), low: perYear(low), high: perYear(high) },
    },
  ];
}
