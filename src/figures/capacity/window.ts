import { OperatingError } from '../../core/base/errors.ts';
import { roundedOutward, type KeptLane, type Span } from '../levels.ts';
import { isoMicroseconds } from '../sql-text.ts';
import type { CapacityPeriod } from './figures.ts';

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

/** Rows by the hour are too many of a longer one. */
const HOURS_WINDOW_US_MAX = 62 * 86_400e6;

/** @throws OperatingError `report.window` (exit `usage`) when it is empty, or has no hours to be told apart. */
export function capacityWindow(
  kept: readonly KeptLane[],
  askedFromUs: number,
  askedToUs: number,
  period: CapacityPeriod | undefined,
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
  if (period === 'hour' && askedToUs - askedFromUs > HOURS_WINDOW_US_MAX)
    throw new OperatingError(
      `expected a window of ${HOURS_WINDOW_US_MAX / 86_400e6} days at most by the hour, came ${isoMicroseconds(askedFromUs)} to ${isoMicroseconds(askedToUs)}`,
      { code: 'report.window', exit: 'usage', hints: ['a shorter one, or --by day'] },
    );
  const finest = askedToUs - askedFromUs > MINUTES_WINDOW_US_MAX ? '1h' : '1m';
  const { fromUs, toUs, roundedTo } = roundedOutward(kept, { fromUs: askedFromUs, toUs: askedToUs }, finest);
  if (period === 'hour' && roundedTo === '1d')
    throw new OperatingError(
      `expected hours of ${isoMicroseconds(askedFromUs)} to ${isoMicroseconds(askedToUs)}, but they have aged out: days are left`,
      { code: 'report.window', exit: 'usage', hints: ['a later window, or --by day'] },
    );
  return {
    askedFromUs,
    askedToUs,
    fromUs,
    toUs,
    roundedTo: ROUNDINGS[roundedTo],
    isAged: roundedTo !== finest,
  };
}
