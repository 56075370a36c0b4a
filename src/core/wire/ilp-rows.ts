/**
 * Finds the rows of an ILP body (protocol v2, as `encode.ts` and the official client write it) without decoding them. A
 * newline alone is no border: it may be a byte of a binary double, or stand inside quotes or behind a backslash.
 */

const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const EQUALS = 61;
const BACKSLASH = 92;
/** `==` and this byte precede a double of eight bytes. */
const DOUBLE = 16;

/**
 * @returns for each row the position after its newline, ascending; the last one is `body.length`
 * @throws RangeError when the body does not end with a whole row
 */
export function rowEnds(body: Uint8Array): number[] {
  const ends: number[] = [];
  let at = 0;
  while (at < body.length) {
    at = endOfRow(body, at);
    ends.push(at);
  }
  return ends;
}

/** Whose rows these are, and of which time. */
export interface RowsExtent {
  /** The symbol `node` of the first row; undefined when it has none. */
  readonly node: string | undefined;
  /** Epoch µs of the earliest and of the latest row. */
  readonly fromUs: number;
  readonly toUs: number;
}

/** The longest stamp: 19 digits of nanoseconds, a unit, a newline, and the space before them. */
const STAMP_BYTES_MAX = 22;

/** @param body at least one whole row; each ends with its time in whole nano- or microseconds (`n`, `t`) */
export function extentOf(body: Uint8Array): RowsExtent {
  let [fromUs, toUs] = [Infinity, -Infinity];
  for (const end of rowEnds(body)) {
    const tail = textOf(body, Math.max(0, end - STAMP_BYTES_MAX), end);
    const [, digits, unit] = / (\d+)([nt])\n$/.exec(tail) ?? [];
    const us = Number(digits) / (unit === 'n' ? 1000 : 1);
    fromUs = Math.min(fromUs, us);
    toUs = Math.max(toUs, us);
  }
  return { node: symbolOf(body, 'node'), fromUs: Math.floor(fromUs), toUs: Math.ceil(toUs) };
}

/** Of the first row. */
function symbolOf(body: Uint8Array, name: string): string | undefined {
  const symbols = Buffer.from(body.subarray(0, endOfSymbols(body, 0))).toString('utf8');
  const found = new RegExp(`,${name}=((?:\\\\.|[^,])*)`, 's').exec(symbols)?.[1];
  return found?.replace(/\\(.)/gs, '$1');
}

function textOf(body: Uint8Array, from: number, to: number): string {
  return Buffer.from(body.subarray(from, to)).toString('latin1');
}

function endOfRow(body: Uint8Array, from: number): number {
  let at = endOfSymbols(body, from);
  while (at < body.length) {
    const byte = body[at]!;
    if (byte === NEWLINE) return at + 1;
    if (byte === BACKSLASH) at += 2;
    else if (byte === EQUALS) at = endOfValueStart(body, at + 1);
    else at += 1;
  }
  throw new RangeError(`row at byte ${from} has no end`);
}

/** Table and symbols end with the first space that no backslash precedes; quotes mean nothing in them. */
function endOfSymbols(body: Uint8Array, from: number): number {
  let at = from;
  while (at < body.length && body[at] !== SPACE) at += body[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** Skips what may hold any byte: a binary double or a quoted text. Other values are plain characters. */
function endOfValueStart(body: Uint8Array, at: number): number {
  if (body[at] === EQUALS && body[at + 1] === DOUBLE) return at + 10;
  if (body[at] !== QUOTE) return at;
  let next = at + 1;
  while (next < body.length && body[next] !== QUOTE) next += body[next] === BACKSLASH ? 2 : 1;
  return next + 1;
}
