/** How far off a forecast may be, told from how far off the same method has been. */
import type { Backtest, Residual } from './backtest.ts';

/** Part of the truths that the interval is to hold. */
const HELD_RATIO = 0.9;
/** A few origins have not seen everything: of so many the interval is twice as wide. Found with drawn histories, as the least growth is. */
const WIDENING = 2.8;
const GROWTH_MIN = 0.1;
const GROWTH_MAX = 1;

/**
 * Half the width of the interval by weeks ahead: residuals of all origins and horizons pooled, since few origins have any far
 * ahead. They grow with the weeks ahead as weeks^g.
 */
export function halfWidthOf({ residuals, origins }: Backtest): (weeksAhead: number) => number {
  const growth = growthOf(residuals);
  const scaled = residuals
    .map(({ error, weeksAhead }) => Math.abs(error) / weeksAhead ** growth)
    .sort((a, b) => a - b);
  const rank = Math.min(scaled.length, Math.ceil((scaled.length + 1) * HELD_RATIO));
  const unit = scaled[rank - 1]! * (1 + WIDENING / origins);
  return (weeksAhead) => unit * weeksAhead ** growth;
}

/** g of the power of weeks ahead with which mean errors grow: the slope in logarithms, each residual counting alike. */
function growthOf(residuals: readonly Residual[]): number {
  const points = [...Map.groupBy(residuals, ({ weeksAhead }) => weeksAhead)].flatMap(([weeksAhead, some]) => {
    const mean = some.reduce((sum, { error }) => sum + Math.abs(error), 0) / some.length;
    return mean > 0 ? [{ x: Math.log(weeksAhead), y: Math.log(mean), weight: some.length }] : [];
  });
  const total = (of: (point: (typeof points)[number]) => number): number =>
    points.reduce((sum, point) => sum + point.weight * of(point), 0);
  const weight = total(() => 1);
  const [x, y] = [total((point) => point.x) / weight, total((point) => point.y) / weight];
  const variance = total((point) => (point.x - x) ** 2);
  if (!(variance > 0)) return GROWTH_MIN;
  const slope = total((point) => (point.x - x) * (point.y - y)) / variance;
  return Math.min(GROWTH_MAX, Math.max(GROWTH_MIN, slope));
}
