import type { ServerResponse } from 'node:http';
import type { Refusal } from '../../serve/access/refusal.ts';

/** What is answered to a request; to a HEAD all but the body. */
export interface Answer {
  /** Of HTTP. */
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

const TEXT = 'text/plain; charset=utf-8';

/** A sentence, as Go's programs answer it. */
export function textAnswer(status: number, sentence: string, headers: Answer['headers'] = {}): Answer {
  return { status, contentType: TEXT, body: `${sentence}\n`, headers };
}

export function refusalAnswer({ status, sentence, headers, retryAfterSeconds }: Refusal): Answer {
  const retry = retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) };
  return textAnswer(status, sentence, { ...headers, ...retry });
}

/** Of every answer: a browser takes it for what it says it is. */
export const NO_SNIFFING = { 'X-Content-Type-Options': 'nosniff' } as const;

/** @param headers further ones, of every answer */
export function send(
  response: ServerResponse,
  { status, contentType, body, headers = {} }: Answer,
  ofEvery: Readonly<Record<string, string>> = {},
): void {
  response.statusCode = status;
  const all = { ...NO_SNIFFING, ...ofEvery, ...headers, 'Content-Type': contentType };
  for (const [name, value] of Object.entries(all)) response.setHeader(name, value);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}
