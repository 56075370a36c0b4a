import { SenderOptions } from '@questdb/nodejs-client';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseClientConf } from '../../schemas/client-conf.ts';
import { parsePlainConf } from '../../schemas/read-client-conf.ts';
import { maskClientConf } from '../../schemas/mask-client-conf.ts';
import { OperatingError } from '../../src/core/base/errors.ts';

function refusalOf(text: string): string {
  try {
    parseClientConf(text);
  } catch (thrown) {
    if (thrown instanceof OperatingError)
      return thrown.message.replace('expected a QuestDB client configuration string: ', '');
    throw thrown;
  }
  return 'accepted';
}

describe('a client configuration string', () => {
  test.each([
    ['http::addr=h;', { protocol: 'http', host: 'h', port: 9000, tlsVerify: true }],
    ['http::addr=127.0.0.1:9009', { protocol: 'http', host: '127.0.0.1', port: 9009, tlsVerify: true }],
    ['http::addr=[::1]:9001;', { protocol: 'http', host: '::1', port: 9001, tlsVerify: true }],
    ['http::addr=[fe80::1];', { protocol: 'http', host: 'fe80::1', port: 9000, tlsVerify: true }],
    [
      'https::addr=h:1;username=u;password=a;;b=c;tls_verify=unsafe_off;tls_ca=/ca.pem;',
      {
        protocol: 'https',
        host: 'h',
        port: 1,
        username: 'u',
        password: 'a;b=c',
        tlsVerify: false,
        tlsCa: '/ca.pem',
      },
    ],
    [
      '  http::token=t;addr=h;auto_flush=off;\n',
      { protocol: 'http', host: 'h', port: 9000, token: 't', tlsVerify: true },
    ],
  ])('%j', (text, conf) => {
    expect(parseClientConf(text)).toEqual(conf);
  });

  test.each([
    ['', 'configuration string is missing or empty'],
    [
      'addr=h',
      "missing protocol, configuration string format: 'protocol::key1=value1;key2=value2;key3=value3;'",
    ],
    ['ftp::addr=h;', 'it must begin with http:: or https::'],
    ['tcp::addr=h;', 'expected http or https, came tcp'],
    ['http::', "invalid configuration, 'addr' is required"],
    ['http::addr=h:99999;', 'addr must be host:port, with a port from 1 to 65535'],
    ['http::addr=h:x;', 'addr must be host:port, with a port from 1 to 65535'],
    ['http::addr=u:hunter2@h:9000;', 'addr must be host:port, with a port from 1 to 65535'],
    ['http::addr=h;password=hunter2;', 'a password came without a username'],
    ['http::addr=h;username=u;', 'a username came without a password'],
    [
      'http::addr=h;username=u;password=hunter2;token=t;',
      'expected a username and a password or a token, came both',
    ],
    ['http::addr=h;pasword=x;', 'unknown key "pasword"; did you mean password?'],
    [
      'http::addr=h;password=hun;ter2=x;',
      'a key of it is unknown (not shown: it may be part of a secret; a ";" inside a value is written ";;")',
    ],
    [
      'http::addr=h;password=hun;ter2;',
      'a setting has no "=" (not shown: it may be part of a secret; a ";" inside a value is written ";;")',
    ],
    [
      'http::addr=h;password=hunter2\u0001;',
      'a value holds control characters (not shown: it may be a secret)',
    ],
  ])('%j is refused', (text, refusal) => {
    expect(refusalOf(text)).toBe(refusal);
  });

  test('no message shows a secret', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), fc.constantFrom('password', 'token'), (noise, key) => {
        const text = `http::addr=h:9000;${key}=SECRET${noise}SECRET`;
        expect(refusalOf(text)).not.toContain('SECRET');
        expect(maskClientConf(text)).not.toContain('SECRET');
      }),
    );
  });

  test('is accepted only if the official client accepts it', () => {
    const setting = fc.tuple(
      fc.constantFrom(
        'addr',
        'username',
        'password',
        'token',
        'tls_verify',
        'auto_flush_rows',
        'nonsense',
        'port',
      ),
      fc.constantFrom('h', 'h:9000', 'on', 'unsafe_off', '5', '', 'a;;b', 'x=y', '-1'),
    );
    const conf = fc.tuple(fc.constantFrom('http', 'https', 'tcp', 'x'), fc.array(setting, { maxLength: 4 }));
    fc.assert(
      fc.property(conf, ([protocol, settings]) => {
        const text = `${protocol}::${settings.map(([key, value]) => `${key}=${value};`).join('')}`;
        if (refusalOf(text) !== 'accepted') return;
        const options = new SenderOptions(text);
        expect(parseClientConf(text)).toMatchObject({ host: options.host, port: options.port });
      }),
    );
  });

  test('that names a server only is read the same without the official client', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9.-]{1,12}$/);
    const address = fc.tuple(fc.oneof(name, fc.ipV4(), fc.domain()), fc.integer({ min: 0, max: 70_000 }));
    fc.assert(
      fc.property(fc.constantFrom('http', 'https', 'tcp'), address, (protocol, [host, port]) => {
        const text = `${protocol}::addr=${host}:${port};`;
        const plain = parsePlainConf(text);
        if (plain !== undefined) expect(plain).toEqual(parseClientConf(text));
      }),
    );
    expect(parsePlainConf('http::addr=db-1.example.org:9000;')).toBeDefined();
    expect(parsePlainConf('http::addr=127.0.0.1:65535;')).toBeDefined();
    expect(parsePlainConf('http::addr=127.0.0.1:65536;')).toBeUndefined();
    expect(parsePlainConf('http::addr=h:9000;token=t;')).toBeUndefined();
  });

  test.each([
    ['http::addr=h:9000;token=abc;', 'http::addr=h:9000;token=***;'],
    [
      'https::addr=h;username=u;password=a;;b;tls_verify=on',
      'https::addr=h;username=u;password=***;tls_verify=on;',
    ],
    ['http::addr=u:secret@h:9000;', 'http::addr=***;'],
    ['http::addr=h;passwort=abc;', 'http::addr=h;***;'],
    ['secret', '***;'],
    ['', ''],
  ])('%j is shown as %j', (text, shown) => {
    expect(maskClientConf(text)).toBe(shown);
  });
});
