/**
 * The text parts of an ILP row, spelled as `@questdb/nodejs-client` spells them: names, escapes and decimal digits.
 * `test/core/wire/encode.test.ts` holds them equal to the client, byte for byte.
 */

/** The longest table or column name that the client and the server accept by default, in UTF-16 units. */
const NAME_UNITS_MAX = 127;
/** The client refuses exactly these. */
const NO_TABLE_NAME = /[?,'"\\/:)(+*%~\0-\x0f\x7f\ufeff]|^\.|\.$|\.\./;
const NO_COLUMN_NAME = /[?.,'"\\/:)(+\-*%~\0-\x0f\x7f\ufeff]/;

export function isTableName(text: string): boolean {
  return text.length > 0 && text.length <= NAME_UNITS_MAX && !NO_TABLE_NAME.test(text);
}

export function isColumnName(text: string): boolean {
  return text.length > 0 && text.length <= NAME_UNITS_MAX && !NO_COLUMN_NAME.test(text);
}

/** Escapes a table name, a column name or the value of a SYMBOL. */
export function escapeBare(text: string): string {
  return text.replace(/[ ,=\n\r\\]/g, '\\$&');
}

/** Quotes the value of a VARCHAR. */
export function quote(text: string): string {
  return `"${text.replace(/["\n\r\\]/g, '\\$&')}"`;
}

const DIGIT_ZERO = 48;
const EIGHT_DIGITS = 1e8;

/**
 * Writes a whole number in [0, 2^53) as decimal digits, without making a string.
 * @returns the position after the last digit.
 */
export function writeDigits(target: Uint8Array, at: number, value: number): number {
  if (value < EIGHT_DIGITS) return writeSmall(target, at, value);
  const high = Math.floor(value / EIGHT_DIGITS);
  const next = writeDigits(target, at, high);
  writeFixed(target, next + 8, value - high * EIGHT_DIGITS, 8);
  return next + 8;
}

function writeSmall(target: Uint8Array, at: number, value: number): number {
  let digits = 1;
  for (let bound = 10; value >= bound; bound *= 10) digits += 1;
  writeFixed(target, at + digits, value, digits);
  return at + digits;
}

/** Writes exactly `digits` digits that end before `end`, with leading zeros. */
function writeFixed(target: Uint8Array, end: number, value: number, digits: number): void {
  let rest = value | 0;
  for (let at = end - 1; at >= end - digits; at -= 1) {
    const tenth = (rest / 10) | 0;
    target[at] = DIGIT_ZERO + rest - tenth * 10;
    rest = tenth;
  }
}
