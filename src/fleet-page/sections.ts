import type { Config } from '../config/config.ts';
import { OperatingError } from '../core/base/errors.ts';
import { HORIZON_WEEKS_MAX } from '../core/forecast/backtest.ts';
import { looksBackUs } from '../figures/asked/planning.ts';
import type { CapacityFigures } from '../figures/capacity/figures.ts';
import { capacityFigures, type CapacityQueryOptions } from '../figures/capacity/query.ts';
import { forecastFigures } from '../figures/forecast/query.ts';
import type { Asked } from '../figures/query-cells.ts';
import { queueFigures } from '../figures/queue/query.ts';
import { reliabilityFigures } from '../figures/reliability/query.ts';
import { heatPeriod } from '../report/page/fleet/node-heat.ts';
import type { Answer, FleetSections } from '../report/page/fleet/sections.ts';

/**
 * What planners ask beside whose the time was, up to the end of the window. Forecast, failures and queue are of whole clusters, nodes of
 * all jobs: where only some are looked at they are not asked. What one of them fails by is its answer: the others come.
 * @param figures of the window, of these options
 */
export async function fleetSections(
  db: Asked,
  { lanes }: Pick<Config, 'lanes'>,
  options: CapacityQueryOptions,
  figures: CapacityFigures,
): Promise<FleetSections> {
  const ofNodes = { ...narrowedOptions(options), by: 'node' as const, every: heatPeriod(figures) };
  const [ofClusters, nodes] = await Promise.all([
    options.where === undefined ? ofWholeClusters(db, lanes, options) : {},
    figures.knownUs === undefined ? undefined : answerOf(capacityFigures(db, lanes, ofNodes)),
  ]);
  return { ...ofClusters, ...(nodes === undefined ? {} : { nodes }) };
}

/** The same devices and time. */
export function narrowedOptions({
  fromUs,
  toUs,
  cluster,
  where,
  idleLimits,
}: CapacityQueryOptions): Omit<CapacityQueryOptions, 'by'> {
  return {
    ...{ fromUs, toUs },
    ...(cluster === undefined ? {} : { cluster }),
    ...(where === undefined ? {} : { where }),
    ...(idleLimits === undefined ? {} : { idleLimits }),
  };
}

async function ofWholeClusters(
  db: Asked,
  lanes: Config['lanes'],
  { fromUs, toUs, cluster, idleLimits }: CapacityQueryOptions,
): Promise<FleetSections> {
  const of = { toUs, ...(cluster === undefined ? {} : { cluster }) };
  const back = (lengthUs: number): number => Math.max(0, toUs - lengthUs);
  const failuresFromUs = Math.min(fromUs, back(looksBackUs('reliability')));
  const [forecast, reliability, queue] = await Promise.all([
    answerOf(
      forecastFigures(db, lanes, {
        ...of,
        fromUs: back(looksBackUs('forecast')),
        horizonWeeks: HORIZON_WEEKS_MAX,
      }),
    ),
    answerOf(reliabilityFigures(db, lanes, { ...of, fromUs: failuresFromUs })),
    answerOf(queueFigures(db, lanes, { ...of, fromUs, ...(idleLimits === undefined ? {} : { idleLimits }) })),
  ]);
  return { forecast, reliability, queue };
}

/** What is asked for, or why it did not come. */
export async function answerOf<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return { figures: await asked };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    // That of the page is known: a forecast looks at whole weeks before its end alone.
    if (thrown.code === 'report.unknown_cluster')
      return { failure: 'no GPU of this cluster was known in any whole week before' };
    return { failure: thrown.message };
  }
}
