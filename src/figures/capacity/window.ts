import { OperatingError } from '../../core/base/errors.ts';
import { roundedOutward, type KeptLane, type Span } from '../levels.ts';
import { isoMicroseconds } from '../sql-text.ts';

/** Longer windows are in whole hours: a week of minutes of a thousand GPUs has ten million rows. */
const MINUTES_WINDOW_US_MAX = 48 * 3600e6;

/** A window in whole minutes, hours or days, outward from the one that was asked for. */
export interface CapacityWindow extends Span {
  readonly askedFromUs: number;
  readonly askedToUs: number;
  readonly roundedTo: 'minute' | 'hour' | 'day';
  /** Minutes, or hours, have aged out at one of its ends, so that it is in longer buckets than its length asks for. */
  readonly isAged: boolean;
}

const ROUNDINGS = { raw: 'minute', '1m': 'minute', '1h': 'hour', '1d': 'day' } as const;

/** @throws OperatingError `report.window` (exit `usage`) when it is empty. */
export function capacityWindow(
  kept: readonly KeptLane[],
  askedFromUs: number,
  askedToUs: number,
): CapacityWindow {
  if (!(askedFromUs < askedToUs))
    throw new OperatingError(
      `expected a window that begins before it ends, came ${isoMicroseconds(askedFromUs)} to ${isoMicroseconds(askedToUs)}`,
      {
        code: 'report.window',
        exit: 'usage',
        hints: ['--since 7d, or --from 2026-11-14 --to 2026-11-21 (UTC)'],
      },
    );
  const finest = askedToUs - askedFromUs > MINUTES_WINDOW_US_MAX ? '1h' : '1m';
  const { fromUs, toUs, roundedTo } = roundedOutward(kept, { fromUs: askedFromUs, toUs: askedToUs }, finest);
  return {
    askedFromUs,
    askedToUs,
    fromUs,
    toUs,
    roundedTo: ROUNDINGS[roundedTo],
    isAged: roundedTo !== finest,
  };
}
