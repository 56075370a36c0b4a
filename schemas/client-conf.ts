import { SenderOptions } from '@questdb/nodejs-client';
import { messageOf, OperatingError } from '../src/core/base/errors.ts';
import { nearestWords } from './nearest.ts';

/** What a configuration string of the official QuestDB client says about reaching the server. */
export interface ClientConf {
  readonly protocol: 'http' | 'https';
  /** Host name or address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly token?: string;
  readonly tlsVerify: boolean;
  /** Path of a file with certificate authorities. */
  readonly tlsCa?: string;
}

const EXAMPLES = [
  'write it like http::addr=host:9000;',
  'with a password: https::addr=host:9000;username=USER;password=SECRET;',
];

const ADDR_EXPECTED = 'addr must be host:port, with a port from 1 to 65535';

const KEYS = [
  'addr',
  'username',
  'password',
  'token',
  'tls_verify',
  'tls_ca',
  'request_timeout',
  'retry_timeout',
  'auto_flush',
  'auto_flush_rows',
  'auto_flush_interval',
];

/** The official client cuts `addr` at its first colon, so an IPv6 address is taken out before it sees the string. */
const IPV6_ADDR = /(::|;)addr=\[([0-9A-Fa-f:.]+)\]/;

/**
 * Reads a configuration string as the official client does (`SenderOptions`), plus IPv6 addresses in brackets.
 * @throws OperatingError `client_conf.invalid` (exit `config`); the message never holds a value that may be a secret.
 */
export function parseClientConf(text: string): ClientConf {
  const ipv6 = IPV6_ADDR.exec(text);
  const options = readOptions(text.trim().replace(IPV6_ADDR, '$1addr=ipv6'));
  const { protocol, port } = options;
  if (protocol !== 'http' && protocol !== 'https') {
    throw refusal(`expected http or https, came ${protocol}`, [
      'ILP over TCP is never acknowledged, so nobody could tell what was written: use http',
    ]);
  }
  const host = ipv6?.[2] ?? options.host;
  if (host === undefined || port === undefined || !isServer(host, port))
    throw refusal(ADDR_EXPECTED, EXAMPLES);
  if (options.username === undefined && options.password !== undefined)
    throw refusal('a password came without a username', EXAMPLES);
  if (options.username !== undefined && options.password === undefined)
    throw refusal('a username came without a password', EXAMPLES);
  if (options.username !== undefined && options.token !== undefined) {
    throw refusal('expected a username and a password or a token, came both', EXAMPLES);
  }
  return {
    protocol,
    host,
    port,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.token === undefined ? {} : { token: options.token }),
    tlsVerify: options.tls_verify ?? true,
    ...(options.tls_ca === undefined ? {} : { tlsCa: String(options.tls_ca) }),
  };
}

function isServer(host: string, port: number): boolean {
  return URL.canParse(`http://${host.includes(':') ? `[${host}]` : host}:${port}`) && !/[@/?#]/.test(host);
}

function readOptions(text: string): SenderOptions {
  try {
    return new SenderOptions(text);
  } catch (thrown) {
    throw refusal(withoutSecrets(messageOf(thrown)), EXAMPLES);
  }
}

/**
 * The client quotes what it could not read, which may be half a password (`password=a;b` leaves a setting `b`). Only a
 * key that is near to a known one, a protocol, a port and a switch are shown.
 */
function withoutSecrets(message: string): string {
  const unknownKey = /^Unknown configuration key: '(.*)'$/s.exec(message)?.[1];
  if (unknownKey !== undefined) {
    const [nearest] = nearestWords(unknownKey, KEYS, 1);
    return nearest === undefined
      ? 'a key of it is unknown (not shown: it may be part of a secret; a ";" inside a value is written ";;")'
      : `unknown key ${JSON.stringify(unknownKey)}; did you mean ${nearest}?`;
  }
  if (message.startsWith("Missing '='"))
    return 'a setting has no "=" (not shown: it may be part of a secret; a ";" inside a value is written ";;")';
  // An address such as user:secret@host:9000 has its secret where the port is looked for.
  if (/^(Invalid port|Port is|Host name is)/.test(message)) return ADDR_EXPECTED;
  if (message.startsWith('Invalid protocol:')) return 'it must begin with http:: or https::';
  if (message.includes('control characters'))
    return 'a value holds control characters (not shown: it may be a secret)';
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function refusal(problem: string, hints: readonly string[]): OperatingError {
  return new OperatingError(`expected a QuestDB client configuration string: ${problem}`, {
    code: 'client_conf.invalid',
    exit: 'config',
    hints,
  });
}
