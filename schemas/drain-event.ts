import * as z from 'zod';
import { OperatingError } from '../src/core/base/errors.ts';
import { parseDurationMs } from './duration.ts';

/** What an event may ask of the handler; every key has the meaning of the command line's option. */
export interface DrainEvent {
  readonly engines?: readonly string[] | undefined;
  readonly keepMs?: number | undefined;
  readonly sinceMs?: number | undefined;
  readonly windowMs?: number | undefined;
  readonly deadlineMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly isDryRun?: boolean | undefined;
  readonly journals?: string | undefined;
}

const duration = z.string().transform((text, context) => {
  try {
    return parseDurationMs(text);
  } catch (thrown) {
    context.addIssue({ code: 'custom', message: thrown instanceof Error ? thrown.message : String(thrown) });
    return z.NEVER;
  }
});

/** An address has some tens of characters, a fleet some thousands of engines. */
const ENGINE_LENGTH_MAX = 512;
const ENGINES_MAX = 10_000;
/** The first ones say what is wrong; a list of thousands says it a thousand times. */
const PROBLEMS_MAX = 5;
const PROBLEM_LENGTH_MAX = 200;

const eventSchema = z.strictObject({
  engines: z.array(z.string().min(1).max(ENGINE_LENGTH_MAX)).min(1).max(ENGINES_MAX).optional(),
  keep: duration.optional(),
  since: duration.optional(),
  window: duration.optional(),
  deadline: duration.optional(),
  concurrency: z.int().min(1).optional(),
  dry_run: z.boolean().optional(),
  journal: z.string().min(1).optional(),
});

/**
 * Reads an event. Nothing (undefined, null, an empty object) asks for what the environment says; a schedule's event
 * (with `detail-type`, as EventBridge sends it) is read from its `detail`.
 * @throws OperatingError `drain.event` (exit 64) naming every key that is wrong
 */
export function parseDrainEvent(event: unknown): DrainEvent {
  const parsed = eventSchema.safeParse(bodyOf(event));
  if (!parsed.success) {
    const { issues } = parsed.error;
    const problems = issues.slice(0, PROBLEMS_MAX).map(({ path, message }) => {
      const text = path.length === 0 ? message : `${path.join('.')}: ${message}`;
      return text.length > PROBLEM_LENGTH_MAX ? `${text.slice(0, PROBLEM_LENGTH_MAX)}…` : text;
    });
    if (issues.length > PROBLEMS_MAX) problems.push(`and ${issues.length - PROBLEMS_MAX} more`);
    throw new OperatingError(`the event is not as expected: ${problems.join('; ')}`, {
      code: 'drain.event',
      exit: 'usage',
      hints: [`keys: ${Object.keys(eventSchema.shape).join(', ')}; durations like "10m"`],
    });
  }
  const { engines, keep, since, window, deadline, concurrency, dry_run: isDryRun, journal } = parsed.data;
  return {
    engines,
    keepMs: keep,
    sinceMs: since,
    windowMs: window,
    deadlineMs: deadline,
    concurrency,
    isDryRun,
    journals: journal,
  };
}

/** A schedule wraps once: what is wrapped again, or holds itself, is none. */
function bodyOf(event: unknown): unknown {
  const isWrapped = typeof event === 'object' && event !== null && 'detail-type' in event;
  const body = isWrapped && 'detail' in event ? event.detail : isWrapped ? {} : event;
  return body ?? {};
}
