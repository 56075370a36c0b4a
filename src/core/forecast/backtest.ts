/** How well a method would have told what has come since, from each week of the history on. */
import { METHODS, type ForecastMethod, type KnownWeek } from './methods.ts';

/** From fewer weeks no method goes on. */
const ORIGIN_WEEKS_MIN = 5;
/** No forecast looks further ahead. */
export const HORIZON_WEEKS_MAX = 12;

/** What a week was less than or beyond what had been expected of it. */
export interface Residual {
  /** How many weeks before it was told. */
  readonly weeksAhead: number;
  readonly error: number;
}

export interface Backtest {
  readonly method: ForecastMethod;
  /** Weeks from which something was told. */
  readonly origins: number;
  readonly residuals: readonly Residual[];
  /** Over all origins and weeks ahead. */
  readonly meanAbsoluteError: number;
}

/** @param known oldest first, six at least */
export function backtest(known: readonly KnownWeek[], method: ForecastMethod): Backtest {
  const residuals: Residual[] = [];
  const origins = known.length - ORIGIN_WEEKS_MIN;
  for (let count = ORIGIN_WEEKS_MIN; count < known.length; count += 1) {
    const ahead = METHODS[method](known.slice(0, count));
    const origin = known[count - 1]!.week;
    for (const { week, value } of known.slice(count)) {
      const weeksAhead = week - origin;
      if (weeksAhead > HORIZON_WEEKS_MAX) break;
      residuals.push({ weeksAhead, error: value - ahead(weeksAhead) });
    }
  }
  const sum = residuals.reduce((all, { error }) => all + Math.abs(error), 0);
  return { method, origins, residuals, meanAbsoluteError: sum / residuals.length };
}
