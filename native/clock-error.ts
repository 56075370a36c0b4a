import koffi from 'koffi';

/** struct timex of <sys/timex.h>, on 64-bit Linux. */
const TIMEX_BYTES = 208;
const MAXERROR_AT = 24;

/**
 * How far the wall clock may be from true time, as the kernel knows by whoever sets it, µs; 16 s and more once nobody does. Asks only.
 * @returns undefined where the kernel does not tell (a sandbox may forbid the call)
 */
export function readClockErrorUs(): number | undefined {
  const adjtimex = koffi.load(null).func('int adjtimex(void *state)') as (state: Buffer) => number;
  const state = Buffer.alloc(TIMEX_BYTES);
  // With no mode set it changes nothing.
  return adjtimex(state) < 0 ? undefined : Number(state.readBigInt64LE(MAXERROR_AT));
}
