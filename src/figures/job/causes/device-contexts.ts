import type { DeviceContext } from '../../../core/analysis/causes.ts';
import type { ContextSpan, Span } from '../../../core/analysis/contexts.ts';
import { common, joined, without } from '../../spans.ts';

/** A shorter rest of one device alone is one of the gaps between its kernels. */
export const DEVICE_IDLE_US_MIN = 60e6;

/** What is known of one device beside what its job did. Spans are of samples, and ascending. */
export interface DeviceStory {
  /** Its engine never ran while those of others did. */
  readonly isUnused: boolean;
  /** Its engine did not run for a minute or longer. */
  readonly idle: readonly Span[];
  /** Its clocks were held down. */
  readonly throttled: readonly Span[];
}

/**
 * In which context each sample of a device lies: what all devices did comes first.
 * @param contexts of the job
 * @param window the job's time
 * @returns without overlaps, all of the window; contexts without time are left out
 */
export function deviceContexts(
  contexts: readonly ContextSpan[],
  window: Span,
  { isUnused, idle, throttled }: DeviceStory,
): Map<DeviceContext, readonly Span[]> {
  if (isUnused) return new Map([['deviceIdle', [window]]]);
  const found = new Map<DeviceContext, readonly Span[]>();
  let left: readonly Span[] = [window];
  const take = (context: DeviceContext, spans: readonly Span[]): void => {
    const own = common(left, joined(spans));
    if (own.length === 0) return;
    found.set(context, own);
    left = without(left, own);
  };
  for (const context of ['head', 'tail', 'pause', 'hang'] as const) take(context, of(context));
  take(
    'deviceIdle',
    common(left, idle).filter(({ fromUs, toUs }) => toUs - fromUs >= DEVICE_IDLE_US_MIN),
  );
  take('throttled', throttled);
  take('low', of('low'));
  take('work', left);
  return found;

  function of(wanted: DeviceContext): Span[] {
    return contexts.filter(({ context }) => context === wanted);
  }
}
