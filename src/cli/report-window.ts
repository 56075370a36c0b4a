import { parseDurationMs } from '../../schemas/duration.ts';
import { isoTimeUs } from '../../schemas/iso-time.ts';
import { OperatingError } from '../core/base/errors.ts';

/** The flags that say which time a report is about. */
export interface WindowFlags {
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface ReportWindow {
  readonly fromUs: number;
  readonly toUs: number;
}

const SINCE_DEFAULT = '7d';

/**
 * `--since D` looks D back from `--to` (default: now); `--from` gives the beginning itself. What is not over yet ends now. Nothing is of
 * before 1970, and the store has no names for years that are long ago: from 1970 on at the earliest.
 * @throws OperatingError `report.window` (exit `usage`)
 */
export function reportWindow({ since, from, to }: WindowFlags, nowUs: number): ReportWindow {
  if (since !== undefined && from !== undefined)
    throw new OperatingError('expected --since or --from, came both', {
      code: 'report.window',
      exit: 'usage',
      hints: ['--since looks back from --to, or from now'],
    });
  const toUs = to === undefined ? nowUs : Math.min(nowUs, parseTimeUs('--to', to));
  const askedUs =
    from === undefined ? toUs - parseSinceMs(since ?? SINCE_DEFAULT) * 1000 : parseTimeUs('--from', from);
  const fromUs = Math.max(0, askedUs);
  if (fromUs < toUs) return { fromUs, toUs };
  const end = to === undefined ? 'now' : to;
  throw new OperatingError(
    `expected a window that begins before it ends, came ${from === undefined ? `--since ${since ?? ''}` : `--from ${from}`} to ${end}`,
    {
      code: 'report.window',
      exit: 'usage',
      hints: ['what is not over yet ends now, and times are UTC', 'the last week: --since 7d'],
    },
  );
}

function parseSinceMs(text: string): number {
  try {
    return parseDurationMs(text);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    throw new OperatingError(`--since: ${thrown.message}`, {
      code: 'report.window',
      exit: 'usage',
      hints: thrown.hints,
      cause: thrown,
    });
  }
}

/**
 * Epoch µs of an ISO date or time; without a zone it is UTC, like everything else here.
 * @throws OperatingError `report.window` (exit `usage`)
 */
export function parseTimeUs(flag: string, text: string): number {
  const us = isoTimeUs(text);
  if (us === undefined)
    throw new OperatingError(`${flag}: expected an ISO date or time in UTC that there is, came "${text}"`, {
      code: 'report.window',
      exit: 'usage',
      hints: [`write it like ${flag} 2026-11-21 or ${flag} 2026-11-21T09:00:00Z`],
    });
  return us;
}
