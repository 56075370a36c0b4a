import type { Gap } from '../figures.ts';
import type { JobInterval } from '../facts.ts';

/** Two equal stamps of one device are set a microsecond apart, so a hole of that length is none. */
export const HOLE_US_MAX = 10;

/** Time of a device, from one moment to another: the samples in it speak for all of it. Epoch µs. */
export interface Spoken {
  readonly gpu: string;
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * Owned time for which no sample speaks, in order of time. Before the first and after the last sample of an interval
 * up to one lane interval is no gap but the boundary's ±.
 */
export function gapsBetween(
  spoken: readonly Spoken[],
  intervals: readonly JobInterval[],
  intervalUs: number,
): Gap[] {
  const spokenOf = Map.groupBy(spoken, ({ gpu }) => gpu);
  const sorted = new Map(
    [...spokenOf].map(([gpu, own]) => [gpu, own.toSorted((a, b) => a.fromUs - b.fromUs)]),
  );
  const gaps = intervals.flatMap(({ gpu, startUs, endUs }) => {
    const own: Gap[] = [];
    let atUs = startUs;
    const add = (toUs: number, isEdge: boolean): void => {
      if (toUs - atUs > (isEdge ? intervalUs : HOLE_US_MAX)) own.push({ gpu, fromUs: atUs, toUs });
    };
    for (const { fromUs, toUs } of sorted.get(gpu) ?? []) {
      if (toUs <= startUs || fromUs >= endUs) continue;
      if (fromUs > atUs) add(fromUs, atUs === startUs);
      atUs = Math.max(atUs, Math.min(toUs, endUs));
    }
    if (atUs < endUs) add(endUs, true);
    return own;
  });
  return gaps.sort((a, b) => a.fromUs - b.fromUs);
}
