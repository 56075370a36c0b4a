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

/**
 * What one owner has of a device whose owners have these shares, its own among them: what it was told, as long as the device
 * has so much; where nobody told (NaN), as much as every other of those gets out of what is left.
 */
export function partOf(share: number, shares: readonly number[]): number {
  let [left, untold] = [1, 0];
  for (const one of shares) {
    if (Number.isNaN(one)) untold += 1;
    else left -= one;
  }
  if (Number.isNaN(share)) return left > 0 ? left / untold : 0;
  return left < 0 ? share / (1 - left) : share;
}

/** Owned time × part within (fromUs, toUs]. */
export function attributedOwnedUs(
  own: Pick<Stay, 'job' | 'share'>,
  all: readonly Pick<Stay, 'job' | 'share'>[],
  fromUs: number,
  toUs: number,
): number {
  const startUs = Math.max(own.job.startUs, fromUs);
  const endUs = Math.min(own.job.endUs, toUs);
  if (endUs <= startUs) return 0;
  const edges = all.flatMap(({ job }) => [job.startUs, job.endUs]).filter((us) => us > startUs && us < endUs);
  const cuts = [...new Set([startUs, ...edges, endUs])].sort((a, b) => a - b);
  let ownedUs = 0;
  for (let i = 1; i < cuts.length; i += 1) {
    const shares = all.filter(({ job }) => isOwnedBy(job, cuts[i]!)).map(({ share }) => share);
    ownedUs += (cuts[i]! - cuts[i - 1]!) * partOf(own.share, shares);
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
    energyDtUs: total((part) => part.energyDtUs),
    powerJoules: knownTotal((part) => part.powerJoules),
    smActiveDt: total((part) => part.smActiveDt),
    smKnownDtUs: total((part) => part.smKnownDtUs),
  };
}
