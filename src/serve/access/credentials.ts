/** What a request says in `Authorization`. */
export type Credentials =
  | { readonly kind: 'basic'; readonly name: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }
  /** Nothing that could be checked. */
  | { readonly kind: 'odd' };

const HEADER_LENGTH_MAX = 2048;

export function parseAuthorization(header: string): Credentials {
  if (header.length > HEADER_LENGTH_MAX) return { kind: 'odd' };
  const [, scheme = '', text = ''] = /^([A-Za-z]{1,16}) {1,4}([A-Za-z0-9._~+/-]+={0,2})$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', token: text };
  return scheme.toLowerCase() === 'basic' ? parseBasic(text) : { kind: 'odd' };
}

function parseBasic(text: string): Credentials {
  const bytes = Buffer.from(text, 'base64');
  // Buffer leaves out what is no base64, so that many texts would be one.
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) return { kind: 'odd' };
  let written: string;
  try {
    written = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    return { kind: 'odd' };
  }
  const colon = written.indexOf(':');
  // Bcrypt in other programs ends at a zero byte: such a password would be two.
  if (colon < 1 || /\p{Cc}/u.test(written)) return { kind: 'odd' };
  return { kind: 'basic', name: written.slice(0, colon), password: written.slice(colon + 1) };
}
