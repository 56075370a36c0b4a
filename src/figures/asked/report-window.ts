import { parseDurationMs } from '../../../schemas/duration.ts';
import { isoTimeUs } from '../../../schemas/iso-time.ts';
import { OperatingError } from '../../core/base/errors.ts';

/** What says which time a report is about: flags of the command line, parameters of an address. */
export interface WindowFlags {
  readonly since?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface ReportWindow {
  readonly fromUs: number;
  readonly toUs: number;
}

/** How somebody writes the name of one of them. */
type Named = (name: string) => string;
const asFlag: Named = (name) => `--${name}`;

const SINCE_DEFAULT = '7d';

/**
 * `since D` looks D back from `to` (default: now); `from` gives the beginning itself. What is not over yet ends now. Nothing is of
 * before 1970, and the store has no names for years that are long ago: from 1970 on at the earliest.
 * @throws OperatingError `report.window` (exit `usage`)
 */
export function reportWindow(
  { since, from, to }: WindowFlags,
  nowUs: number,
  named: Named = asFlag,
): ReportWindow {
  if (since !== undefined && from !== undefined)
    throw new OperatingError(`expected ${named('since')} or ${named('from')}, came both`, {
      code: 'report.window',
      exit: 'usage',
      hints: [`${named('since')} looks back from ${named('to')}, or from now`],
    });
  const toUs = to === undefined ? nowUs : Math.min(nowUs, parseTimeUs(named('to'), to));
  const askedUs =
    from === undefined
      ? toUs - parseSinceMs(since ?? SINCE_DEFAULT, named) * 1000
      : parseTimeUs(named('from'), from);
  const fromUs = Math.max(0, askedUs);
  if (fromUs < toUs) return { fromUs, toUs };
  const end = to === undefined ? 'now' : to;
  throw new OperatingError(
    `expected a window that begins before it ends, came ${from === undefined ? `${named('since')} ${since ?? ''}` : `${named('from')} ${from}`} to ${end}`,
    {
      code: 'report.window',
      exit: 'usage',
      hints: [
        'what is not over yet ends now, nothing is of before 1970, and times are UTC',
        `the last week: ${named('since')} 7d`,
      ],
    },
  );
}

function parseSinceMs(text: string, named: Named): number {
  try {
    return parseDurationMs(text);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    throw new OperatingError(`${named('since')}: ${thrown.message}`, {
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
