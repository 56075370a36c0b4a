/**
 * Seeded randomness of the synthetic fleet. Two kinds: a stream (`createRandom`) for things that are drawn once, and hashes
 * (`fillNoise`, `hashUnit`) for values that must come out the same however often and in whatever order they are asked for.
 * Neither is fit for anything that has to be secret.
 */

/** Finalizer of murmur3: spreads 32 bits over 32 bits. */
function scramble(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Any safe integer in 32 bits, which is all that the streams and the hash take in. */
export function foldSeed(seed: number): number {
  return (seed | 0) ^ Math.floor(seed / 0x100000000);
}

export interface Random {
  /** In [0, 1). */
  next(): number;
  /** In [low, high). */
  between(low: number, high: number): number;
  /** Integer in [0, count). */
  below(count: number): number;
  pick<T>(choices: readonly T[]): T;
}

/** A stream for one purpose; `purpose` keeps streams apart so that a new draw in one does not shift the others. */
export function createRandom(seed: number, purpose: string): Random {
  let state = scramble(seed | 0);
  for (let i = 0; i < purpose.length; i += 1) state = scramble(state ^ purpose.charCodeAt(i));
  const next = (): number => {
    // A Weyl sequence through the scrambler (splitmix32).
    state = (state + 0x9e3779b9) >>> 0;
    return scramble(state) / 0x100000000;
  };
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    below: (count) => Math.floor(next() * count),
    pick: (choices) => choices[Math.floor(next() * choices.length)]!,
  };
}

/**
 * The noise of each of `fields` of a device at one time (epoch µs), into `noise`: in [-1, 1), mean 0, triangular, the
 * difference of two uniform halves of one hash.
 */
export function fillNoise(
  seed: number,
  device: number,
  tsUs: number,
  fields: Int32Array,
  noise: Float64Array,
): void {
  const high = Math.floor(tsUs / 0x100000000);
  const row = scramble((tsUs >>> 0) ^ seed) ^ Math.imul(high, 0x9e3779b1) ^ Math.imul(device + 1, 0x85ebca77);
  for (let at = 0; at < fields.length; at += 1) {
    const field = fields[at]!;
    const h = scramble(row ^ (field << 16) ^ field);
    noise[at] = ((h & 0xffff) - (h >>> 16)) / 0x10000;
  }
}

/** In [0, 1): a hash of three integers. */
export function hashUnit(seed: number, stream: number, index: number): number {
  return scramble(scramble(index ^ seed) ^ Math.imul(stream, 0x9e3779b1)) / 0x100000000;
}

/** A UUID (version 4 in form) from a stream. */
export function randomUuid(random: Random): string {
  let hex = '';
  for (let i = 0; i < 32; i += 1) {
    const digit = i === 12 ? 4 : i === 16 ? 8 + random.below(4) : random.below(16);
    hex += digit.toString(16);
    if (i === 7 || i === 11 || i === 15 || i === 19) hex += '-';
  }
  return hex;
}
