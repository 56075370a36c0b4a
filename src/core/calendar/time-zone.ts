/** Names of time zones, as the tz database of IANA has them and this Node.js knows them. */

const UTC = 'UTC';

/** Those that a site may have written when it meant another; UTC first. */
export function timeZones(): readonly string[] {
  return [UTC, ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== UTC)];
}

/** Whether there is such a zone; an offset (`+02:00`) is none, since it knows of no summer. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (thrown) {
    if (thrown instanceof RangeError) return false;
    throw thrown;
  }
}
