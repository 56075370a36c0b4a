import type { IncomingMessage } from 'node:http';
import { refusal, type Refusal } from './refusal.ts';

/** Longer ones hold nothing that a page asks for. */
const URL_LENGTH_MAX = 4096;
/** Of which two in one request are two requests to two readers. */
const ONCE = ['host', 'authorization', 'content-length', 'transfer-encoding'] as const;

/** What is wrong with a request whoever sends it: this server is asked by GET and HEAD, for a path of its own, without a body. */
export function formRefusal(request: IncomingMessage): Refusal | undefined {
  const { method, url = '', headersDistinct, httpVersion } = request;
  // Node takes HTTP/0.9 and HTTP/2.0 for it too.
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return refusal(505, 'This server speaks HTTP/1.1.', { connection: 'close' });
  if (method !== 'GET' && method !== 'HEAD')
    return refusal(405, 'This server answers GET and HEAD: it changes nothing.', {
      allow: 'GET, HEAD',
      connection: 'close',
    });
  const twice = ONCE.find((name) => (headersDistinct[name]?.length ?? 0) > 1);
  if (twice !== undefined) return refusal(400, `The header ${twice} comes twice.`, { connection: 'close' });
  const hasBody =
    headersDistinct['transfer-encoding'] !== undefined ||
    Number(headersDistinct['content-length']?.[0] ?? 0) !== 0;
  if (hasBody) return refusal(413, 'This server reads no body.', { connection: 'close' });
  if (!url.startsWith('/') || url.startsWith('//'))
    return refusal(400, 'Expected a path that begins with one slash, came another form of address.');
  if (url.length > URL_LENGTH_MAX)
    return refusal(414, `Expected an address of at most ${URL_LENGTH_MAX} characters, came ${url.length}.`);
  return undefined;
}
