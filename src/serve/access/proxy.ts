import type { IncomingMessage } from 'node:http';
import { addressTest, type AddressRange } from '../../config/addresses.ts';
import { refusal, type Refusal } from './refusal.ts';

/** What a proxy says of who asks. */
export type ProxyWord =
  | { readonly kind: 'named'; readonly name: string }
  /** It is no proxy of ours, or it names nobody. */
  | { readonly kind: 'nobody' }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly isForged: boolean };

/**
 * Reads the user from a proxy's header. Who sends is the other end of the connection; what headers say of that (`X-Forwarded-For`) anybody can write.
 * @param header in lower case
 */
export function proxyReader(
  header: string,
  addresses: readonly AddressRange[],
): (request: IncomingMessage) => ProxyWord {
  const isProxy = addressTest(addresses);
  return ({ headersDistinct, socket }) => {
    const values = headersDistinct[header];
    if (values === undefined) return { kind: 'nobody' };
    if (!isProxy(socket.remoteAddress))
      return {
        kind: 'refused',
        isForged: true,
        refusal: refusal(
          403,
          `The header ${header} is believed from the proxy alone, and came from another address.`,
        ),
      };
    const [name = ''] = values;
    // Node hands over bytes of headers as characters: what is beyond ASCII would be another name.
    if (values.length === 1 && /^[\x21-\x7e]{1,256}$/.test(name) && !/[,;:"]/.test(name))
      return { kind: 'named', name };
    return {
      kind: 'refused',
      isForged: false,
      refusal: refusal(
        403,
        `The header ${header} of the proxy holds no single name of visible ASCII characters.`,
      ),
    };
  };
}
