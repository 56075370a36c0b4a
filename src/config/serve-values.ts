import * as z from 'zod';
import {
  formatAddressRange,
  formatListenAddress,
  parseAddressRange,
  parseListenAddress,
  parseMetricsAddress,
  type AddressRange,
  type ListenAddress,
} from './addresses.ts';
import { shownValue } from './problem.ts';
import { refuse } from './refuse.ts';

/** The types of values that only the web server has. */

/** `127.0.0.1:8470`, `[::1]:8470`. */
export const listenAddress = z.codec(z.unknown(), z.custom<ListenAddress>(), {
  decode: (value, payload) =>
    (typeof value === 'string' ? parseListenAddress(value.trim()) : undefined) ??
    refuse(
      payload,
      `expected an address and a port such as 127.0.0.1:8470 or [::1]:8470, came ${shownValue(value)}`,
      ['0.0.0.0 or [::] are all addresses of this machine'],
    ),
  encode: formatListenAddress,
});

/** As that, or `:9400`: all addresses of this machine, which is an empty host. */
export const metricsAddress = z.codec(z.unknown(), z.custom<ListenAddress>(), {
  decode(value, payload) {
    return (
      (typeof value === 'string' ? parseMetricsAddress(value.trim()) : undefined) ??
      refuse(
        payload,
        `expected an address and a port such as 127.0.0.1:9400, or :9400, came ${shownValue(value)}`,
        [':9400 is every address of this machine', 'names are not looked up, but for localhost'],
      )
    );
  },
  encode: formatListenAddress,
});

/** Where readers find the server, with a slash at its end. What came is not shown where it holds a password. */
export const publicUrl = z.codec(z.unknown(), z.string(), {
  decode(value, payload) {
    const url = typeof value === 'string' ? URL.parse(value.trim()) : null;
    const message = urlProblem(url);
    if (url !== null && message === undefined) return url.href.endsWith('/') ? url.href : `${url.href}/`;
    return refuse(
      payload,
      message ?? `expected a URL such as https://gpu.example.org/, came ${shownValue(value)}`,
      ['links in pages and reports begin with it'],
    );
  },
  encode: (href) => href,
});

/** Undefined where it is sound, and where it is none at all. */
function urlProblem(url: URL | null): string | undefined {
  if (url === null) return undefined;
  if (url.username !== '' || url.password !== '') return 'expected no password in it, came one';
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return 'expected http or https, came another way';
  return /[?#]/.test(url.href) ? 'expected a URL without ? and #, came one with them' : undefined;
}

/** Of other things than a user: what stands there is anybody's. */
const HEADERS_OF_OTHERS = new Set(['authorization', 'connection', 'cookie', 'forwarded', 'host', 'origin']);

/** A header of HTTP, in lower case. With an underscore it could be another one to the proxy. */
export const headerName = z
  .string()
  .trim()
  .toLowerCase()
  .refine(
    (name) =>
      /^[a-z][a-z0-9-]{0,63}$/.test(name) &&
      !HEADERS_OF_OTHERS.has(name) &&
      !/^(x-forwarded-(for|host|proto)|x-real-ip|(content|accept|if|sec|proxy)-.*)$/.test(name),
    { error: 'expected the header in which the proxy names the user, such as X-Forwarded-User' },
  );

/** Addresses and ranges of them: a list, or text with commas. */
export const addressRanges = z.codec(z.unknown(), z.custom<readonly AddressRange[]>(), {
  decode(value, payload) {
    const written: readonly unknown[] =
      typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [];
    const ranges = written.flatMap((one) => {
      const range = typeof one === 'string' ? parseAddressRange(one.trim()) : undefined;
      return range === undefined ? [] : [range];
    });
    if (ranges.length === 0 || ranges.length < written.length)
      return refuse(
        payload,
        `expected addresses or ranges such as 10.0.0.7 or 10.0.0.0/24, came ${shownValue(value)}`,
        ['those of the proxy itself, since whoever speaks from there may be anybody'],
      );
    const all = ranges.find(({ prefixBits }) => prefixBits === 0);
    if (all === undefined) return ranges;
    return refuse(
      payload,
      `expected the addresses of a proxy, came ${formatAddressRange(all)}: all there are`,
    );
  },
  encode: (ranges) => ranges.map(formatAddressRange).join(', '),
});
