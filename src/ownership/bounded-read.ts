import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  statSync,
  type BigIntStats,
} from 'node:fs';

/** What was found at a path, read whole and at rest, or why not. */
type BoundedRead =
  | { readonly kind: 'content'; readonly content: Uint8Array; readonly stat: BigIntStats }
  /** Nothing there (any more). */
  | { readonly kind: 'gone' }
  /** It changed under our hands each time: worth another look later. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'too-large'; readonly stat: BigIntStats }
  /** A pipe, a directory, a device: not read, and not waited for. */
  | { readonly kind: 'not-a-file'; readonly stat: BigIntStats }
  /** Of a link with its own stat. */
  | { readonly kind: 'refused'; readonly reason: string; readonly stat?: BigIntStats | undefined };

/**
 * What changed this recently may change again unseen: change times tick in milliseconds, so that two changes, of a file or
 * of a directory, can bear the same one.
 */
export const RESTLESS_US_MAX = 100_000;
/** A change time further ahead of the clock than this is a wrong clock, not a race with our reading it. */
export const AHEAD_US_MAX = 60_000_000;
const TRIES_MAX = 3;

/**
 * Reads a small file that somebody else may be writing, renaming over, or removing. Never waits (a FIFO without a writer
 * does not hold us) and never reads more than `bytesMax`. A link is not followed: whoever may write into a directory could
 * make us read a file that only we may read.
 */
export function readBounded(path: string, bytesMax: number): BoundedRead {
  return readPatiently(path, bytesMax, constants.O_NOFOLLOW);
}

/** The same, also through a link: for the files of those who rule the machine. */
export function readBoundedThroughLink(path: string, bytesMax: number): BoundedRead {
  return readPatiently(path, bytesMax, 0);
}

function readPatiently(path: string, bytesMax: number, linkFlag: number): BoundedRead {
  for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
    const found = readOnce(path, bytesMax, linkFlag);
    if (found.kind !== 'busy') return found;
  }
  return { kind: 'busy' };
}

function readOnce(path: string, bytesMax: number, linkFlag: number): BoundedRead {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | linkFlag);
  } catch (error) {
    return codeOf(error) === 'ELOOP' && linkFlag !== 0
      ? { kind: 'refused', reason: 'a link', stat: linkStatOf(path) }
      : failed(error);
  }
  try {
    const before = fstatSync(fd, { bigint: true });
    if (!before.isFile()) return { kind: 'not-a-file', stat: before };
    if (before.size > BigInt(bytesMax)) return { kind: 'too-large', stat: before };
    const content = readAll(fd, bytesMax);
    const after = fstatSync(fd, { bigint: true });
    if (content === undefined) return { kind: 'too-large', stat: after };
    if (!isSameState(before, after)) return { kind: 'busy' };
    return { kind: 'content', content, stat: after };
  } catch (error) {
    return failed(error);
  } finally {
    closeSync(fd);
  }
}

/** undefined when there is more than `bytesMax`: the size in a stat is only what was true a moment ago. */
function readAll(fd: number, bytesMax: number): Uint8Array | undefined {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const chunk = new Uint8Array(Math.min(64 * 1024, bytesMax + 1 - length));
    const count = readSync(fd, chunk);
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    length += count;
    if (length > bytesMax) return undefined;
  }
}

function failed(error: unknown): BoundedRead {
  const code = codeOf(error);
  if (code === 'ENOENT') return { kind: 'gone' };
  if (code === undefined) throw error;
  return { kind: 'refused', reason: code };
}

/** The errno name of a failed system call; undefined for anything else that was thrown. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function isSameState(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.mtimeNs === b.mtimeNs &&
    a.size === b.size &&
    a.ctimeNs === b.ctimeNs
  );
}

/** Modification time in whole epoch µs. */
export function mtimeUs(stat: BigIntStats): number {
  return Number(stat.mtimeNs / 1000n);
}

/** Of a path that nobody can follow, or that we may not look at: undefined. Whoever reads it learns why. */
export function statOf(path: string): BigIntStats | undefined {
  return statBy(statSync, path);
}

/** The same of a link itself. */
export function linkStatOf(path: string): BigIntStats | undefined {
  return statBy(lstatSync, path);
}

function statBy(stat: typeof statSync, path: string): BigIntStats | undefined {
  try {
    return stat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}
