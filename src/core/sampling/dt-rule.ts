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
 * The rise of an energy counter over the dt of a sample, joules. NaN, which is unknown, when dt is 0, when either reading is
 * blank, and when the rise is negative (the counter was reset) or infinite (no counter reads so).
 */
export function energyRiseOf(lastJoules: number, joules: number, dtUs: number): number {
  const rise = joules - lastJoules;
  return dtUs > 0 && rise >= 0 && rise < Infinity ? rise : NaN;
}
