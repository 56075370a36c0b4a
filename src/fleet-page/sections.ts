import type { Config } from '../config/config.ts';
import { OperatingError } from '../core/base/errors.ts';
import { HORIZON_WEEKS_MAX } from '../core/forecast/backtest.ts';
import { looksBackUs } from '../figures/asked/planning.ts';
import type { CapacityFigures } from '../figures/capacity/figures.ts';
import { capacityTimes, type CapacityQueryOptions } from '../figures/capacity/query.ts';
import type { ForecastFigures } from '../figures/forecast/figures.ts';
import { forecastFigures } from '../figures/forecast/query.ts';
import type { Asked } from '../figures/query-cells.ts';
import { queueFigures } from '../figures/queue/query.ts';
import { reliabilityFigures } from '../figures/reliability/query.ts';
import { rightSizeFigures } from '../figures/right-size/query.ts';
import type { Sight } from '../figures/sight.ts';
import { heatPeriod } from '../report/page/fleet/node-heat.ts';
import type { NodesFigures } from '../report/page/fleet/node-coverage.ts';
import type { Answer, FleetSections } from '../report/page/fleet/sections.ts';

/** Who waited and what was free is looked at sample by sample: of more time than the last 31 days a page does not tell it. */
const QUEUE_US_MAX = 31 * 86_400e6;

/** To whom it is told. */
export interface Told {
  /** Undefined: everything may be seen. Else what names accounts, jobs or nodes is not asked for. */
  readonly sight?: Sight | undefined;
  /** Why a part did not come, as whoever looks may hear it; its own message when absent. */
  readonly reason?: (failure: OperatingError) => string;
}

/**
 * What planners ask beside whose the time was, up to the end of the window. Forecast, failures and queue are of whole clusters, sizes of
 * all jobs of the last weeks, nodes of all jobs: where only some are looked at they are not asked. What one of them fails by is its
 * answer: the others come.
 * @param figures of the window, of these options
 */
export async function fleetSections(
  db: Asked,
  { lanes }: Pick<Config, 'lanes'>,
  options: CapacityQueryOptions,
  figures: Promise<CapacityFigures>,
  told: Told = {},
): Promise<FleetSections> {
  const isNamed = told.sight === undefined;
  const isWhole = options.where === undefined;
  const [forecast, named, nodes] = await Promise.all([
    isWhole ? answerOf(askForecast(db, lanes, options), told) : undefined,
    isWhole && isNamed ? namedOfClusters(db, lanes, options, told) : {},
    isNamed ? nodesOf(db, lanes, options, figures, told) : undefined,
  ]);
  return {
    ...(forecast === undefined ? {} : { forecast }),
    ...named,
    ...(nodes === undefined ? {} : { nodes }),
  };
}

/** @returns undefined of some jobs: GPUs were there for others, too */
async function nodesOf(
  db: Asked,
  lanes: Config['lanes'],
  options: CapacityQueryOptions,
  figures: Promise<CapacityFigures>,
  told: Told,
): Promise<Answer<NodesFigures> | undefined> {
  const whole = await figures;
  if (whole.knownUs === undefined) return undefined;
  const ofNodes = { ...narrowedOptions(options), by: 'node' as const, every: heatPeriod(whole) };
  const times = await answerOf(capacityTimes(db, lanes, ofNodes), told);
  if ('failure' in times) return times;
  return { figures: { times: times.figures, unseenNodes: whole.unseenNodes } };
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

async function askForecast(
  db: Asked,
  lanes: Config['lanes'],
  { toUs, cluster }: CapacityQueryOptions,
): Promise<ForecastFigures> {
  return await forecastFigures(db, lanes, {
    ...{ fromUs: backFrom(toUs, 'forecast'), toUs, horizonWeeks: HORIZON_WEEKS_MAX },
    ...(cluster === undefined ? {} : { cluster }),
  });
}

async function namedOfClusters(
  db: Asked,
  lanes: Config['lanes'],
  { fromUs, toUs, cluster, idleLimits }: CapacityQueryOptions,
  told: Told,
): Promise<FleetSections> {
  const of = { toUs, ...(cluster === undefined ? {} : { cluster }) };
  const failuresFromUs = Math.min(fromUs, backFrom(toUs, 'reliability'));
  const sizes = { ...of, fromUs: backFrom(toUs, 'rightSize'), nowUs: toUs, whatIfs: [] };
  const [reliability, queue, rightSize] = await Promise.all([
    answerOf(reliabilityFigures(db, lanes, { ...of, fromUs: failuresFromUs }), told),
    answerOf(
      queueFigures(db, lanes, {
        ...{ ...of, fromUs: Math.max(fromUs, toUs - QUEUE_US_MAX) },
        ...(idleLimits === undefined ? {} : { idleLimits }),
      }),
      told,
    ),
    answerOf(rightSizeFigures(db, lanes, sizes), told),
  ]);
  return { reliability, queue, rightSize };
}

/** As far back as the report by itself. */
function backFrom(toUs: number, report: Parameters<typeof looksBackUs>[0]): number {
  return Math.max(0, toUs - looksBackUs(report));
}

/** What is asked for, or why it did not come. */
export async function answerOf<T>(
  asked: Promise<T>,
  { reason = ({ message }) => message }: Pick<Told, 'reason'> = {},
): Promise<Answer<T>> {
  try {
    return { figures: await asked };
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    // That of the page is known: a forecast looks at whole weeks before its end alone.
    if (thrown.code === 'report.unknown_cluster')
      return { failure: 'no GPU of this cluster was known in any whole week before' };
    return { failure: reason(thrown) };
  }
}
