import { parseDurationMs } from '../../schemas/duration.ts';
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
const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z?)?$/;

/**
 * `--since D` looks D back from `--to` (default: now); `--from` gives the beginning itself. What is not over yet ends now.
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
  if (from !== undefined) return { fromUs: parseTimeUs('--from', from), toUs };
  return { fromUs: toUs - parseSinceMs(since ?? SINCE_DEFAULT) * 1000, toUs };
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
  const [fraction = '', digits = ''] = /\.(\d+)/.exec(text) ?? [];
  const whole = text.replace(fraction, '');
  const ms = DATE.test(text)
    ? Date.parse(text.length === 10 || text.endsWith('Z') ? whole : `${whole}Z`)
    : NaN;
  if (!isThere(ms, text))
    throw new OperatingError(`${flag}: expected an ISO date or time in UTC that there is, came "${text}"`, {
      code: 'report.window',
      exit: 'usage',
      hints: [`write it like ${flag} 2026-11-21 or ${flag} 2026-11-21T09:00:00Z`],
    });
  return ms * 1000 + Number(digits.padEnd(6, '0'));
}

/** Of 30 February, and of 24:00, `Date` makes another day. */
function isThere(ms: number, text: string): boolean {
  const [moment] = /^[\dT:-]+/.exec(text) ?? [''];
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(moment);
}
