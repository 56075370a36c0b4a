/** Goal: many scrapers, and slow ones, cost nobody else anything. Method: sockets that read or write as slowly as they like. */
import { createHash } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { ask, get } from '../../serve/access/ask.ts';
import { closed, connected, everything, firstLine, serving } from './metrics-server.ts';
import { TEXT, TYPE } from './metrics-text.ts';

/** More than the system holds of a connection, so that whoever does not read is not done. */
const LARGE = `${'# 0123456789abcdef\n'.repeat(2 ** 20)}# end\n`;
const large = () => ({ text: LARGE, contentType: TYPE });

function hash(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('of 200 scrapers at once 16 are served, and the others told to come again', async () => {
  const { port } = await serving({ render: large });
  const sockets = Array.from({ length: 200 }, () => connected(port));
  for (const socket of sockets) socket.write(get('/metrics'));
  const lines = await Promise.all(sockets.map(firstLine));
  const served = sockets.filter((_socket, index) => lines[index] === 'HTTP/1.1 200 OK');
  expect(served).toHaveLength(16);
  expect(lines.filter((line) => line === 'HTTP/1.1 503 Service Unavailable')).toHaveLength(184);
  const refused = await ask(port, { bytes: get('/metrics') });
  expect(refused).toMatchObject({ status: 503, body: '16 scrapes are being answered: try again\n' });
  expect(refused.head).toContain('\r\nretry-after: 1');
  expect(await ask(port, { bytes: get('/health') })).toMatchObject({ status: 200, body: 'OK' });
  // Those that were served get all of it, late as they are: what is left behind the part that `firstLine` has read.
  const ends = await Promise.all(served.map(everything));
  for (const bytes of ends) expect(bytes.subarray(-6).toString()).toBe('# end\n');
  expect((await ask(port, { bytes: get('/metrics') })).status).toBe(200);
});

test('a scraper that has left makes room', async () => {
  const { port } = await serving({ render: large, concurrentScrapesMax: 1 });
  const socket = connected(port);
  socket.write(get('/metrics'));
  expect(await firstLine(socket)).toBe('HTTP/1.1 200 OK');
  expect((await ask(port, { bytes: get('/metrics') })).status).toBe(503);
  socket.destroy();
  await expect.poll(async () => (await ask(port, { bytes: get('/metrics') })).status).toBe(200);
});

test('scrapers that have left before it was their turn on their connection make room', async () => {
  const { port } = await serving({ render: large, concurrentScrapesMax: 2 });
  const socket = connected(port);
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
  expect(await firstLine(socket)).toBe('HTTP/1.1 200 OK');
  expect((await ask(port, { bytes: get('/metrics') })).status).toBe(503);
  socket.destroy();
  // Of both of them: two others are answered at once.
  await expect
    .poll(async () => {
      const others = [connected(port), connected(port)];
      for (const other of others) other.write(get('/metrics'));
      const lines = await Promise.all(others.map(firstLine));
      for (const other of others) other.destroy();
      return lines;
    })
    .toEqual(['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK']);
});

test('scrapers that read a byte at a time are cut off, and make room', async () => {
  const { port } = await serving({ render: large, concurrentScrapesMax: 2, writeTimeoutMs: 500 });
  const slow = [connected(port), connected(port)];
  for (const socket of slow) socket.write(get('/metrics'));
  expect(await Promise.all(slow.map(firstLine))).toEqual(['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK']);
  const timer = setInterval(() => {
    for (const socket of slow) socket.read(1);
  }, 20);
  await expect.poll(async () => (await ask(port, { bytes: get('/metrics') })).status).toBe(200);
  clearInterval(timer);
  for (const socket of slow) expect((await everything(socket)).length).toBeLessThan(LARGE.length);
});

test.each<[string, string[]]>([
  ['nothing', []],
  ['a byte at a time, without end', `GET /metrics HTTP/1.1\r\nX: ${'y'.repeat(2000)}`.split('')],
  ['a header at a time, without end', ['GET / HTTP/1.1\r\n', ...Array<string>(500).fill('X: y\r\n')]],
])('who sends %s is cut off', async (what, parts) => {
  const { port } = await serving({ readTimeoutMs: 500 });
  const socket = connected(port);
  const timer = setInterval(() => {
    const part = parts.shift();
    if (part !== undefined && socket.writable) socket.write(part);
  }, 20);
  socket.resume();
  await closed(socket);
  clearInterval(timer);
  // All of it takes longer than the limit, on any machine.
  if (what !== 'nothing') expect(parts.length).toBeGreaterThan(0);
});

test('a connection on which nothing is asked any more is closed', async () => {
  const { port } = await serving({ readTimeoutMs: 500 });
  const socket = connected(port);
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  expect((await everything(socket)).toString()).toMatch(/^HTTP\/1\.1 200 OK/);
});

test('who asks at once gets one rendering', async () => {
  let renderings = 0;
  const render = () => ({ text: `${TEXT}# ${++renderings}\n`, contentType: TYPE });
  const { port } = await serving({ render });
  const one = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';
  const { body } = await ask(port, { bytes: one.repeat(9) + get('/metrics') });
  expect(body.match(/# \d+/g)?.filter((text) => text !== '# 1')).toEqual([]);
  expect(renderings).toBe(1);
  expect((await ask(port, { bytes: get('/metrics') })).body).toContain('# 2');
  const zipped = 'GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n';
  await ask(port, { bytes: zipped + one + get('/metrics') });
  expect(renderings).toBe(3);
});

test('at the end who is being answered is answered, and nobody else', async () => {
  // Nobody is cut off: time stands.
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const server = await serving({ render: large });
  const idle = connected(server.port);
  idle.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(await firstLine(idle)).toBe('HTTP/1.1 200 OK');
  const half = connected(server.port);
  half.write('GET /met');
  const busy = connected(server.port);
  busy.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(await firstLine(busy)).toBe('HTTP/1.1 200 OK');
  const end = server.close();
  const bytes = await everything(busy);
  expect(hash(bytes.subarray(-LARGE.length + 2 ** 20))).toBe(hash(LARGE.slice(2 ** 20)));
  await Promise.all([everything(idle), everything(half), end]);
  expect(await ask(server.port, { bytes: get('/health') })).toMatchObject({ status: 0 });
});

test('who does not read at the end is cut off', async () => {
  const server = await serving({ render: large });
  const socket = connected(server.port);
  socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(await firstLine(socket)).toBe('HTTP/1.1 200 OK');
  await server.close();
  expect((await everything(socket)).length).toBeLessThan(LARGE.length);
});
