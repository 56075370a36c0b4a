import type { Field } from '../fields/field.ts';
import type { Compat } from './family.ts';

const DECIMALS = 6;

/**
 * A value of a column as dcgm-exporter prints the field: in the field's own unit, a whole number as such, any other with six
 * decimals; since 4.8.3 the shortest text of what those six decimals say.
 * @param value in base units, finite
 */
export function sampleNumber(value: number, { type, scale }: Field, compat: Compat): string {
  const raw = value / scale;
  const text = type === 'int64' ? wholeText(raw) : decimalText(raw);
  return compat === '4.8.2' ? text : shortestNumber(Number(text));
}

function wholeText(raw: number): string {
  return BigInt(Math.round(raw)).toString();
}

/** As C's and Go's `%.6f`: a tie, which only an odd number of 128ths can be, goes to the even digit. */
function decimalText(raw: number): string {
  if (Math.abs(raw) >= 1e21) return `${BigInt(raw).toString()}.000000`;
  const text = Math.abs(raw).toFixed(DECIMALS);
  const isTie = Number.isInteger(raw * 128) && Math.abs((raw * 128) % 2) === 1;
  const isOdd = Number(text.at(-1)) % 2 === 1;
  // `toFixed` rounds a tie up.
  const even = isTie && isOdd ? text.slice(0, -1) + String(Number(text.at(-1)) - 1) : text;
  return raw < 0 || Object.is(raw, -0) ? `-${even}` : even;
}

/** The shortest text that is read as the same number, as Go prints it: with an exponent from 1e+06 on, and below 1e-04. */
export function shortestNumber(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  const size = Math.abs(value);
  // JavaScript has the same shortest digits, and no exponent in this range.
  if (size >= 1e-4 && size < 1e6) return String(value);
  const [digits, exponentText] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  const sign = exponent < 0 ? '-' : '+';
  return `${digits}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`;
}
