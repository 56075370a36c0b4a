import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  addressTest,
  isLoopback,
  parseAddressRange,
  parseListenAddress,
} from '../../src/config/addresses.ts';
import { loadConfig, type ConfigRequest, type LoadedConfig } from '../../src/config/config-file.ts';
import { OperatingError } from '../../src/core/base/errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpuledger-serve-keys-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

async function load(keys: string, more: Partial<ConfigRequest> = {}): Promise<LoadedConfig> {
  const file = join(directory, 'gpuledger.yaml');
  writeFileSync(file, keys === '' ? '' : `serve:\n${keys}`);
  return await loadConfig({ file, env: {}, flags: [], ...more });
}

async function refusalOf(keys: string, more: Partial<ConfigRequest> = {}): Promise<string> {
  try {
    await load(keys, more);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    expect([thrown.code, thrown.exit]).toEqual(['config.invalid', 'config']);
    return [thrown.message, thrown.where ?? '', ...thrown.hints].join('\n');
  }
  return 'accepted';
}

describe('where the server listens', () => {
  test.each([
    ['127.0.0.1:8470', '127.0.0.1', 8470],
    ['[::1]:8470', '::1', 8470],
    ['localhost:0', 'localhost', 0],
    ['LOCALHOST:1', 'localhost', 1],
    ['[::ffff:127.0.0.1]:65535', '::ffff:127.0.0.1', 65_535],
  ])('%s', (text, host, port) => {
    expect(parseListenAddress(text)).toEqual({ host, port });
    expect(isLoopback(host)).toBe(true);
  });

  test.each(['0.0.0.0:1', '[::]:1', '10.0.0.1:1', '[2001:db8::1]:1', '128.0.0.1:1'])(
    '%s is beyond this machine',
    (text) => {
      expect(isLoopback(parseListenAddress(text)!.host)).toBe(false);
    },
  );

  test.each([
    ...['', '8470', ':8470', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:-1', '127.0.0.1:8x'],
    ...['::1:8470', '[::1]', '[127.0.0.1]:1', 'gpu.example.org:1', '127.1:1', '0x7f.0.0.1:1', '[::1%lo]:1'],
    ...['127.0.0.1:8470\n', ' 127.0.0.1:8470', 'http://127.0.0.1:8470', '1.2.3.4:5:6'],
  ])('%j is no address', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});

describe('ranges of addresses', () => {
  test.each([
    ['10.0.0.7', '10.0.0.7', true],
    ['10.0.0.7', '10.0.0.8', false],
    ['10.0.0.7', '::ffff:10.0.0.7', true],
    ['10.0.0.0/24', '10.0.0.255', true],
    ['10.0.0.0/24', '10.0.1.0', false],
    ['2001:db8::/32', '2001:db8:1::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['::1', '127.0.0.1', false],
    ['127.0.0.1', 'localhost', false],
    ['127.0.0.1', '', false],
    ['127.0.0.1', undefined, false],
  ])('%s has %s: %s', (range, address, isIn) => {
    expect(addressTest([parseAddressRange(range)!])(address)).toBe(isIn);
  });

  test.each(['', '10.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/', '/8', 'proxy', '10.0.0.1-9', '10.0.0.256'])(
    '%j is none',
    (text) => {
      expect(parseAddressRange(text)).toBeUndefined();
    },
  );
});

describe('the section serve', () => {
  test('listens on this machine where nothing is written', async () => {
    const { config, shown } = await load('');
    expect(config.serve).toEqual({ listen: { host: '127.0.0.1', port: 8470 } });
    expect(shown().find(({ key }) => key === 'serve.listen')?.value).toBe('127.0.0.1:8470');
  });

  test('is as it is written; files are beside the configuration', async () => {
    const { config, shown } = await load(
      '  listen: "[::]:443"\n  url: HTTPS://GPU.example.org/node/n1\n  tls_cert: c.pem\n  tls_key: k.pem\n  users_file: users\n' +
        '  tokens_file: /t\n  proxy_header: X-Forwarded-User\n  proxy_addresses: [10.0.0.7, "2001:db8::/48"]\n  roles_file: r\n',
    );
    expect(config.serve).toEqual({
      listen: { host: '::', port: 443 },
      url: 'https://gpu.example.org/node/n1/',
      tlsCert: join(directory, 'c.pem'),
      tlsKey: join(directory, 'k.pem'),
      usersFile: join(directory, 'users'),
      tokensFile: '/t',
      proxyHeader: 'x-forwarded-user',
      proxyAddresses: [
        { address: '10.0.0.7', prefixBits: 32 },
        { address: '2001:db8::', prefixBits: 48 },
      ],
      rolesFile: join(directory, 'r'),
    });
    const written = new Map(shown().map(({ key, value }) => [key, value]));
    expect(written.get('serve.listen')).toBe('[::]:443');
    expect(written.get('serve.proxy_addresses')).toBe('10.0.0.7, 2001:db8::/48');
  });

  test('can come from flag and environment', async () => {
    const { config } = await load('  proxy_header: x-user\n', {
      env: { GPULEDGER_SERVE_PROXY_ADDRESSES: '::1, 127.0.0.1' },
      flags: [{ key: 'serve.listen', value: '[::1]:99', origin: '--listen' }],
    });
    expect(config.serve).toMatchObject({
      listen: { host: '::1', port: 99 },
      proxyAddresses: [{ address: '::1' }, { address: '127.0.0.1' }],
    });
  });

  const READERS = '  users_file: u\n';
  const TLS = '  tls_cert: c\n  tls_key: k\n';
  test.each([
    ['  listen: 0.0.0.0:8470\n', 'expected TLS (serve.tls_cert, serve.tls_key) and one of serve.users_file'],
    [`  listen: 0.0.0.0:8470\n${READERS}`, 'expected TLS (serve.tls_cert, serve.tls_key) beside an address'],
    [`  listen: 0.0.0.0:8470\n${TLS}`, 'expected one of serve.users_file, serve.tokens_file and'],
    [`  listen: "[::]:8470"\n${TLS}  roles_file: r\n`, 'expected one of serve.users_file'],
    ['  tls_cert: c\n', 'serve.tls_cert: expected serve.tls_key beside it, came nothing'],
    ['  tls_key: c\n', 'serve.tls_key: expected serve.tls_cert beside it, came nothing'],
    ['  proxy_header: x-user\n', 'serve.proxy_header: expected serve.proxy_addresses beside it'],
    ['  proxy_addresses: ::1\n', 'serve.proxy_addresses: expected serve.proxy_header beside it'],
    ['  listen: 8470\n', 'serve.listen: expected an address and a port such as'],
    ['  listen: gpu.example.org:8470\n', 'serve.listen: expected an address and a port such as'],
    ['  url: gpu.example.org\n', 'serve.url: expected a URL such as https://gpu.example.org/'],
    ['  url: ftp://gpu.example.org\n', 'serve.url: expected http or https, came another way'],
    ['  url: https://u:s3cr3t@gpu.example.org\n', 'serve.url: expected no password in it, came one'],
    ['  url: https://gpu.example.org/?t=1\n', 'serve.url: expected a URL without ? and #'],
    ['  proxy_header: authorization\n', 'serve.proxy_header: expected the header in which the proxy'],
    ['  proxy_header: x_user\n', 'serve.proxy_header: expected the header in which the proxy'],
    ['  proxy_header: X-Forwarded-For\n', 'serve.proxy_header: expected the header in which the proxy'],
    ['  proxy_header: x\n  proxy_addresses: 0.0.0.0/0\n', 'came 0.0.0.0/0: all there are'],
    ['  proxy_header: x\n  proxy_addresses: []\n', 'expected addresses or ranges such as'],
    ['  proxy_header: x\n  proxy_addresses: [10.0.0.1, x]\n', 'expected addresses or ranges such as'],
    ['  password: s3cr3t\n', 'unknown key "password" in serve'],
  ])('%j is refused, and no secret is shown', async (keys, said) => {
    const refusal = await refusalOf(keys);
    expect(refusal).toContain(said);
    expect(refusal).not.toContain('s3cr3t');
  });

  test('a password in an address is shown from no layer', async () => {
    const refusal = await refusalOf('', { env: { GPULEDGER_SERVE_URL: 'https://u:s3cr3t@gpu.example.org' } });
    expect(refusal).toContain('GPULEDGER_SERVE_URL=***');
    expect(refusal).not.toContain('s3cr3t');
  });

  test('reaches others with TLS and one way to know them', async () => {
    for (const way of ['users_file: u', 'tokens_file: t', 'proxy_header: x\n  proxy_addresses: ::1'])
      expect(await refusalOf(`  listen: 0.0.0.0:8470\n${TLS}  ${way}\n`), way).toBe('accepted');
  });
});
