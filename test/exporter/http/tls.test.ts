/** Goal: TLS is what the web-config file says, for the client too. Method: certificates of openssl, curl, and handshakes of node's own client. */
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { ask, get } from '../../serve/access/ask.ts';
import { curl, HERE, makeCertificates, RSA } from './certificates.ts';
import { closed, connected, serving, type TestServer } from './metrics-server.ts';
import { TEXT } from './metrics-text.ts';

const files = makeCertificates();
files.authority('ca');
files.authority('other-ca');
files.signed('server', 'ca', HERE);
files.signed('rsa', 'ca', HERE, RSA);
files.signed('next', 'ca', HERE);
files.signed('client', 'ca', 'DNS:prometheus.example.org');
files.signed('stranger', 'other-ca', 'DNS:prometheus.example.org');
const CA = readFileSync(files.path('ca.pem'));

async function over(settings: string, certificate = 'server', more = {}): Promise<TestServer> {
  const pair = `  cert_file: ${certificate}.pem\n  key_file: ${certificate}.key\n`;
  const lines = settings.split('\n').map((line) => `  ${line}\n`);
  return await serving({
    webConfigFile: files.config(`tls_server_config:\n${pair}${lines.join('')}`),
    ...more,
  });
}

/** What curl gets of /metrics, `refused` where it comes to no answer. */
async function scraped({ port }: TestServer, ...args: string[]): Promise<string> {
  const url = `https://127.0.0.1:${port}/metrics`;
  const { exitCode, stdout } = await curl('--cacert', files.path('ca.pem'), ...args, url);
  return exitCode === 0 ? stdout : 'refused';
}

function as(name: string): string[] {
  return ['--cert', files.path(`${name}.pem`), '--key', files.path(`${name}.key`)];
}

/** A handshake of node's client; undefined where there is none. */
async function shake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket | undefined> {
  const socket = connect({ host: '127.0.0.1', port, ca: CA, servername: 'localhost', ...options });
  onTestFinished(() => {
    socket.destroy();
  });
  return await new Promise((resolve) => {
    socket
      .once('secureConnect', () => {
        resolve(socket);
      })
      .on('error', () => {
        resolve(undefined);
      });
  });
}

describe('over TLS', () => {
  test('metrics are scraped, and not without it', async () => {
    const server = await over('');
    expect(await scraped(server)).toBe(TEXT);
    expect((await curl(`http://127.0.0.1:${server.port}/metrics`)).exitCode).not.toBe(0);
    expect((await curl(`https://127.0.0.1:${server.port}/metrics`)).exitCode).toBe(60);
    expect(server.told.map(({ code, sentence }) => `${code}: ${sentence}`)).toEqual([
      'exporter.handshake: 127.0.0.1 is not let in by TLS: it asks by plain HTTP (in Prometheus: scheme: https)',
    ]);
  });

  test('HTTP/2 is not spoken, which is told where it is asked for', async () => {
    const server = await serving({
      webConfigFile: files.config(
        `http_server_config: {http2: true}\ntls_server_config: {cert_file: server.pem, key_file: server.key}\n`,
      ),
    });
    expect(server.told.map(({ sentence }) => sentence)).toEqual([
      expect.stringContaining('HTTP/2 is not served'),
    ]);
    expect(await scraped(server, '--http2', '-o', '/dev/null', '-w', '%{http_version}')).toBe('1.1');
  });

  test('certificate and key may stand in the file itself', async () => {
    const block = (name: string): string =>
      readFileSync(files.path(name), 'utf8').trim().replaceAll('\n', '\n    ');
    const webConfigFile = files.config(
      `tls_server_config:\n  cert: |\n    ${block('server.pem')}\n  key: |\n    ${block('server.key')}\n`,
    );
    expect(await scraped(await serving({ webConfigFile }))).toBe(TEXT);
  });

  test('who never begins with it is cut off', async () => {
    const { port } = await over('', 'server', { readTimeoutMs: 500 });
    const socket = connected(port);
    socket.resume();
    await closed(socket);
  });

  test('who looks whether the port is open is no warning', async () => {
    const { port, told } = await over('');
    const socket = connected(port);
    socket.end();
    await expect
      .poll(() => told.map(({ level, code }) => `${level} ${code}`))
      .toEqual(['debug exporter.handshake']);
  });

  test('who sends what is none is cut off, and others are served', async () => {
    const server = await over('');
    expect(await ask(server.port, { bytes: get('/metrics') })).toMatchObject({ body: '' });
    expect(await ask(server.port, { bytes: Buffer.alloc(100_000, 0x16) })).toMatchObject({ body: '' });
    expect(await scraped(server)).toBe(TEXT);
  });
});

describe('of clients', () => {
  const authority = 'client_ca_file: ca.pem';
  test.each<[string, string, Record<'none' | 'client' | 'stranger', boolean>]>([
    ['NoClientCert', '', { none: true, client: true, stranger: true }],
    ['RequestClientCert', '', { none: true, client: true, stranger: true }],
    ['RequestClientCert', authority, { none: true, client: true, stranger: true }],
    ['RequireAnyClientCert', '', { none: false, client: true, stranger: true }],
    ['RequireClientCert', '', { none: false, client: true, stranger: true }],
    ['VerifyClientCertIfGiven', authority, { none: true, client: true, stranger: false }],
    ['RequireAndVerifyClientCert', authority, { none: false, client: true, stranger: false }],
  ])('%s %s lets in: %j', async (kind, ca, expected) => {
    const server = await over(`client_auth_type: ${kind}\n${ca}`);
    const came = {
      none: await scraped(server),
      client: await scraped(server, ...as('client')),
      stranger: await scraped(server, ...as('stranger')),
    };
    for (const version of ['--tlsv1.3', '--tls-max=1.2'])
      expect([version, await scraped(server, ...version.split('='))]).toEqual([version, came.none]);
    const letIn = Object.entries(came).map(([who, text]) => [who, text === TEXT]);
    expect(Object.fromEntries(letIn)).toEqual(expected);
    const wasRefused = Object.values(expected).includes(false);
    const warned = server.told.filter(({ level }) => level === 'warn');
    expect(warned.map(({ level, code }) => `${level} ${code}`)).toEqual(
      wasRefused ? ['warn exporter.handshake'] : [],
    );
  });

  test.each([
    ['DNS:prometheus.example.org', 'prometheus.example.org', true],
    ['DNS:prometheus.example.org', 'example.org', false],
    ['DNS:prometheus.example.org', 'Prometheus.example.org', false],
    ['DNS:a,DNS:b', 'b', true],
    ['DNS:a,DNS:b', 'a, DNS:b', false],
    ['email:ops@example.org', 'ops@example.org', true],
    ['IP:10.0.0.7', '10.0.0.7', true],
    ['IP:fd00:0:0:0:0:0:0:1', 'fd00::1', true],
    ['IP:fd00:0:0:0:0:0:0:1', 'fd00:0:0:0:0:0:0:1', false],
    ['URI:spiffe://example.org/prometheus', 'spiffe://example.org/prometheus', true],
    // A name that would be another one's, if it were read as text.
    ['URI:http://evil/\\,DNS:b', 'b', false],
    ['URI:http://evil/\\,DNS:b', 'http://evil/,DNS:b', true],
    ['dirName:subject', 'prometheus', false],
  ])('one that is %s is let in by client_allowed_sans ["%s"]: %s', async (sans, allowed, isLetIn) => {
    const [extra, value] = sans.startsWith('dirName')
      ? ['\n[subject]\nCN=prometheus', sans]
      : ['', sans.includes('\\,') ? `@names\n[names]\n${sans.replace(':', '=').replace('\\,', ',')}` : sans];
    writeFileSync(
      files.path('ext.cnf'),
      `[req]\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n[ext]\nsubjectAltName=${value}${extra}\n`,
    );
    const { execFileSync } = await import('node:child_process');
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'];
    const place = [
      '-config',
      files.path('ext.cnf'),
      '-keyout',
      files.path('x.key'),
      '-out',
      files.path('x.pem'),
    ];
    const signer = ['-CA', files.path('ca.pem'), '-CAkey', files.path('ca.key')];
    execFileSync('openssl', ['req', '-x509', ...key, ...place, ...signer], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const server = await over(
      `client_auth_type: RequireAndVerifyClientCert\nclient_ca_file: ca.pem\nclient_allowed_sans: ['other', '${allowed}']`,
    );
    expect(await scraped(server, ...as('x'))).toBe(isLetIn ? TEXT : 'refused');
    expect(await scraped(server)).toBe('refused');
  });
});

describe('what is chosen of TLS is what is spoken', () => {
  test.each([
    ['', 'TLSv1.3'],
    ['max_version: TLS12', 'TLSv1.2'],
    ['min_version: TLS13', 'TLSv1.3'],
    ['min_version: TLS10', 'TLSv1.3'],
  ])('%s', async (settings, newest) => {
    const { port } = await over(settings);
    expect((await shake(port))?.getProtocol()).toBe(newest);
    const versions = ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
    const spoken = await Promise.all(
      versions.map(async (version) => {
        const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' } as const;
        return (await shake(port, old)) !== undefined;
      }),
    );
    expect(spoken).toEqual([false, !settings.includes('TLS13'), !settings.includes('TLS12')]);
  });

  // Node tells the names of IANA, which are those of Go.
  test.each([
    ...['TLS_RSA_WITH_AES_128_CBC_SHA', 'TLS_RSA_WITH_AES_256_CBC_SHA', 'TLS_RSA_WITH_AES_128_GCM_SHA256'],
    ...[
      'TLS_RSA_WITH_AES_256_GCM_SHA384',
      'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA',
      'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA',
    ],
    ...['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
    ...['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA'],
    ...['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'],
    ...['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'],
  ])('%s', async (name) => {
    const { port } = await over(`cipher_suites: [${name}]`, name.includes('ECDSA') ? 'server' : 'rsa');
    const socket = await shake(port, { maxVersion: 'TLSv1.2', ciphers: 'ALL' });
    expect(socket?.getCipher().standardName).toBe(name);
    // Those of the newer version are there whatever is chosen.
    expect((await shake(port))?.getProtocol()).toBe('TLSv1.3');
    const other = { maxVersion: 'TLSv1.2', ciphers: `ALL:!${socket?.getCipher().name ?? ''}` } as const;
    expect(await shake(port, other)).toBeUndefined();
  });

  test('of the newer version all suites, also where one of them is named', async () => {
    const { port } = await over(
      'cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]',
    );
    const socket = await shake(port, { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' });
    expect(socket?.getCipher().name).toBe('TLS_CHACHA20_POLY1305_SHA256');
  });

  test.each([
    ['prefer_server_cipher_suites: true', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ['', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    ['prefer_server_cipher_suites: false', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ])('of two suites, with "%s"', async (settings, chosen) => {
    const suites = 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256';
    const { port } = await over(`cipher_suites: [${suites}]\n${settings}`);
    const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';
    expect((await shake(port, { maxVersion: 'TLSv1.2', ciphers }))?.getCipher().name).toBe(chosen);
  });

  test.each([
    ['CurveP256', 'prime256v1'],
    ['CurveP384', 'secp384r1'],
    ['CurveP521', 'secp521r1'],
    ['X25519', 'X25519'],
  ])('curve %s', async (curve, name) => {
    const { port } = await over(`curve_preferences: [${curve}]`);
    const ecdhCurve = 'X25519:prime256v1:secp384r1:secp521r1';
    const socket = await shake(port, { maxVersion: 'TLSv1.2', ecdhCurve });
    expect(socket?.getEphemeralKeyInfo()).toMatchObject({ name });
    const others = ecdhCurve.split(':').filter((one) => one !== name);
    expect(await shake(port, { ecdhCurve: others.join(':') })).toBeUndefined();
  });
});

describe('when files change', () => {
  const served = async (port: number): Promise<string> =>
    [(await shake(port))?.getPeerCertificate().subject.CN ?? 'none'].join('');
  const use = (name: string): void => {
    // The key first, and each in one step: between the two nothing fits.
    for (const end of ['key', 'pem']) {
      copyFileSync(files.path(`${name}.${end}`), files.path('new'));
      renameSync(files.path('new'), files.path(`live.${end}`));
    }
  };

  test('the next handshake is by the new certificate, and who is connected stays so', async () => {
    use('server');
    const { port, told } = await over('', 'live');
    const kept = (await shake(port))!;
    expect(await served(port)).toBe('server');
    use('next');
    await expect.poll(() => served(port)).toBe('next');
    kept.write(get('/metrics'));
    const chunks: Buffer[] = [];
    for await (const chunk of kept) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toContain(TEXT);
    // Between key and certificate somebody may have looked.
    expect(told.map(({ code }) => code).filter((code) => code !== 'serve.tls')).toEqual(['serve.file_taken']);
  });

  test('a certificate that is none changes nothing, and is told once', async () => {
    use('server');
    const { port, told } = await over('', 'live');
    writeFileSync(files.path('live.pem'), 'none');
    await expect.poll(async () => [await served(port), told.length]).toEqual(['server', 1]);
    expect(told[0]).toMatchObject({ level: 'error', code: 'serve.tls' });
    expect(told[0]!.sentence).toContain(`holds as it was: expected a certificate (PEM)`);
    use('next');
    await expect.poll(() => served(port)).toBe('next');
  });

  test('TLS that is no longer asked for stays until a restart', async () => {
    const server = await over('client_auth_type: RequireAnyClientCert');
    for (const [text, what] of [
      ['', 'TLS'],
      ['tls_server_config: {cert_file: server.pem, key_file: server.key}', 'a certificate of clients'],
    ] as const) {
      files.config(text);
      await expect
        .poll(async () => {
          await scraped(server);
          return server.told.map(({ sentence }) => sentence).join('\n');
        })
        .toContain(`${what} is no longer asked for`);
      expect(await scraped(server)).toBe('refused');
      expect(await scraped(server, ...as('client'))).toBe(TEXT);
    }
  });

  test('TLS that is newly asked for holds from the next connection on', async () => {
    const server = await serving({ webConfigFile: files.config('') });
    expect(await ask(server.port, { bytes: get('/metrics') })).toMatchObject({ body: TEXT });
    files.config('tls_server_config: {cert_file: server.pem, key_file: server.key}');
    await expect.poll(() => scraped(server)).toBe(TEXT);
    expect(await ask(server.port, { bytes: get('/metrics') })).toMatchObject({ body: '' });
  });
});
