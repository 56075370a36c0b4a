import type { FindingLimits } from '../../core/analysis/finding-limits.ts';

/** Time at the end of a job, (fromUs, untilUs], in which no device was active as far as anybody knows. Epoch µs. */
export interface Tail {
  readonly fromUs: number;
  readonly untilUs: number;
}

/** What decides how long a tail is. */
interface TailFacts {
  readonly all: { readonly lastActiveUs: number | undefined };
  readonly devices: readonly {
    /** When the job last had it. */
    readonly endUs: number;
    readonly lastSampleUs: number | undefined;
  }[];
  readonly startUs: number;
  readonly endUs: number;
  readonly boundaryUs: number;
}

/** Up to where the devices were seen. Undefined where it is too short to be told of: whether it was seen at all is another question. */
export function possibleTail(
  { all, devices, startUs, endUs, boundaryUs }: TailFacts,
  { idleTailMs, idleTailRatio }: Pick<FindingLimits, 'idleTailMs' | 'idleTailRatio'>,
): Tail | undefined {
  const fromUs = all.lastActiveUs;
  if (fromUs === undefined) return undefined;
  const untilUs = devices
    .filter((device) => device.endUs > fromUs)
    .reduce((us, { lastSampleUs, endUs: heldUntilUs }) => {
      const isSeenToTheEnd = lastSampleUs === undefined || lastSampleUs >= heldUntilUs - boundaryUs;
      return isSeenToTheEnd ? us : Math.min(us, lastSampleUs);
    }, endUs);
  const lengthUs = untilUs - fromUs;
  const isLong = lengthUs >= idleTailMs * 1000 && lengthUs >= idleTailRatio * (endUs - startUs);
  return isLong ? { fromUs, untilUs } : undefined;
}
