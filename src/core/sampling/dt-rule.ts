/**
 * What time a sample speaks for, and how much energy (DESIGN §1). The ring, the rows of a drain, the join of series and
 * the gaps that are told all ask here, so that they cannot answer differently.
 */

/** A step of more intervals than this between two samples of a device is a gap. */
const GAP_INTERVALS = 2.5;

/** The longest step that is no gap, µs. */
export function gapLimitUs(intervalUs: number): number {
  return GAP_INTERVALS * intervalUs;
}

/** Whether a step of `stepUs` between two samples is a gap. NaN, a step from no sample, is none. */
export function isGap(stepUs: number, intervalUs: number): boolean {
  return stepUs > gapLimitUs(intervalUs);
}

/** The dt of a sample `stepUs` after the one before it, µs: 0 after a gap, after a clock that was set back, and after NaN. */
export function dtOf(stepUs: number, intervalUs: number): number {
  return stepUs > 0 && stepUs <= gapLimitUs(intervalUs) ? stepUs : 0;
}

/** The stamp of a sample, µs, moved by 1 when it is that of the sample before: one row would overwrite the other. */
export function stampAfter(lastUs: number, tsUs: number): number {
  return tsUs === lastUs ? lastUs + 1 : tsUs;
}

/**
 * The rise of a counter from its last known reading to this one, in its unit. NaN, which is unknown, when either is, and when
 * the rise is negative (the counter was reset: it goes on from this reading) or infinite (no counter reads so).
 */
export function riseOf(lastReading: number, reading: number): number {
  const rise = reading - lastReading;
  return rise >= 0 && rise < Infinity ? rise : NaN;
}

/**
 * The time that a rise speaks for, µs: `spanUs` between the two readings, 0 when it is not known (the clock was set). A rise
 * that leads over a gap speaks for time that nobody saw: on the row after the gap, whose dt is 0, it bears its span; a later
 * row, the first with a reading again, has a dt, so that its rise must not pass for energy of seen time: 0.
 * @param seenUs Σ dt of the rows since the last reading, this one included
 */
export function riseDtOf(spanUs: number, seenUs: number, dtUs: number): number {
  return spanUs > 0 && (dtUs === 0 || spanUs === seenUs) ? spanUs : 0;
}
