const DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z?)?$/;

/**
 * Epoch µs of an ISO date or time; without a zone it is UTC, like everything else here.
 * @returns undefined for any other text, and for a day or time that there is not
 */
export function isoTimeUs(text: string): number | undefined {
  const [fraction = '', digits = ''] = /\.(\d+)/.exec(text) ?? [];
  const whole = text.replace(fraction, '');
  const ms = DATE.test(text)
    ? Date.parse(text.length === 10 || text.endsWith('Z') ? whole : `${whole}Z`)
    : NaN;
  return isThere(ms, text) ? ms * 1000 + Number(digits.padEnd(6, '0')) : undefined;
}

/** Of 30 February, and of 24:00, `Date` makes another day. */
function isThere(ms: number, text: string): boolean {
  const [moment] = /^[\dT:-]+/.exec(text) ?? [''];
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(moment);
}
