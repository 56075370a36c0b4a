import { isOwned, type TimesRow } from '../../../figures/capacity/figures.ts';

export interface TimePart {
  readonly kind: 'used' | 'rest' | 'idle' | 'unknown';
  readonly us: number;
}

/** They add up to the row's time: of what is known of a part of it only the rest is not known. */
export function timeParts({ kind, attributedUs, wasted, idle, smActive }: TimesRow): TimePart[] {
  if (!isOwned(kind) || wasted === undefined || smActive === undefined)
    return [{ kind: 'unknown', us: attributedUs }];
  // Another table than that of the time may tell what was done, and may know of more.
  const scale = Math.min(1, attributedUs / smActive.knownUs);
  const usedUs = Math.max(0, smActive.knownUs - wasted.value) * scale;
  const idleUs = Math.min(wasted.value, idle?.value ?? 0) * scale;
  const parts: TimePart[] = [
    { kind: 'used', us: usedUs },
    { kind: 'rest', us: Math.max(0, wasted.value * scale - idleUs) },
    { kind: 'idle', us: idleUs },
    { kind: 'unknown', us: Math.max(0, attributedUs - smActive.knownUs) },
  ];
  return parts.filter(({ us }) => us > 0);
}
