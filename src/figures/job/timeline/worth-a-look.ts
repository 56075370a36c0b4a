import { common } from '../../spans.ts';
import type { FindingRule, JobFigures } from '../figures.ts';
import type { LookedAt } from './close-look.ts';

/** Stretches of a job's time that a page without a server brings along. */
const LOOKS_MAX = 3;
/** Samples of each device that one stretch holds at most. */
const TICKS_MAX = 200;
/** More lines are a wall. */
const DEVICES_MAX = 6;
/** So much of what comes before and after shows what changes. */
const AROUND_RATIO = 0.15;

/** A stretch of time, why, and whose samples are worth a look. */
export interface WorthALook extends LookedAt {
  readonly why: FindingRule | 'middle';
  readonly gpus: ReadonlySet<string>;
}

/**
 * Where samples are worth a look: the middle of the job, where its steps show, and the begin of what was found at some time. None of
 * a job that is drawn by its samples.
 */
export function worthALook(figures: JobFigures): WorthALook[] {
  const { startUs, endUs, boundaryUs, findings, devices, timeline } = figures;
  const drawnUs = timeline?.bands[0]?.steps.stepUs;
  if (drawnUs === undefined || boundaryUs <= 0 || drawnUs <= boundaryUs) return [];
  const lengthUs = TICKS_MAX * boundaryUs;
  const outliers = timeline?.heatMap?.outliers.flatMap(({ gpu }) => gpu ?? []) ?? [];
  const gpusFirst = (own: readonly string[]): Set<string> =>
    new Set([...own, ...outliers, ...devices.map(({ gpu }) => gpu)].slice(0, DEVICES_MAX));
  const middleUs = startUs + (endUs - startUs) / 2;
  const middle: WorthALook = {
    ...{ why: 'middle', gpus: gpusFirst([]) },
    ...{ fromUs: middleUs - lengthUs / 2, toUs: middleUs + lengthUs / 2 },
  };
  const found = findings
    .filter(({ fromUs, toUs }) => fromUs > startUs || toUs < endUs)
    .map(({ rule, fromUs, toUs, gpus }): WorthALook => ({
      ...around(fromUs, toUs, lengthUs),
      why: rule,
      gpus: gpusFirst(gpus.slice(0, DEVICES_MAX - 1)),
    }));
  const chosen: WorthALook[] = [];
  for (const one of [middle, ...found]) {
    const look = { ...one, fromUs: Math.max(startUs, one.fromUs), toUs: Math.min(endUs, one.toUs) };
    if (chosen.length < LOOKS_MAX && common(chosen, [look]).length === 0) chosen.push(look);
  }
  return chosen;
}

/** The whole of it with what is before and after where that is short, else its begin. */
function around(fromUs: number, toUs: number, lengthUs: number): LookedAt {
  const asideUs = Math.max(AROUND_RATIO * (toUs - fromUs), lengthUs * AROUND_RATIO);
  const whole = { fromUs: fromUs - asideUs, toUs: toUs + asideUs };
  return whole.toUs - whole.fromUs <= lengthUs
    ? whole
    : { fromUs: fromUs - lengthUs / 2, toUs: fromUs + lengthUs / 2 };
}
