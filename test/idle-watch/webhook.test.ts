import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { Taken } from '../../src/idle-watch/channel.ts';
import { openWebhook } from '../../src/idle-watch/webhook.ts';
import { httpServer, listen, rawServer, type BadServer } from '../helpers/bad-server.ts';

const TLS = join(import.meta.dirname, '../fixtures/tls');
const SECRET = 's3cr3t-path';
const MESSAGE = { text: 'Job 4217 …\n', json: '{"event":"idle","text":"ü"}' };
const directory = mkdtempSync(join(tmpdir(), 'gpuledger-webhook-'));
const tokenFile = join(directory, 'token');

const servers: BadServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(tokenFile, { force: true });
});

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

async function sendTo(
  server: BadServer,
  options: { readonly tokenFile?: string; readonly signal?: AbortSignal; readonly timeMsMax?: number } = {},
): Promise<Taken> {
  servers.push(server);
  const { signal = new AbortController().signal, ...more } = options;
  const channel = openWebhook({
    url: `http://${server.addr}/hooks/${SECRET}?a=1`,
    version: '1.2.3',
    ...more,
  });
  const taken = await channel.send(MESSAGE, signal);
  await channel.close();
  return taken;
}

async function answering(
  answer: (response: ServerResponse) => void,
  asked: Asked[] = [],
): Promise<BadServer> {
  return await httpServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (more: string) => (body += more));
    request.on('end', () => {
      asked.push({ method: request.method, url: request.url, headers: request.headers, body });
      answer(response);
    });
  });
}

function reasonOf(taken: Taken): string {
  if (taken.kind === 'told') return 'told';
  expect(JSON.stringify([taken.error.message, taken.error.hints, taken.error.where])).not.toContain(SECRET);
  return `${taken.kind}: ${taken.error.message.replace(/127\.0\.0\.1:\d+/, 'HOST')}`;
}

test('posts the JSON, with the token where there is one', async () => {
  const asked: Asked[] = [];
  const server = await answering((response) => response.writeHead(204).end(), asked);
  expect(reasonOf(await sendTo(server))).toBe('told');
  writeFileSync(tokenFile, 'abc.DEF\n');
  expect(reasonOf(await sendTo(server, { tokenFile }))).toBe('told');
  expect(asked.map(({ method, url, body }) => [method, url, body])).toEqual(
    Array(2).fill(['POST', `/hooks/${SECRET}?a=1`, MESSAGE.json]),
  );
  expect(asked.map(({ headers }) => headers.authorization)).toEqual([undefined, 'Bearer abc.DEF']);
  expect(asked[0]!.headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'user-agent': 'gpuledger/1.2.3',
    'content-length': String(Buffer.byteLength(MESSAGE.json)),
  });
});

test.each([
  [500, 'failed: the webhook at HOST was expected to answer 2xx, came 500'],
  [429, 'failed: the webhook at HOST was expected to answer 2xx, came 429'],
  [401, 'failed: the webhook at HOST was expected to answer 2xx, came 401'],
  [400, 'refused: the webhook at HOST refuses a message (HTTP 400)'],
  [413, 'refused: the webhook at HOST refuses a message (HTTP 413)'],
])('an answer %d', async (status, reason) => {
  const server = await answering((response) => response.writeHead(status).end(`no ${SECRET}`));
  expect(reasonOf(await sendTo(server))).toBe(reason);
});

test('follows no redirect', async () => {
  const other = await answering((response) => response.writeHead(200).end());
  servers.push(other);
  const server = await answering((response) =>
    response.writeHead(307, { location: `http://${other.addr}/elsewhere` }).end(),
  );
  expect(reasonOf(await sendTo(server))).toBe(
    'failed: the webhook at HOST was expected to answer 2xx, came 307, and redirects are not followed',
  );
  expect(other.seen()).toBe(0);
});

test('reads no answer to its end, however long it is', async () => {
  let written = 0;
  const server = await answering((response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536))) written += 65_536;
      written += 65_536;
    };
    response.on('drain', more);
    more();
  });
  expect(reasonOf(await sendTo(server))).toBe('told');
  // What a socket's buffers hold, and no more.
  expect(written).toBeLessThan(64 * 1024 * 1024);
});

test('one that never answers is given up, at a stop at once', async () => {
  const silent = await rawServer(() => undefined);
  expect(reasonOf(await sendTo(silent, { timeMsMax: 200 }))).toBe(
    'failed: the webhook at HOST did not answer within 0.2 s',
  );
  const stop = new AbortController();
  const another = await rawServer(() => {
    stop.abort();
  });
  expect(reasonOf(await sendTo(another, { signal: stop.signal }))).toBe(
    'failed: the webhook at HOST was not waited for',
  );
});

test('one that is not there, or breaks the connection, or speaks something else', async () => {
  const gone = await rawServer(() => undefined);
  await gone.close();
  const channel = openWebhook({ url: `http://${gone.addr}/${SECRET}`, version: '1' });
  const { signal } = new AbortController();
  expect(reasonOf(await channel.send(MESSAGE, signal))).toBe(
    'failed: the webhook at HOST cannot be reached: ECONNREFUSED',
  );
  await channel.close();
  const broken = await rawServer((socket) => socket.destroy());
  expect(reasonOf(await sendTo(broken))).toMatch(/^failed: the webhook at HOST cannot be reached: \w+$/);
  const foreign = await rawServer((socket) => socket.end(`220 smtp ${SECRET}\r\n`));
  expect(reasonOf(await sendTo(foreign))).toMatch(/^failed: the webhook at HOST cannot be reached: \w+$/);
});

test('believes no certificate that it does not know', async () => {
  const [key, cert] = ['server-key.pem', 'server.pem'].map((name) => readFileSync(join(TLS, name)));
  const server = createServer({ key, cert }, () => {
    expect.unreachable();
  });
  const listening = await listen(server, () => 0);
  servers.push(listening);
  const channel = openWebhook({ url: `https://${listening.addr}/${SECRET}`, version: '1' });
  expect(reasonOf(await channel.send(MESSAGE, new AbortController().signal))).toBe(
    'failed: the webhook at HOST cannot be reached: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  );
  await channel.close();
});

test('a token that is missing, or none, is told without being shown', async () => {
  const server = await answering((response) => response.writeHead(204).end());
  expect(reasonOf(await sendTo(server, { tokenFile: join(directory, 'nowhere') }))).toContain(
    'there is no such file or directory (ENOENT)',
  );
  for (const text of ['', ' \n', `${SECRET}\r\nX-Evil: 1`, `${SECRET}ü`, 'x'.repeat(70_000)]) {
    writeFileSync(tokenFile, text);
    expect(reasonOf(await sendTo(server, { tokenFile }))).toMatch(
      /^failed: .*expected one line of visible ASCII characters, found something else$/,
    );
  }
  expect(server.seen()).toBe(0);
});
