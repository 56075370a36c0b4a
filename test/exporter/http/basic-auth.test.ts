/** Goal: where there are users, nothing is answered to anybody else, on any path. Method: curl, and a web-config file that changes. */
import { hashSync } from 'bcryptjs';
import { expect, test } from 'vitest';
import { ask, basic, bearer, get } from '../../serve/access/ask.ts';
import { curl, HERE, makeCertificates } from './certificates.ts';
import { serving, type TestServer } from './metrics-server.ts';
import { TEXT } from './metrics-text.ts';

const files = makeCertificates();
files.authority('ca');
files.signed('server', 'ca', HERE);

/** As htpasswd writes it. */
function hash(password: string): string {
  return hashSync(password, 5).replace(/^\$2b\$/, '$2y$');
}

const USERS = `basic_auth_users:\n  prom: ${hash('pw: of prom')}\n  ada: ${hash('pw of ada')}\n`;

async function withUsers(text = USERS): Promise<TestServer> {
  return await serving({ webConfigFile: files.config(text) });
}

/** The status that curl gets, and the body. */
async function asked({ port }: TestServer, path: string, ...args: string[]): Promise<[string, string]> {
  const { stdout } = await curl('-w', '\n%{http_code}', ...args, `http://127.0.0.1:${port}${path}`);
  const at = stdout.lastIndexOf('\n');
  return [stdout.slice(at + 1), stdout.slice(0, at)];
}

test('a user is answered, on every path', async () => {
  const server = await withUsers();
  expect(await asked(server, '/metrics', '-u', 'prom:pw: of prom')).toEqual(['200', TEXT]);
  expect(await asked(server, '/metrics', '-u', 'ada:pw of ada')).toEqual(['200', TEXT]);
  expect(await asked(server, '/health', '-u', 'prom:pw: of prom')).toEqual(['200', 'OK']);
  expect(await asked(server, '/nothing', '-u', 'prom:pw: of prom')).toEqual(['404', '404 page not found\n']);
  // A hash of a cost below 10.
  expect(server.told.map(({ code, sentence }) => [code, sentence.includes('2 of 2 hashes')])).toEqual([
    ['serve.warning', true],
  ]);
});

test.each(['/', '/health', '/metrics', '/nothing'])('nobody else is answered at %s', async (path) => {
  const { port } = await withUsers();
  const none = await ask(port, { bytes: get(path) });
  expect(none).toMatchObject({ status: 401, body: 'Unauthorized\n' });
  expect(none.head).toContain('\r\nwww-authenticate: basic realm="gpuledger", charset="utf-8"');
  for (const credentials of [
    basic('prom', 'pw of ada'),
    basic('prom', ''),
    basic('PROM', 'pw: of prom'),
    basic('', 'pw: of prom'),
    basic('nobody', 'pw: of prom'),
    basic('__proto__', 'pw: of prom'),
    bearer('pw: of prom'),
    'Authorization: Basic\r\n',
    'Authorization: Basic !!!\r\n',
    `Authorization: ${'x'.repeat(9000)}\r\n`,
  ]) {
    const { status, body, head } = await ask(port, { bytes: get(path, credentials) });
    expect([status, body]).toEqual([401, 'Unauthorized\n']);
    expect(head).toContain('x-content-type-options: nosniff');
  }
  const twice = await ask(port, { bytes: get(path, basic('x', 'x') + basic('prom', 'pw: of prom')) });
  expect(twice.status).toBe(400);
});

test('who tries wrong passwords waits, and nobody else does', async () => {
  const server = await withUsers();
  const tries: number[] = [];
  for (let count = 0; count < 12; count += 1)
    tries.push((await ask(server.port, { bytes: get('/metrics', basic('prom', `${count}`)) })).status);
  // Ten at once; on a slow machine one or two more have come back meanwhile.
  expect(tries.slice(0, 10)).toEqual(Array(10).fill(401));
  await expect
    .poll(async () => (await ask(server.port, { bytes: get('/', basic('prom', `${Math.random()}`)) })).status)
    .toBe(429);
  const { head } = await ask(server.port, { bytes: get('/metrics', basic('prom', 'x')) });
  if (head.startsWith('http/1.1 429')) expect(head).toMatch(/\r\nretry-after: \d+/);
  expect(server.told.map(({ code }) => code)).toContain('serve.slowed');
  const other = await ask(server.port, {
    bytes: get('/metrics', basic('prom', 'pw: of prom')),
    from: '127.0.0.77',
  });
  expect(other).toMatchObject({ status: 200, body: TEXT });
});

test('a hundred scrapers with one password are one check', async () => {
  const { port } = await withUsers();
  const bytes = get('/health', basic('prom', 'pw: of prom'));
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(port, { bytes })));
  expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(200));
});

test('a new password holds once the file has it, and the former one no more', async () => {
  const { port, told } = await withUsers();
  const status = async (password: string): Promise<number> =>
    (await ask(port, { bytes: get('/metrics', basic('prom', password)) })).status;
  expect(await status('pw: of prom')).toBe(200);
  files.config(`basic_auth_users: {prom: "${hash('new')}"}`);
  await expect.poll(() => status('pw: of prom')).toBe(401);
  expect(await status('new')).toBe(200);
  // Nobody is let in by a file that is empty for a moment, or holds what is no hash.
  for (const [text, said] of [
    ['', 'a password is no longer asked for'],
    ['basic_auth_users: {}', 'a password is no longer asked for'],
    ['basic_auth_users: {prom: plain}', 'expected a bcrypt hash'],
  ] as const) {
    files.config(text);
    await expect
      .poll(async () => {
        await status('new');
        return told.map(({ sentence }) => sentence).join('\n');
      })
      .toContain(said);
    expect((await ask(port, { bytes: get('/metrics') })).status).toBe(401);
    expect(await status('new')).toBe(200);
  }
  expect(JSON.stringify(told)).not.toContain('plain');
});

test('TLS and users hold together, and headers are on every answer', async () => {
  const server = await withUsers(
    `${USERS}tls_server_config: {cert_file: server.pem, key_file: server.key}
http_server_config:
  headers:
    Content-Security-Policy: "default-src 'none'"
    X-Frame-Options: deny
    X-XSS-Protection: ""
    Strict-Transport-Security: max-age=60
`,
  );
  const args = ['-i', '--cacert', files.path('ca.pem'), `https://127.0.0.1:${server.port}/metrics`];
  for (const [status, user] of [
    [200, ['-u', 'prom:pw: of prom']],
    [401, ['-u', 'prom:wrong']],
    [401, []],
  ] as const) {
    const { stdout } = await curl(...user, ...args);
    expect(stdout).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(stdout).toMatch(/^Content-Security-Policy: default-src 'none'\r$/m);
    expect(stdout).toMatch(/^X-Frame-Options: deny\r$/m);
    expect(stdout).toMatch(/^Strict-Transport-Security: max-age=60\r$/m);
    expect(stdout).toMatch(/^X-Content-Type-Options: nosniff\r$/m);
    expect(stdout).not.toMatch(/XSS/i);
  }
});
