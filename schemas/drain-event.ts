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

const eventSchema = z.strictObject({
  engines: z.array(z.string().min(1)).min(1).optional(),
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
    const problems = parsed.error.issues.map(({ path, message }) =>
      path.length === 0 ? message : `${path.join('.')}: ${message}`,
    );
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

function bodyOf(event: unknown): unknown {
  if (event === undefined || event === null) return {};
  if (typeof event === 'object' && 'detail-type' in event)
    return bodyOf('detail' in event ? event.detail : {});
  return event;
}
