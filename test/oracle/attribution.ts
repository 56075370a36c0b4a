import type { ScenarioJob } from '../../src/core/synthetic/scenario.ts';
import { createSum, type DeviceRows } from './truth-rows.ts';
import type { Attributed } from './truth.ts';

/** One job run's stay on one device, with the rows that belong to it. */
export interface Stay {
  readonly job: ScenarioJob;
  readonly device: number;
  readonly share: number;
  /** Positions of the rows with start < ts ≤ end. */
  readonly at: readonly number[];
  readonly attributed: Attributed;
}

/** One device over the whole window. */
export interface DeviceLedger {
  readonly rows: DeviceRows;
  /** Number of owners of each row. */
  readonly owners: readonly number[];
  readonly stays: readonly Stay[];
}

/** A sample belongs whole to every job with start < ts ≤ end. */
export function isOwnedBy(job: ScenarioJob, tsUs: number): boolean {
  return job.startUs < tsUs && tsUs <= job.endUs;
}

/** Owned time × share within (fromUs, toUs]; an unknown share is one part of as many as there are owners. */
export function attributedOwnedUs(
  own: Pick<Stay, 'job' | 'share'>,
  all: readonly Pick<Stay, 'job' | 'share'>[],
  fromUs: number,
  toUs: number,
): number {
  const startUs = Math.max(own.job.startUs, fromUs);
  const endUs = Math.min(own.job.endUs, toUs);
  if (endUs <= startUs) return 0;
  if (!Number.isNaN(own.share)) return (endUs - startUs) * own.share;
  const edges = all.flatMap(({ job }) => [job.startUs, job.endUs]).filter((us) => us > startUs && us < endUs);
  const cuts = [...new Set([startUs, ...edges, endUs])].sort((a, b) => a - b);
  let ownedUs = 0;
  for (let i = 1; i < cuts.length; i += 1) {
    const owners = all.filter(({ job }) => isOwnedBy(job, cuts[i]!)).length;
    ownedUs += (cuts[i]! - cuts[i - 1]!) / owners;
  }
  return ownedUs;
}

/** Sums attributed figures; what is unknown everywhere stays unknown. */
export function sumAttributed(parts: readonly Attributed[]): Attributed {
  const total = (pick: (part: Attributed) => number): number => {
    const sum = createSum();
    for (const part of parts) sum.add(pick(part));
    return sum.value();
  };
  const knownTotal = (pick: (part: Attributed) => number): number =>
    parts.some((part) => !Number.isNaN(pick(part)))
      ? total((part) => (Number.isNaN(pick(part)) ? 0 : pick(part)))
      : NaN;
  return {
    dtUs: total((part) => part.dtUs),
    ownedUs: total((part) => part.ownedUs),
    idleDtUs: total((part) => part.idleDtUs),
    energyJoules: knownTotal((part) => part.energyJoules),
    powerJoules: knownTotal((part) => part.powerJoules),
    smActiveDt: total((part) => part.smActiveDt),
    smKnownDtUs: total((part) => part.smKnownDtUs),
  };
}
