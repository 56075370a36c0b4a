import { OperatingError } from '../core/base/errors.ts';

/** Below this not even an engine at hand can be asked and its rows be stored. */
const DEADLINE_MS_MIN = 1_000;

/** @throws OperatingError `drain.deadline` (exit 78) */
export function requireDeadline(deadlineMs: number): void {
  if (deadlineMs >= DEADLINE_MS_MIN) return;
  throw new OperatingError(`a deadline of ${deadlineMs} ms is shorter than one round trip may take`, {
    code: 'drain.deadline',
    exit: 'config',
    hints: ['give it at least 1s; what is not reached by then is fetched by the next drain'],
  });
}
