import { quoteName } from '../../../../schemas/tables.ts';
import type { CourseStep } from '../../../core/analysis/active-windows.ts';
import { STEP_US } from '../../levels.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { counterSummands, gaugeSummands, summandSql, type Summand } from '../../summands.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import { jobSegments } from '../rows/job-segments.ts';
import { coarsestStepUs } from '../rows/parts.ts';
import type { ActivityPlace } from '../rows/rhythm.ts';
import type { SummedJob } from '../rows/summed-job.ts';

/** Steps into which a job is cut at most. */
const STEPS_MAX = 4096;

/** A step of a job's course. */
export interface TimedStep extends CourseStep {
  /** The highest activity of a device. */
  readonly most: number;
  readonly joules: number;
  /** Σ over the devices of the time over which the energy is known, µs. */
  readonly joulesUs: number;
}

/** How active a job was, by the minute or by some minutes; from the minutes of the rollup, where it is not read from its samples. */
export interface TimedCourse {
  readonly stepUs: number;
  /** Ascending; steps of which nothing is known are missing. */
  readonly steps: readonly TimedStep[];
}

/** @returns undefined where minutes have aged out. @throws what `ask` throws */
export async function timedCourse(
  db: Asked,
  { source, column }: ActivityPlace,
  { job, window: { startUs, endUs }, isFromSamples, placesIn }: SummedJob,
): Promise<TimedCourse | undefined> {
  const stepUs = Math.ceil(Math.max(1, (endUs - startUs) / STEPS_MAX / STEP_US['1m'])) * STEP_US['1m'];
  const places = isFromSamples ? placesIn(source) : jobSegments(source.kept, job, ['1m']);
  if (coarsestStepUs(places) > stepUs) return undefined;
  const [sum, known] = gaugeSummands('x', column) as [Summand, Summand];
  const most: Summand = { name: 'most', rollup: `${column}_max`, raw: `s.${quoteName(column)}` };
  const power = new Map(source.gauges).get('power');
  const energy = [
    ...(source.hasEnergy ? counterSummands() : []),
    ...(power === undefined ? [] : gaugeSummands('power', power)),
  ];
  const rows = await askOwn(db, job, places.groups, (segment) => ({
    isPooled: true,
    keys: [`cast(cast(s.ts AS LONG) / ${stepUs} AS INT) AS step`],
    picks: [
      ...[sum, known, ...energy].map((one) => `sum(${summandSql(one, segment)}) AS ${one.name}`),
      `max(${summandSql(most, segment)}) AS most`,
    ],
  }));
  const steps = [...Map.groupBy(rows, (row) => row.number('step')!)].map(([step, some]) =>
    timedStep(step * stepUs, some, { hasCounter: source.hasEnergy, hasPower: power !== undefined }),
  );
  return { stepUs, steps: steps.sort((a, b) => a.fromUs - b.fromUs) };
}

function timedStep(
  fromUs: number,
  rows: readonly Cells[],
  { hasCounter, hasPower }: { readonly hasCounter: boolean; readonly hasPower: boolean },
): TimedStep {
  const total = (column: string): number => rows.reduce((sum, row) => sum + (row.number(column) ?? 0), 0);
  const knownUs = total('x_us');
  const counterUs = hasCounter ? total('counter_us') : 0;
  const counterJoules = hasCounter ? total('counter_joules') : 0;
  const powerJoules = hasPower ? total('power_sum') / 1e6 : 0;
  // As elsewhere: a counter that stands still while power is drawn says nothing.
  const isCounted = counterUs > 0 && !(counterJoules === 0 && powerJoules > 0);
  return {
    fromUs,
    knownUs,
    ratio: knownUs > 0 ? total('x_sum') / knownUs : 0,
    most: rows.reduce((most, row) => Math.max(most, row.number('most') ?? 0), 0),
    joules: isCounted ? counterJoules : powerJoules,
    joulesUs: isCounted ? counterUs : hasPower ? total('power_us') : 0,
  };
}
