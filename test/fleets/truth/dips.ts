import { MIN, S } from '../draw/fleet.ts';
import type { Picked } from './job.ts';
import { Sum } from './ledger.ts';
import { bucketAt } from './left.ts';

/** A regular fall of the SM activity of all of a job's devices together. */
export interface DipsTruth {
  readonly count: number;
  readonly floorRatio: number;
  readonly lengthUs: number;
  readonly periodUs: number;
  readonly timeRatio: number;
}

/** A job is looked at in so many steps at most. */
const STEPS_MAX = 4096;
/** A dip lies below this part of the usual activity, which must be at least so much. */
const [BELOW, USUAL_MIN] = [0.3, 0.2];
/** Of the time at most this part lies in dips, and of those that the period promises at least this part is there. */
const [TIME_MAX, THERE_MIN] = [0.25, 0.5];
/** Distances are even that differ from the usual one by no more than this part. */
const UNEVEN_MAX = 0.2;

/** Σ x·dt and Σ dt of one step. */
interface Step {
  readonly number: number;
  readonly sum: Sum;
  readonly dt: Sum;
}

interface Time {
  readonly startUs: number;
  readonly endUs: number;
  /** The longest of the lanes with the activity. */
  readonly intervalUs: number;
  /** Samples have aged out: it is looked at by whole minutes, if those are left. */
  readonly isAged: boolean;
}

/** @param picked rows of the lanes with the activity */
export function dipsTruth(picked: readonly Picked[], time: Time): DipsTruth | undefined {
  const { startUs, endUs, intervalUs, isAged } = time;
  const stepOf = (us: number): number => us * Math.max(1, Math.ceil((endUs - startUs) / STEPS_MAX / us));
  const isByMinutes = isAged || stepOf(intervalUs) >= MIN;
  const stepUs = stepOf(isByMinutes ? minutesOf(intervalUs) * MIN : intervalUs);
  const steps = new Map<number, Step>();
  for (const { rows, at, left } of picked) {
    const values = rows.values.get('sm_active_ratio');
    for (const row of at) {
      const [us, x] = [rows.tsUs[row]!, values?.[row] ?? NaN];
      const bucket = bucketAt(us, left, 'sums');
      if (bucket !== undefined && bucket.toUs - bucket.fromUs > stepUs) return undefined;
      if (Number.isNaN(x)) continue;
      const number = Math.floor(isByMinutes ? us / stepUs : (us - startUs - 1) / stepUs);
      const step = steps.get(number) ?? { number, sum: new Sum(), dt: new Sum() };
      steps.set(number, step);
      step.sum.add(x * rows.dtUs[row]!);
      step.dt.add(rows.dtUs[row]!);
    }
  }
  const known = [...steps.values()].filter(({ dt }) => dt.value > 0).sort((a, b) => a.number - b.number);
  return known.length < 4 ? undefined : rhythmOf(known, stepUs);
}

/** Whole minutes that are no shorter than the interval, which may be three seconds more: samples come late. */
function minutesOf(intervalUs: number): number {
  let minutes = 1;
  while (intervalUs > minutes * MIN + 3 * S) minutes += 1;
  return minutes;
}

function rhythmOf(steps: readonly Step[], stepUs: number): DipsTruth | undefined {
  const usual = middle(steps.map(ratioOf));
  if (usual < USUAL_MIN) return undefined;
  const low = steps.filter((step) => ratioOf(step) < BELOW * usual);
  const [first, last] = [steps[0]!.number, steps.at(-1)!.number];
  const dips: Step[][] = [];
  for (const step of low)
    if (dips.at(-1)?.at(-1)?.number === step.number - 1) dips.at(-1)!.push(step);
    else dips.push([step]);
  // What begins or ends with the job is its beginning and its end.
  const within = dips.filter((dip) => dip[0]!.number > first && dip.at(-1)!.number < last);
  if (within.length < 2) return undefined;
  const begins = within.map((dip) => dip[0]!.number - first);
  const between = begins.slice(1).map((begin, at) => begin - begins[at]!);
  // Twice is a rhythm where the first came as long after the start as the second after the first.
  const distances = within.length === 2 ? [begins[0]!, ...between] : between;
  const period = middle(distances);
  const isEven = distances.every((one) => Math.abs(one - period) <= Math.max(1, UNEVEN_MAX * period));
  if (!isEven || within.length < (THERE_MIN * (last - first)) / period) return undefined;
  const dtOf = (some: readonly Step[]): number => some.reduce((us, { dt }) => us + dt.value, 0);
  const inside = within.flat();
  const timeRatio = dtOf(inside) / dtOf(steps);
  if (timeRatio > TIME_MAX) return undefined;
  return {
    count: within.length,
    floorRatio: inside.reduce((sum, step) => sum + step.sum.value, 0) / dtOf(inside),
    lengthUs: middle(within.map(({ length }) => length)) * stepUs,
    periodUs: period * stepUs,
    timeRatio,
  };
}

function ratioOf({ sum, dt }: Step): number {
  return sum.value / dt.value;
}

/** Of two in the middle the smaller one. */
function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length / 2) - 1]!;
}
