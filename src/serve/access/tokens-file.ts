import { createHash, timingSafeEqual } from 'node:crypto';
import { isName, lineError, linesOf } from './secret-file.ts';

export interface Token {
  readonly name: string;
  /** SHA-256 of the token. */
  readonly digest: Buffer;
  /** Since the epoch; it is of no use from then on. */
  readonly untilMs: number;
}

const DAY_MS = 86_400_000;

/**
 * Lines `name:SHA-256 in hex`, and behind a further colon the last day (UTC) where it has one: `2026-12-31`. One name may have several tokens.
 * @throws OperatingError `serve.file`, with the line and never what stands in it
 */
export function parseTokens(text: string, path: string): readonly Token[] {
  const tokens: Token[] = [];
  const lines = new Map<string, number>();
  for (const { line, text: written } of linesOf(text)) {
    const [name = '', hex = '', day, more] = written.split(':');
    if (!isName(name) || !written.includes(':') || more !== undefined)
      throw lineError(
        path,
        line,
        'expected a name, a colon and the SHA-256 of a token, and perhaps a colon and a day',
        [WAY],
      );
    if (!/^[0-9a-f]{64}$/i.test(hex))
      throw lineError(
        path,
        line,
        'expected the SHA-256 of a token as 64 hexadecimal digits, came something else',
        ['a token itself is never written into the file', WAY],
      );
    const untilMs = day === undefined ? Infinity : endOfDayMs(day);
    if (untilMs === undefined)
      throw lineError(
        path,
        line,
        'expected the last day of the token such as 2026-12-31, came something else',
        [],
      );
    const former = lines.get(hex.toLowerCase());
    if (former !== undefined)
      throw lineError(path, line, `line ${former} has the same token: expected each of them once`, [
        'two who share a token cannot be told apart',
      ]);
    lines.set(hex.toLowerCase(), line);
    tokens.push({ name, digest: Buffer.from(hex, 'hex'), untilMs });
  }
  return tokens;
}

const WAY = 'make one so: openssl rand -hex 32 | tee token | tr -d "\\n" | sha256sum';

/** Undefined where there is no such day. */
function endOfDayMs(day: string): number | undefined {
  const startMs = /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : NaN;
  // The 30th of February is read as one of March.
  if (Number.isNaN(startMs) || new Date(startMs).toISOString().slice(0, 10) !== day) return undefined;
  return startMs + DAY_MS;
}

/** @param nowMs since the epoch. @returns whose it is; undefined where it is nobody's, or its time is over */
export function nameOfToken(tokens: readonly Token[], token: string, nowMs: number): string | undefined {
  const digest = createHash('sha256').update(token).digest();
  let name: string | undefined;
  // All of them, so that the time it takes tells nothing.
  for (const one of tokens) if (timingSafeEqual(one.digest, digest) && nowMs < one.untilMs) name = one.name;
  return name;
}
