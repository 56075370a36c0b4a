/**
 * The kernel's own files of a cgroup, as text. Counters go up while the cgroup is there. What is missing, malformed or too large to be exact
 * is undefined, and never 0.
 */

/** A number of more digits may not be exact. */
const NUMBER = /^\d{1,16}$/;

/** The whole file is one number: `memory.current`. */
export function loneNumber(text: string): number | undefined {
  return numberOf(text.trim());
}

/** CPU time in µs, of `cpuacct.usage`, which is in ns: of thousands of CPU-hours that has more digits than are exact. */
export function cpuacctUsageUs(text: string): number | undefined {
  const digits = text.trim();
  return /^\d{1,3}$/.test(digits) ? 0 : numberOf(/^(\d+)\d{3}$/.exec(digits)?.[1]);
}

/** CPU time in µs, of `cpu.stat`: a line `usage_usec N`. */
export function cpuUsageUs(text: string): number | undefined {
  return numberOf(/^usage_usec (\S*)$/m.exec(text)?.[1]);
}

/** Time in which some process waited, µs, of `cpu.pressure` and `io.pressure`: `some avg10=0.00 avg60=0.00 avg300=0.00 total=N`. */
export function waitedUs(text: string): number | undefined {
  return numberOf(/^some (?:avg\d+=\S+ )*total=(\S*)$/m.exec(text)?.[1]);
}

export interface IoBytes {
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
}

/**
 * Of `io.stat`, over all devices: `8:0 rbytes=1 wbytes=2 rios=…`. A device that was not used has no line, and some kernels put several into
 * one line.
 */
export function ioStatBytes(text: string): IoBytes {
  if (text.trim() === '') return { readBytes: 0, writtenBytes: 0 };
  const words = text.split(/\s+/);
  const sum = (key: string): number | undefined => {
    const values = words.filter((word) => word.startsWith(key)).map((word) => word.slice(key.length));
    return values.length === 0 ? undefined : sumOf(values);
  };
  return { readBytes: sum('rbytes='), writtenBytes: sum('wbytes=') };
}

/**
 * Of `blkio.throttle.io_service_bytes_recursive`, over all devices: `8:0 Read 1`, `8:0 Write 2`, and sums. Kernels of today count only
 * where somebody has set a limit, and say `Total 0` otherwise: without a device nothing is known.
 */
export function blkioBytes(text: string): IoBytes {
  const lines = text.split('\n').map((line) => line.split(' '));
  const sum = (operation: string): number | undefined => {
    const values = lines.flatMap(([, name, value]) => (name === operation ? [value] : []));
    return values.length === 0 ? undefined : sumOf(values);
  };
  return { readBytes: sum('Read'), writtenBytes: sum('Write') };
}

function sumOf(values: readonly (string | undefined)[]): number | undefined {
  let sum = 0;
  for (const value of values) sum += numberOf(value) ?? NaN;
  return Number.isSafeInteger(sum) ? sum : undefined;
}

function numberOf(digits: string | undefined): number | undefined {
  if (digits === undefined || !NUMBER.test(digits)) return undefined;
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : undefined;
}
