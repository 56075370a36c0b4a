/**
 * What one reading of a field came to. Only `value` becomes a number in a table; the others become NULL and, where they
 * begin or end, a row in `gpu_events` (DESIGN §4).
 */
export const sampleState = {
  value: 0,
  /** The source answered, without a number and without a reason. */
  blank: 1,
  notFound: 2,
  notSupported: 3,
  notPermitted: 4,
  /** There is no sample: never watched, nothing since the last one, or the device did not answer. */
  missing: 5,
} as const;

export type SampleState = (typeof sampleState)[keyof typeof sampleState];

/** For people, by state. */
export const SAMPLE_STATE_TEXT: readonly string[] = [
  'a value',
  'blank',
  'not found',
  'not supported',
  'not permitted',
  'no sample',
];
