/** So near to the one before, an event is of the same incident: one fault is told many times, and tests of rates take them one by one. */
export const SAME_INCIDENT_US_MAX = 15 * 60e6;

/** Events from one to another moment, epoch µs. */
export interface Happening {
  readonly fromUs: number;
  readonly toUs: number;
}

/** What happened, put together where it is one: events of which each came soon after the one before. Oldest first. */
export function incidentsOf<T extends Happening>(events: readonly T[]): T[][] {
  const incidents: T[][] = [];
  let lastUs = -Infinity;
  for (const event of events.toSorted((a, b) => a.fromUs - b.fromUs)) {
    if (event.fromUs - lastUs <= SAME_INCIDENT_US_MAX) incidents.at(-1)!.push(event);
    else incidents.push([event]);
    lastUs = Math.max(lastUs, event.toUs);
  }
  return incidents;
}
