import { OperatingError } from '../../core/base/errors.ts';
import { HORIZON_WEEKS_MAX } from '../../core/forecast/backtest.ts';
import type { CapacityQueryOptions } from '../../figures/capacity/query.ts';
import { WEEK_US } from '../../figures/forecast/figures.ts';
import { forecastFigures } from '../../figures/forecast/query.ts';
import { STEP_US } from '../../figures/levels.ts';
import type { Asked } from '../../figures/query-cells.ts';
import { queueFigures } from '../../figures/queue/query.ts';
import { reliabilityFigures } from '../../figures/reliability/query.ts';
import type { Answer, FleetSections } from '../../report/page/fleet/sections.ts';
import type { StoreConfig } from '../with-store.ts';

/** A forecast looks back so far, and failures are too seldom for less than that: the same as in the reports of them. */
const FORECAST_US = 52 * WEEK_US;
const RELIABILITY_US_MIN = 90 * STEP_US['1d'];

/**
 * What planners ask beside whose the time was, up to the end of the window. What nobody can tell of some jobs alone is not asked where
 * only some are looked at. What one of them fails by is its answer: the others come.
 */
export async function fleetSections(
  db: Asked,
  { lanes }: Pick<StoreConfig, 'lanes'>,
  { fromUs, toUs, cluster, where = [], idleLimits }: CapacityQueryOptions,
): Promise<FleetSections> {
  if (where.length > 0) return {};
  const of = { toUs, ...(cluster === undefined ? {} : { cluster }) };
  const backTo = (lengthUs: number): number => Math.max(0, Math.min(fromUs, toUs - lengthUs));
  const [forecast, reliability, queue] = await Promise.all([
    answerOf(
      forecastFigures(db, lanes, {
        ...{ ...of, fromUs: Math.max(0, toUs - FORECAST_US), horizonWeeks: HORIZON_WEEKS_MAX },
      }),
    ),
    answerOf(reliabilityFigures(db, lanes, { ...of, fromUs: backTo(RELIABILITY_US_MIN) })),
    answerOf(queueFigures(db, lanes, { ...of, fromUs, ...(idleLimits === undefined ? {} : { idleLimits }) })),
  ]);
  return { forecast, reliability, queue };
}

async function answerOf<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return { figures: await asked };
  } catch (thrown) {
    if (thrown instanceof OperatingError) return { failure: thrown.message };
    throw thrown;
  }
}
