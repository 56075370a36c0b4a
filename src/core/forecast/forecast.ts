/** What weekly demand will be, with how far off that may be; or why nobody can say. Pure: numbers in, numbers out. */
import { backtest, HORIZON_WEEKS_MAX, type Backtest } from './backtest.ts';
import { halfWidthOf } from './interval.ts';
import { FORECAST_METHODS, METHODS, type ForecastMethod, type KnownWeek } from './methods.ts';
import { stepIn, type DemandStep } from './step.ts';

/** Of fewer weeks intervals hold half of what comes. */
export const KNOWN_WEEKS_MIN = 8;

export interface ForecastWeek {
  /** Its number, counted from the first week of the history. */
  readonly week: number;
  readonly expected: number;
  /** Nine times of ten it is between these two. */
  readonly low: number;
  readonly high: number;
}

interface MethodTest {
  readonly method: ForecastMethod;
  readonly origins: number;
  readonly meanAbsoluteError: number;
}

export interface Forecast {
  readonly step: DemandStep | undefined;
  /** Weeks that it was made from: known, and after the step. */
  readonly weeksUsed: number;
  /** How each method would have done; empty where nothing is told. */
  readonly tests: readonly MethodTest[];
  /** Undefined where nothing is told. */
  readonly method: ForecastMethod | undefined;
  readonly weeks: readonly ForecastWeek[];
  /** Why nothing is told: too few weeks are known, or too few since the step, or none of the newest ones. */
  readonly refusal: 'few_weeks' | 'few_since_step' | 'end_unknown' | undefined;
}

/**
 * @param history oldest first, its last one the newest whole week; undefined is a week of which too little is known, which no method
 *   takes for a low one
 * @param horizonWeeks that are asked for; no further than as many as it is made from, nor than twelve
 */
export function forecastOf(history: readonly (number | undefined)[], horizonWeeks: number): Forecast {
  const all = sinceHole(history.flatMap((value, week) => (value === undefined ? [] : [{ week, value }])));
  const step = stepIn(all);
  const known = step === undefined ? all : all.filter(({ week }) => week >= step.week);
  const refused = (refusal: Forecast['refusal']): Forecast => ({
    ...{ step, weeksUsed: known.length, tests: [], method: undefined, weeks: [], refusal },
  });
  if (known.length < KNOWN_WEEKS_MIN) return refused(step === undefined ? 'few_weeks' : 'few_since_step');
  const reach = known.at(-1)!.week + Math.min(known.length, HORIZON_WEEKS_MAX);
  const count = Math.min(horizonWeeks, reach - (history.length - 1));
  if (count < 1) return refused('end_unknown');
  const tests = FORECAST_METHODS.map((method) => backtest(known, method));
  const best = tests.reduce((a, b) => (b.meanAbsoluteError < a.meanAbsoluteError ? b : a));
  return {
    step,
    weeksUsed: known.length,
    tests: tests.map(({ method, origins, meanAbsoluteError }) => ({ method, origins, meanAbsoluteError })),
    method: best.method,
    weeks: weeksAfter(known, best, { from: history.length, count }),
    refusal: undefined,
  };
}

/** What is older than a hole of more weeks than a forecast reaches tells nothing of today. */
function sinceHole(known: readonly KnownWeek[]): readonly KnownWeek[] {
  const first = known.findLastIndex(
    ({ week }, at) => week - (known[at - 1]?.week ?? -Infinity) > HORIZON_WEEKS_MAX,
  );
  return known.slice(Math.max(0, first));
}

/** The weeks of a forecast, by a method that was tried. Nobody demands less than nothing. */
export function weeksAfter(
  known: readonly KnownWeek[],
  test: Backtest,
  { from, count }: { readonly from: number; readonly count: number },
): ForecastWeek[] {
  const ahead = METHODS[test.method](known);
  const halfWidth = halfWidthOf(test);
  const last = known.at(-1)!.week;
  return Array.from({ length: count }, (_, at) => {
    const week = from + at;
    const [expected, half] = [ahead(week - last), halfWidth(week - last)];
    return {
      week,
      expected: Math.max(0, expected),
      low: Math.max(0, expected - half),
      high: Math.max(0, expected + half),
    };
  });
}
