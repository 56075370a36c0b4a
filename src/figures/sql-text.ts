/** Timestamp literal with microseconds, UTC. @param us epoch microseconds. */
export function quoteTime(us: number): string {
  return `'${isoMicroseconds(us)}'`;
}

/** `2026-11-21T09:02:11.000250Z`. @param us epoch microseconds. */
export function isoMicroseconds(us: number): string {
  const ms = Math.floor(us / 1000);
  const rest = String(Math.round(us - ms * 1000)).padStart(3, '0');
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`;
}
