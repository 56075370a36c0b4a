import { quoteName } from '../../../../schemas/tables.ts';
import type { Window } from '../../../core/analysis/active-windows.ts';
import type { Asked, Cells } from '../../query-cells.ts';
import { common } from '../../spans.ts';
import { gaugeSummands } from '../../summands.ts';
import { askOwn } from '../rows/ask-labelled.ts';
import { samplesOf } from '../rows/job-segments.ts';
import type { ActivityPlace } from '../rows/rhythm.ts';
import type { SummedJob } from '../rows/summed-job.ts';
import type { TimedStep } from './course.ts';
import type { Gauge30 } from './figures.ts';

const GAUGE_US = 30e6;
/** It shows the mean of so much time, or of an interval of the lane where that is longer. */
const SHOWN_US = 1e6;
/** Of coarser samples too few phases can be tried. */
const PHASES_MIN = 10;
const READINGS_MIN = 20;
/** Up to so many samples are read of all the time from the first to the last active minute; else of the windows. */
const SAMPLES_MAX = 2_000_000;

/** What is looked at. */
interface ActiveSamples {
  readonly active: readonly TimedStep[];
  readonly stepUs: number;
  readonly windows: readonly Window[];
  /** Older samples have aged out. */
  readonly rawFromUs: number;
}

/**
 * What a gauge would have said that is read every 30 s while the job is active: the readings of one phase are the seconds whose number
 * leaves one remainder, so that one question tells all of them.
 * @returns undefined where the lane is too slow, or the time too short. @throws what `ask` throws
 */
export async function readGauge30(
  db: Asked,
  { source, column, intervalUs }: ActivityPlace,
  { job }: SummedJob,
  { active, stepUs, windows, rawFromUs }: ActiveSamples,
): Promise<Gauge30 | undefined> {
  const shownUs = Math.max(SHOWN_US, intervalUs);
  const phases = Math.floor(GAUGE_US / shownUs);
  const [first, last] = [active[0], active.at(-1)];
  if (first === undefined || last === undefined || windows.length === 0 || phases < PHASES_MIN)
    return undefined;
  const isAll = job.sampleCount <= SAMPLES_MAX && first.fromUs >= rawFromUs;
  const spans = isAll ? [{ fromUs: first.fromUs, toUs: last.fromUs + stepUs }] : windows;
  const windowUs = spans.reduce((us, { fromUs, toUs }) => us + toUs - fromUs, 0);
  if (windowUs < READINGS_MIN * GAUGE_US) return undefined;
  const gpus = [...new Set(job.stays.map(({ gpu }) => gpu))];
  const whole = samplesOf(source.kept, gpus, { fromUs: spans[0]!.fromUs, toUs: spans.at(-1)!.toUs });
  const groups = whole.groups.map((group) => ({
    ...group,
    segments: group.segments.map((segment) => ({ ...segment, spans: common(segment.spans, spans) })),
  }));
  const power = new Map(source.gauges).get('power');
  const [sum, known] = gaugeSummands('x', column);
  // What a sample is the mean of lies before it.
  const second = `(cast(s.ts AS LONG) - ${Math.floor(intervalUs / 2)}) / ${shownUs}`;
  const rows = await askOwn(db, job, groups, () => ({
    isPooled: true,
    keys: [`cast((${second}) % ${phases} AS INT) AS phase`],
    picks: [
      `sum(${sum!.raw}) AS x_sum`,
      `sum(${known!.raw}) AS x_us`,
      `min(s.${quoteName(column)}) AS low`,
      ...(power === undefined ? [] : [`max(s.${quoteName(power)}) AS peak`]),
    ],
  }));
  return gaugeOf(rows, { windowUs, phases, hasPower: power !== undefined });
}

function gaugeOf(
  rows: readonly Cells[],
  {
    windowUs,
    phases,
    hasPower,
  }: { readonly windowUs: number; readonly phases: number; readonly hasPower: boolean },
): Gauge30 | undefined {
  const total = (some: readonly Cells[], name: string): number =>
    some.reduce((all, row) => all + (row.number(name) ?? 0), 0);
  const byPhase = [...Map.groupBy(rows, (row) => row.number('phase')!).values()].filter(
    (some) => total(some, 'x_us') > 0,
  );
  if (byPhase.length < phases) return undefined;
  const means = byPhase.map((some) => total(some, 'x_sum') / total(some, 'x_us'));
  const lows = byPhase.map((some) => Math.min(...some.map((row) => row.number('low') ?? Infinity)));
  const peaks = hasPower
    ? byPhase.map((some) => Math.max(...some.map((row) => row.number('peak') ?? -Infinity)))
    : [];
  const isPeakKnown = peaks.length > 0 && peaks.every(Number.isFinite);
  return {
    windowUs,
    phases,
    meanMin: Math.min(...means),
    meanMax: Math.max(...means),
    mean: total(rows, 'x_sum') / total(rows, 'x_us'),
    lowMin: Math.min(...lows),
    lowMax: Math.max(...lows),
    peak: isPeakKnown ? { min: Math.min(...peaks), max: Math.max(...peaks) } : undefined,
  };
}
