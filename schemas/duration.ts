import { OperatingError, type ErrorDetail } from '../src/core/base/errors.ts';

/** Milliseconds in each unit that a duration may be written with. */
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Bytes in each unit that a size may be written with. */
const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const QUANTITY = /^(\d+(?:\.\d+)?)\s*([A-Za-zµ]*)$/;

interface QuantityKind {
  readonly code: ErrorDetail['code'];
  /** `a duration`. */
  readonly noun: string;
  /** `100ms, 1s, 10m`. */
  readonly examples: string;
  readonly units: Readonly<Record<string, number>>;
  /** `milliseconds`: what must come out whole. */
  readonly base: string;
}

const DURATION: QuantityKind = {
  code: 'duration.invalid',
  noun: 'a duration',
  examples: '100ms, 1s, 10m, 1h, 14d',
  units: DURATION_UNITS,
  base: 'milliseconds',
};

const SIZE: QuantityKind = {
  code: 'size.invalid',
  noun: 'a size',
  examples: '512KiB, 64MiB, 2GiB',
  units: SIZE_UNITS,
  base: 'bytes',
};

function parseQuantity(text: string, kind: QuantityKind): number {
  const expected = `${kind.noun} with its unit (${Object.keys(kind.units).join(', ')})`;
  const refuse = (came: string): never => {
    throw new OperatingError(`expected ${expected}, came ${came}`, {
      code: kind.code,
      exit: 'config',
      hints: [`write it like ${kind.examples}`],
    });
  };
  const match = QUANTITY.exec(text.trim());
  if (match === null) return refuse(text === '' ? 'nothing' : JSON.stringify(text));
  const [, number = '', unit = ''] = match;
  if (unit === '') return refuse(`${number} without a unit`);
  const factor = Object.hasOwn(kind.units, unit)
    ? kind.units[unit]!
    : refuse(`"${text}" with the unit "${unit}"`);
  const value = wholeProduct(number, factor);
  if (!Number.isSafeInteger(value)) return refuse(`"${text}", which is no whole number of ${kind.base}`);
  return value;
}

/** number × factor, exact where the result is a whole number: `0.1` × 1000 is 100, and `1.1` × 3 600 000 is 3 960 000. */
function wholeProduct(number: string, factor: number): number {
  const [whole = '', fraction = ''] = number.split('.');
  const product = BigInt(whole + fraction) * BigInt(factor);
  const divisor = 10n ** BigInt(fraction.length);
  return product % divisor === 0n ? Number(product / divisor) : NaN;
}

/** As Go and Prometheus print `90s`. */
const SEVERAL_UNITS = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw])){2,}$/;

/**
 * Milliseconds of a duration as people write it: a number and `ms`, `s`, `m`, `h`, `d` or `w`, or several of these in a row: `1m30s`.
 * @throws OperatingError `duration.invalid` (exit `config`): no unit, another unit, not whole milliseconds.
 */
export function parseDurationMs(text: string): number {
  const whole = text.trim();
  const parts = SEVERAL_UNITS.test(whole) ? whole.match(/[\d.]+[a-z]+/g)! : [text];
  return parts.reduce((sum, part) => sum + parseQuantity(part, DURATION), 0);
}

/**
 * Bytes of a size as people write it: a number and `B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`.
 * @throws OperatingError `size.invalid` (exit `config`).
 */
export function parseBytes(text: string): number {
  return parseQuantity(text, SIZE);
}

/** A duration in the largest unit that keeps it whole: 1000 → `1s`, 90 000 → `90s`, 1500 → `1500ms`, 0 → `0s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's']) {
    const factor = DURATION_UNITS[unit]!;
    if (ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}
