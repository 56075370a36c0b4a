/**
 * Goal: what is asked of the metrics server is answered as dcgm-exporter answers it, or refused by a status that says why. Method: bytes on a
 * socket, and the bytes that come back.
 */
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import { acceptsGzip } from '../../../src/exporter/http/accepts-gzip.ts';
import { ask, get } from '../../serve/access/ask.ts';
import { connected, everything, serving } from './metrics-server.ts';
import { TEXT, TYPE } from './metrics-text.ts';

const JUNK = 'x'.repeat(20_000);

describe('a request', () => {
  test.each([
    ['/metrics', 200, TEXT, [`content-type: ${TYPE}`, 'content-length: 97']],
    ['/metrics?name=x', 200, TEXT, [`content-type: ${TYPE}`]],
    ['/health', 200, 'OK', ['content-type: text/plain; charset=utf-8', 'x-registry-available: true']],
    ['/health?verbose', 200, 'OK', []],
    ['/nothing', 404, '404 page not found\n', ['content-type: text/plain; charset=utf-8']],
    ['/metrics/', 404, '404 page not found\n', []],
    ['/METRICS', 404, '404 page not found\n', []],
    ['/%6detrics', 404, '404 page not found\n', []],
    ['/healthz', 404, '404 page not found\n', []],
    ['/debug/pprof/', 404, '404 page not found\n', []],
    ['/../etc/passwd', 404, '404 page not found\n', []],
    ['/?', 200, undefined, ['content-type: text/html; charset=utf-8']],
  ])('for %s is answered %i', async (path, status, body, headers) => {
    const { port } = await serving();
    const answer = await ask(port, { bytes: get(path) });
    expect(answer.status).toBe(status);
    if (body !== undefined) expect(answer.body).toBe(body);
    for (const header of ['x-content-type-options: nosniff', ...headers])
      expect(answer.head).toContain(`\r\n${header}`);
  });

  test('for / is answered by a page that links to both', async () => {
    const { port } = await serving();
    const { status, head, body } = await ask(port, { bytes: get('/') });
    expect([status, head]).toEqual([200, expect.stringContaining('content-type: text/html; charset=utf-8')]);
    expect(body.match(/href="[^"]*"/g)).toEqual(['href="./metrics"', 'href="./health"']);
  });

  test.each(['/', '/health', '/metrics', '/nothing'])(
    'HEAD %s has the headers of GET, and no body',
    async (path) => {
      const { port } = await serving();
      const headOf = ({ head }: { head: string }): string => head.replace(/date: .*\r\n/, '');
      const got = await ask(port, { bytes: get(path) });
      const looked = await ask(port, { bytes: get(path, '', 'HEAD') });
      expect(headOf(looked)).toBe(headOf(got));
      expect(looked.body).toBe('');
    },
  );

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'PROPFIND'])(
    '%s is refused',
    async (method) => {
      const { port } = await serving();
      const { status, head } = await ask(port, { bytes: get('/metrics', '', method) });
      expect([status, head]).toEqual([405, expect.stringContaining('allow: get, head')]);
    },
  );

  const host = 'Host: x\r\n';
  test.each<[string, string, number]>([
    ['with a body', get('/metrics', 'Content-Length: 5\r\n') + 'hello', 413],
    ['with a body that never comes', get('/metrics', 'Content-Length: 999999999\r\n'), 413],
    [
      'with a body in chunks',
      get('/metrics', 'Transfer-Encoding: chunked\r\n') + '5\r\nhello\r\n0\r\n\r\n',
      413,
    ],
    [
      'that asks whether a body may come',
      get('/metrics', 'Content-Length: 5\r\nExpect: 100-continue\r\n'),
      413,
    ],
    ['with an empty body', get('/metrics', 'Content-Length: 0\r\n'), 200],
    ['with another expectation', get('/metrics', 'Expect: a miracle\r\n'), 417],
    ['with two lengths', get('/metrics', 'Content-Length: 0\r\nContent-Length: 5\r\n'), 400],
    ['with a length that is none', get('/metrics', 'Content-Length: five\r\n'), 400],
    ['with length and chunks', get('/metrics', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'), 400],
    ['with two hosts', get('/metrics', 'Host: other\r\n'), 400],
    ['without a host', 'GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['of HTTP/1.0', 'GET /metrics HTTP/1.0\r\n\r\n', 200],
    ['of HTTP/2', `GET /metrics HTTP/2.0\r\n${host}\r\n`, 505],
    ['of no version', 'GET /metrics\r\n\r\n', 505],
    ['of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['of Redis', '*1\r\n$4\r\nPING\r\n', 400],
    ['for no path', `GET metrics HTTP/1.1\r\n${host}\r\n`, 400],
    ['for two slashes', get('//metrics'), 400],
    ['for a long path', get(`/${'x'.repeat(5000)}`), 414],
    ['with a long header', get('/metrics', `X: ${JUNK}\r\n`), 431],
    ['with many headers', get('/metrics', 'X: y\r\n'.repeat(4000)), 431],
    ['with a header of two lines', get('/metrics', 'X: y\r\n z\r\n'), 400],
    ['with a zero byte', get('/metrics', 'X: \0\r\n'), 400],
    ['with a broken Accept', get('/metrics', 'Accept: ;;q=,text/*;q=7,=\r\n'), 200],
    ['that accepts pictures alone', get('/metrics', 'Accept: image/png\r\n'), 200],
    ['that accepts OpenMetrics alone', get('/metrics', 'Accept: application/openmetrics-text\r\n'), 200],
    ['with a broken Accept-Encoding', get('/metrics', 'Accept-Encoding: ;q=,,gzip;q=\r\n'), 200],
    ['with credentials that nobody asked for', get('/metrics', 'Authorization: Basic !\r\n'), 200],
    ['that wants to upgrade', get('/metrics', 'Upgrade: h2c\r\n'), 200],
  ])('%s is answered as it should be', async (_what, bytes, status) => {
    const { port, told } = await serving();
    const answer = await ask(port, { bytes });
    expect(answer.status).toBe(status);
    if (status === 200)
      expect(answer).toMatchObject({ body: TEXT, head: expect.stringContaining(TYPE) as string });
    expect(told).toEqual([]);
  });

  test('whose sender has said all that he has to say is answered', async () => {
    const { port } = await serving();
    const socket = connected(port);
    socket.end('GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n');
    const text = (await everything(socket)).toString('latin1');
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('comes after another one on the same connection', async () => {
    const { port } = await serving();
    const bytes = `GET /health HTTP/1.1\r\n${host}\r\nHEAD / HTTP/1.1\r\n${host}\r\n${get('/nothing')}`;
    const { body } = await ask(port, { bytes });
    expect(body.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404']);
  });
});

describe('gzip', () => {
  test('comes where it is asked for, and can be told apart by a cache', async () => {
    const { port } = await serving();
    const socket = connected(port);
    socket.write(get('/metrics', 'Accept-Encoding: deflate, gzip\r\n'));
    const bytes = await everything(socket);
    const at = bytes.indexOf('\r\n\r\n');
    const head = bytes.subarray(0, at).toString('latin1');
    expect(head).toMatch(/^Content-Encoding: gzip\r$/m);
    expect(head).toMatch(/^Vary: Accept-Encoding\r$/m);
    expect(head).toContain(`Content-Length: ${bytes.length - at - 4}`);
    expect(gunzipSync(bytes.subarray(at + 4)).toString()).toBe(TEXT);
  });

  test.each<[string | undefined, boolean]>([
    [undefined, false],
    ['', false],
    ['gzip', true],
    ['GZIP', true],
    ['x-gzip', true],
    ['deflate, gzip;q=1.0, *;q=0.5', true],
    ['gzip ; q=0.001', true],
    ['gzip;q=0', false],
    ['gzip;q=0.000, *', false],
    ['*', true],
    ['*;q=0', false],
    ['identity', false],
    ['gzip;q=2', false],
    ['gzip;q=-1', false],
    ['gzip;q=', false],
    ['gzip;level=9', false],
    ['gzipped', false],
    ['gzip, gzip;q=0', false],
  ])('of Accept-Encoding %j: %s', (header, isAccepted) => {
    expect(acceptsGzip(header)).toBe(isAccepted);
  });
});

test('/health says that the counters are being swapped, and is well', async () => {
  const { port } = await serving({ isReloading: () => true });
  const { status, head, body } = await ask(port, { bytes: get('/health') });
  expect([status, body]).toEqual([200, 'OK - reload in progress']);
  expect(head).toContain('x-registry-available: false');
  expect(head).toContain('x-reload-in-progress: true');
});

test('metrics that cannot be rendered are an error to the scraper, and one sentence in the log until it is over', async () => {
  let isBroken = true;
  const { port, told } = await serving({
    render: () => {
      if (isBroken)
        throw new OperatingError('the ring is away', {
          code: 'sampler.died',
          exit: 'temporary',
          hints: ['wait'],
        });
      return { text: TEXT, contentType: TYPE };
    },
  });
  for (const level of ['error', 'debug']) {
    const answer = await ask(port, { bytes: get('/metrics') });
    expect(answer).toMatchObject({ status: 500, body: 'internal server error\n' });
    const sentence = 'scrapes are answered with an error (500): the ring is away; wait';
    expect(told.splice(0)).toEqual([{ level, code: 'sampler.died', sentence }]);
  }
  expect(await ask(port, { bytes: get('/health') })).toMatchObject({ status: 200 });
  isBroken = false;
  expect(await ask(port, { bytes: get('/metrics') })).toMatchObject({ status: 200, body: TEXT });
  isBroken = true;
  await ask(port, { bytes: get('/metrics') });
  expect(told.map(({ level }) => level)).toEqual(['error']);
});
