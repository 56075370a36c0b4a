import type { Config } from '../config/config.ts';
import { configuredCosts } from '../config/cost-rates.ts';
import type { CostRates } from '../core/costs/costs.ts';

/** Refused rows that are told one by one. */
const TOLD_MAX = 3;

/**
 * What GPU time and energy cost, for a report; undefined where nothing is configured. Says on stderr which rows of the file of grams
 * were refused.
 * @throws what `configuredCosts` throws
 */
export function reportCosts(config: Pick<Config, 'costs'>): CostRates | undefined {
  const costs = configuredCosts(config);
  if (costs === undefined) return undefined;
  const { rates, refused } = costs;
  if (refused.length > 0) {
    const told = refused.slice(0, TOLD_MAX).map(({ line, why }) => `line ${line}: ${why}`);
    const more = refused.length > TOLD_MAX ? `, and ${refused.length - TOLD_MAX} more` : '';
    const rows = refused.length === 1 ? '1 row is' : `${refused.length} rows are`;
    process.stderr.write(
      `warning: ${config.costs.gramsFile ?? ''}: ${rows} refused, so that hours are missing: ${told.join('; ')}${more}\n`,
    );
  }
  return rates;
}
