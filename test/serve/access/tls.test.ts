import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import type { Notice } from '../../../src/core/base/notice.ts';
import { openAccess } from '../../../src/serve/access/access.ts';
import { readTls } from '../../../src/serve/access/tls.ts';
import { createTlsServer } from '../../../src/serve/access/tls-server.ts';
import { ask, get } from './ask.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/tls');
const CA = readFileSync(join(FIXTURES, 'ca.pem'));
const directory = mkdtempSync(join(tmpdir(), 'gpuledger-tls-'));
const [CERT, KEY] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function write(path: string, bytes: string | Buffer, mode = 0o600): void {
  writeFileSync(path, bytes);
  chmodSync(path, mode);
}

function writePair(): void {
  copyFileSync(join(FIXTURES, 'server.pem'), CERT);
  write(KEY, readFileSync(join(FIXTURES, 'server-key.pem')));
}

function otherKey(cipher?: { cipher: string; passphrase: string }): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }) as string;
}

function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    expect([thrown.code, thrown.exit]).toEqual(['serve.tls', 'config']);
    return [thrown.message, thrown.where ?? '', ...thrown.hints].join('\n');
  }
  return '';
}

describe('a certificate and its key', () => {
  test('are taken where they fit, with a warning outside their time', () => {
    writePair();
    const read = (year: number): readonly string[] => readTls(CERT, KEY, Date.UTC(year, 0)).warnings;
    expect(read(2100)).toEqual([]);
    expect(read(2200)).toEqual([expect.stringContaining('expired on 2126-10-28')]);
    expect(read(2000)).toEqual([expect.stringContaining('holds from 2026-11-21 on only')]);
  });

  const encrypted = otherKey({ cipher: 'aes-256-cbc', passphrase: 's3cr3t' });
  test.each([
    [
      'another key',
      () => {
        write(KEY, otherKey());
      },
      'the certificate and the key do not belong together',
    ],
    [
      'a key that all may read',
      () => {
        chmodSync(KEY, 0o604);
      },
      'can be read or written by everybody',
    ],
    [
      'a key that all may write',
      () => {
        chmodSync(KEY, 0o602);
      },
      'can be read or written by everybody',
    ],
    [
      'a key that is encrypted',
      () => {
        write(KEY, encrypted);
      },
      'is encrypted, and nobody is there',
    ],
    [
      'a key that is none',
      () => {
        write(KEY, 's3cr3t');
      },
      'expected the private key of the certificate (PEM)',
    ],
    [
      'a certificate as key',
      () => {
        copyFileSync(CERT, KEY);
        chmodSync(KEY, 0o600);
      },
      'expected the private key',
    ],
    [
      'a key as certificate',
      () => {
        write(CERT, otherKey());
      },
      'expected a certificate (PEM)',
    ],
    [
      'an empty certificate',
      () => {
        write(CERT, '');
      },
      'expected a certificate (PEM)',
    ],
    [
      'no certificate',
      () => {
        rmSync(CERT);
      },
      'the certificate cannot be read: there is no such file',
    ],
    [
      'no key',
      () => {
        rmSync(KEY);
      },
      'the key of the certificate cannot be read: there is no such file',
    ],
    [
      'a key without end',
      () => {
        write(KEY, Buffer.alloc(300_000));
      },
      'expected at most 256 KiB, found more',
    ],
  ])('with %s are refused at the start, and nothing of them is shown', (_what, spoil, said) => {
    writePair();
    spoil();
    const refusal = refusalOf(() => readTls(CERT, KEY, Date.now()));
    expect(refusal).toContain(said);
    expect(refusal).not.toMatch(/s3cr3t|BEGIN/);
  });
});

/** A server on the loopback that answers `yes`, with a clock that stands. */
async function listening() {
  writePair();
  const told: Notice[] = [];
  let nowMs = 0;
  const access = openAccess({
    serve: { listen: { host: '127.0.0.1', port: 0 }, tlsCert: CERT, tlsKey: KEY },
    tell: (notice) => told.push(notice),
    nowMs: () => nowMs,
  });
  const server = createTlsServer(access.tls!, {}, (_request, response) => response.end('yes'));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  stops.push(() => server.close());
  return {
    port: (server.address() as AddressInfo).port,
    later: () => {
      nowMs += 1000;
    },
    told: () => told.splice(0).map(({ level, code }) => `${level} ${code}`),
  };
}

/** The last day of the certificate that a new connection is shown, or why there is none. */
async function shake(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ca: CA, servername: 'localhost', ...options });
  return await new Promise((resolve) => {
    socket
      .on('secureConnect', () => {
        resolve(socket.getPeerCertificate().valid_to);
        socket.destroy();
      })
      .on('error', (error: NodeJS.ErrnoException) => {
        resolve(error.code ?? error.message);
      });
  });
}

describe('over TLS', () => {
  test('a request is answered, and one without TLS is not', async () => {
    const { port } = await listening();
    expect(await ask(port, { bytes: get('/'), ca: CA })).toMatchObject({ status: 200, body: 'yes' });
    expect(await ask(port, { bytes: get('/') })).toMatchObject({ status: 0, body: '' });
  });

  test.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    const { port } = await listening();
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await shake(port, old)).toMatch(/PROTOCOL|ECONNRESET|UNSUPPORTED/);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is not', async (version) => {
    const { port } = await listening();
    expect(await shake(port, { minVersion: version, maxVersion: version })).toContain('2126');
  });

  test('a new certificate is that of the next connection', async () => {
    const { port, later, told } = await listening();
    expect(await shake(port)).toContain('2126');
    copyFileSync(join(FIXTURES, 'expired.pem'), CERT);
    later();
    expect(await shake(port)).toBe('CERT_HAS_EXPIRED');
    expect(told()).toEqual(['warn serve.warning', 'info serve.file_taken']);
    copyFileSync(join(FIXTURES, 'server.pem'), CERT);
    later();
    expect(await shake(port)).toContain('2126');
  });

  test('a new certificate without its key changes nothing until the key comes', async () => {
    const { port, later, told } = await listening();
    write(KEY, otherKey());
    later();
    expect(await shake(port)).toContain('2126');
    expect(told()).toEqual(['error serve.tls']);
    later();
    expect(await shake(port)).toContain('2126');
    expect(told()).toEqual([]);
    writePair();
    later();
    expect(await shake(port)).toContain('2126');
    expect(told()).toEqual(['info serve.file_taken']);
  });
});

test('nobody listens beyond this machine without TLS and readers that are known', () => {
  writePair();
  const open = (more: object) => () =>
    openAccess({ serve: { listen: { host: '0.0.0.0', port: 0 }, ...more }, tell: () => undefined });
  expect(open({})).toThrow('the configuration lets nobody listen');
  expect(open({ tlsCert: CERT, tlsKey: KEY })).toThrow('the configuration lets nobody listen');
  expect(open({ proxyHeader: 'x', proxyAddresses: [] })).toThrow('the configuration lets nobody listen');
});
