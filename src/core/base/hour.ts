/** Also the length of a bucket of the hour rollup. */
export const HOUR_US = 3_600e6;
