import type { Config } from '../config/config.ts';
import { OperatingError } from '../core/base/errors.ts';
import { HORIZON_WEEKS_MAX } from '../core/forecast/backtest.ts';
import { looksBackUs } from '../figures/asked/planning.ts';
import type { CapacityFigures } from '../figures/capacity/figures.ts';
import { isOfSomeJobs } from '../figures/capacity/membership.ts';
import { capacityTimes, type CapacityQueryOptions } from '../figures/capacity/query.ts';
import type { ForecastFigures } from '../figures/forecast/figures.ts';
import { forecastFigures } from '../figures/forecast/query.ts';
import type { Span } from '../figures/levels.ts';
import type { Asked } from '../figures/query-cells.ts';
import type { QueueFigures } from '../figures/queue/figures.ts';
import { queueFigures } from '../figures/queue/query.ts';
import { reliabilityFigures } from '../figures/reliability/query.ts';
import type { RightSizeFigures } from '../figures/right-size/figures.ts';
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

/** What stands on the page already, and the window that it is of. */
interface Beside {
  readonly window: Span;
  readonly figures: Promise<CapacityFigures>;
}

/**
 * What planners ask beside whose the time was, up to the end of the window. Forecast, failures and queue are of whole clusters, sizes of
 * all jobs of the last weeks, nodes of all jobs: where only some are looked at they are not asked. What one of them fails by is its
 * answer: the others come.
 * @param beside of the window, of these options
 */
export async function fleetSections(
  db: Asked,
  { lanes }: Pick<Config, 'lanes'>,
  options: CapacityQueryOptions,
  beside: Beside,
  told: Told = {},
): Promise<FleetSections> {
  const isNamed = told.sight === undefined;
  const isWhole = options.where === undefined;
  const forecast = isWhole ? answerOf(askForecast(db, lanes, options), told) : undefined;
  const [foretold, named, nodes] = await Promise.all([
    forecast,
    isWhole && isNamed ? namedOfClusters(db, lanes, options, { forecast, told }) : {},
    isNamed && !isOfSomeJobs({ where: options.where ?? [] })
      ? answerOf(nodesFigures(db, lanes, options, beside), told)
      : undefined,
  ]);
  return {
    ...(foretold === undefined ? {} : { forecast: foretold }),
    ...named,
    ...(nodes === undefined ? {} : { nodes }),
  };
}

async function nodesFigures(
  db: Asked,
  lanes: Config['lanes'],
  options: CapacityQueryOptions,
  { window, figures }: Beside,
): Promise<NodesFigures> {
  const ofNodes = { ...narrowedOptions(options), by: 'node' as const, every: heatPeriod(window) };
  const [times, { unseenNodes }] = await Promise.all([capacityTimes(db, lanes, ofNodes), figures]);
  return { times, unseenNodes };
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
  { forecast, told }: { readonly forecast: Promise<unknown> | undefined; readonly told: Told },
): Promise<FleetSections> {
  const of = { toUs, ...(cluster === undefined ? {} : { cluster }) };
  const failuresFromUs = Math.min(fromUs, backFrom(toUs, 'reliability'));
  const sizes = { ...of, fromUs: backFrom(toUs, 'rightSize'), nowUs: toUs, whatIfs: [] };
  const askQueue = async (): Promise<Answer<QueueFigures>> => {
    await forecast;
    const queued = { ...of, fromUs: Math.max(fromUs, toUs - QUEUE_US_MAX) };
    return await answerOf(
      queueFigures(db, lanes, { ...queued, ...(idleLimits === undefined ? {} : { idleLimits }) }),
      told,
    );
  };
  const askSizes = async (): Promise<Answer<RightSizeFigures>> => {
    await forecast;
    return await answerOf(rightSizeFigures(db, lanes, sizes), told);
  };
  // Those two take this process long, and meanwhile it asks nothing: the store gets first what takes that long.
  const [reliability, queue, rightSize] = await Promise.all([
    answerOf(reliabilityFigures(db, lanes, { ...of, fromUs: failuresFromUs }), told),
    askQueue(),
    askSizes(),
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
