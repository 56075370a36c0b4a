import { quoteName, quoteText } from '../../../schemas/tables.ts';
import { findDips, type ActivityStep } from './dips.ts';
import type { Dips, JobEvent, ThrottleEffect } from './figures.ts';
import { lastsUntilUs, type JobWindow } from './facts.ts';
import { askOwned } from '../owned-samples.ts';
import type { Quantity } from '../quantity.ts';
import type { Asked, Cells } from '../query-cells.ts';
import { quoteTime } from '../sql-text.ts';

/** Steps into which a job is cut in search of a rhythm: enough for a dip of a thousandth of the job. */
const STEPS_MAX = 4096;
/** Throttled spans that are compared with the other devices, longest first: each costs a query. */
const THROTTLES_MAX = 3;

/** Where the SM activity is read. */
export interface ActivityColumn {
  readonly table: string;
  readonly column: string;
  readonly intervalUs: number;
}

/** Looks for a regular fall of the job's SM activity, mean over its devices. */
export async function rhythmOf(
  db: Asked,
  activity: ActivityColumn,
  window: JobWindow,
): Promise<Dips | undefined> {
  const lengthUs = window.endUs - window.startUs;
  const stepUs = Math.max(
    activity.intervalUs,
    Math.ceil(lengthUs / STEPS_MAX / activity.intervalUs) * activity.intervalUs,
  );
  const x = `s.${quoteName(activity.column)}`;
  const start = `cast(${quoteTime(window.startUs)} AS TIMESTAMP)`;
  const rows = await askOwned(
    db,
    activity.table,
    window.intervals,
    ({ from, where }) =>
      `SELECT cast((s.ts - ${start} - 1) / ${stepUs} AS INT) AS step, sum(${x} * s.dt_us) AS sum_x, sum(s.dt_us) AS dt_us` +
      ` ${from} WHERE ${where} AND ${x} IS NOT NULL GROUP BY step`,
  );
  const steps: ActivityStep[] = [];
  for (const [step, own] of Map.groupBy(rows, (row) => row.number('step')!)) {
    const dtUs = sumOf(own, 'dt_us');
    if (dtUs > 0) steps.push({ step, ratio: sumOf(own, 'sum_x') / dtUs, dtUs });
  }
  return findDips(
    steps.sort((a, b) => a.step - b.step),
    stepUs,
  );
}

function sumOf(rows: readonly Cells[], column: string): number {
  return rows.reduce((sum, row) => sum + (row.number(column) ?? 0), 0);
}

/** SM activity of throttled devices beside the job's other devices in the same time, longest throttles first. */
export async function throttleEffects(
  db: Asked,
  activity: ActivityColumn,
  window: JobWindow,
  events: readonly JobEvent[],
): Promise<ThrottleEffect[]> {
  const span = (event: JobEvent): [number, number] => [
    Math.max(event.tsUs, window.startUs),
    Math.min(lastsUntilUs(event), window.endUs),
  ];
  const lengthUs = (event: JobEvent): number => span(event)[1] - span(event)[0];
  const throttles = events
    .filter((event) => event.kind === 'throttle' && event.gpu !== undefined && lengthUs(event) > 0)
    .sort((a, b) => lengthUs(b) - lengthUs(a))
    .slice(0, THROTTLES_MAX);
  const effects: ThrottleEffect[] = [];
  for (const event of throttles) {
    const gpu = event.gpu!;
    const [fromUs, toUs] = span(event);
    const x = `s.${quoteName(activity.column)}`;
    const rows = await askOwned(
      db,
      activity.table,
      window.intervals,
      ({ from, where }) =>
        `SELECT CASE WHEN s.gpu = ${quoteText(gpu)} THEN 1 ELSE 0 END AS is_throttled, sum(${x} * s.dt_us) AS sum_x, sum(s.dt_us) AS dt_us` +
        ` ${from} WHERE ${where} AND s.ts > ${quoteTime(fromUs)} AND s.ts <= ${quoteTime(toUs)} AND ${x} IS NOT NULL GROUP BY is_throttled`,
    );
    const mean = (isThrottled: 0 | 1): Quantity<'ratio'> | undefined => {
      const own = rows.filter((row) => row.number('is_throttled') === isThrottled);
      const knownUs = sumOf(own, 'dt_us');
      return knownUs === 0 ? undefined : { value: sumOf(own, 'sum_x') / knownUs, unit: 'ratio', knownUs };
    };
    const sm = mean(1);
    const othersSm = mean(0);
    if (sm !== undefined && othersSm !== undefined) effects.push({ event, gpu, sm, othersSm });
  }
  return effects;
}
