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
