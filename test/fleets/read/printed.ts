/**
 * Reads numbers back as they are printed for people: what stands there must be the figure, rounded as it is printed. Nothing of
 * what prints them is used.
 */

/** Says what is wrong; undefined where nothing is. */
export type Wrong = string | undefined;

const NUMBER = /^-?[\d,]+(\.\d+)?$/;
/** A little is not nothing: a 1 in the last decimal that is shown. */
const LITTLE = /^<(1|0\.0*1)$/;
/** What rounding may leave of a sum, in any unit. */
const ROUNDING_MAX = 1e-6;

/** Whether `text` is `value` in this unit. @param digits significant ones that are printed, of which zeros at the end may be left out */
export function isPrinted(text: string, value: number, digits = 0): boolean {
  const little = LITTLE.exec(text)?.[1];
  if (little !== undefined) return value > 0 && value <= 0.5 * Number(little) * (1 + 1e-9);
  if (!NUMBER.test(text)) return false;
  if (Number(text) === 0 && value > ROUNDING_MAX) return false;
  const shown = Number(text.replaceAll(',', ''));
  const decimals = /\.(\d+)$/.exec(text)?.[1]!.length ?? 0;
  const whole = Math.abs(value) < 1 ? 0 : Math.floor(Math.log10(Math.abs(value))) + 1;
  const kept = Math.max(decimals, Math.min(3, Math.max(0, digits - whole)));
  return Math.abs(shown - value) <= 0.5 * 10 ** -kept * (1 + 1e-9) + 1e-9 * Math.abs(value);
}

/** `71 %`, `0.4 %`, `<0.1 %` (with or without blanks of any kind). */
export function ratioWrong(text: string, ratio: number): Wrong {
  const percent = ratio * 100;
  const plain = text.replaceAll(/\s/g, '');
  const [, small, number = ''] = /^(<)?([\d.]+)%$/.exec(plain) ?? [];
  const isRight =
    small === undefined
      ? isPrinted(number, percent) && (percent === 0 || percent >= 0.05)
      : percent > 0 && percent < 0.1;
  return isRight ? undefined : `${percent} %`;
}

/** How much was seen is never rounded up. */
export function coverageWrong(text: string, ratio: number): Wrong {
  const shown = Number(/^([\d.]+)\s*%$/.exec(text)?.[1]);
  const percent = ratio * 100;
  const isRight = ratio >= 1 ? shown === 100 : shown <= percent + 1e-9 && percent - shown < 0.01 + 1e-9;
  return isRight ? undefined : `${percent} %, rounded down`;
}

const JOULES: Readonly<Record<string, number>> = { kWh: 3.6e6, Wh: 3.6e3 };

/** `28.6 kWh`. */
export function energyWrong(text: string, joules: number | undefined, digits = 0): Wrong {
  if (joules === undefined) return text === '–' ? undefined : 'nothing';
  const [, number = '', unit = ''] = /^(<?[\d.,]+)\s(k?Wh)$/.exec(text) ?? [];
  const size = JOULES[unit];
  return size !== undefined && isPrinted(number, joules / size, digits) ? undefined : `${joules} J`;
}

/** `55.9 GPU-hours`, with three digits. @param what hours are of */
export function hoursWrong(text: string, us: number, what: 'GPU' | 'device' | 'instance' = 'GPU'): Wrong {
  const [, number = '', unit] = /^(<?[\d.,]+)\s(\w+)-hours$/.exec(text) ?? [];
  return unit === what && isPrinted(number, us / 3.6e9, 3) ? undefined : `${us / 3.6e9} ${what}-hours`;
}

const SPAN_UNITS: Readonly<Record<string, number>> = { d: 86_400e6, h: 3600e6, min: 60e6, s: 1e6, ms: 1e3 };

/** `3 h 29 min 37 s`, `0.4 s`: to the second, or to three digits below ten; of days not the seconds. */
export function spanWrong(text: string, us: number): Wrong {
  let [sum, least] = [0, Infinity];
  for (const [, number, unit] of text.matchAll(/([\d.]+)\s(d|h|min|s|ms)(?=\s|$)/g)) {
    sum += Number(number) * SPAN_UNITS[unit!]!;
    least = Math.min(least, SPAN_UNITS[unit!]!);
  }
  const strayMax = us >= 86_400e6 ? 60e6 : us < 10e6 ? 0.05e6 : 0.5e6 + 1;
  return least < Infinity && Math.abs(sum - us) <= strayMax ? undefined : `${us} µs`;
}

const BYTES = 2 ** 30;

/** `64 GiB`. */
export function memoryWrong(text: string, bytes: number): Wrong {
  const [, number = ''] = /^(<?[\d.,]+)\sGiB$/.exec(text) ?? [];
  return isPrinted(number, bytes / BYTES, 3) ? undefined : `${bytes / BYTES} GiB`;
}

/** `512 W`. */
export function wattsWrong(text: string, watts: number): Wrong {
  const [, number = ''] = /^(<?\d+)\sW$/.exec(text) ?? [];
  return isPrinted(number, watts) ? undefined : `${watts} W`;
}
