/**
 * Goal: nothing that is sent brings the server down or gets what it did not ask for. Method: 20,000 requests drawn by fast-check, each on a
 * connection of its own; what is a request at all is told by a reading of its first line that shares no code with node's.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ask, get } from '../../serve/access/ask.ts';
import { connected, everything, serving } from './metrics-server.ts';
import { TEXT } from './metrics-text.ts';

const RUNS = 400;
const AT_ONCE = 50;

const bytes = fc.uint8Array({ maxLength: 200 }).map((drawn) => Buffer.from(drawn));
const text = (strings: fc.Arbitrary<string>) => strings.map((drawn) => Buffer.from(drawn, 'latin1'));
const words = fc.constantFrom(
  ...[
    'GET',
    'HEAD',
    'POST',
    ' ',
    '\t',
    '/',
    '/metrics',
    '/health',
    '//',
    '?',
    '#',
    '*',
    'http://x/metrics',
    '%00',
  ],
  ...[
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/9.9',
    'HTTP/',
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    ':',
    '\0',
    '\xff',
    ';',
  ],
  ...[
    'Host: x',
    'Content-Length: ',
    'Transfer-Encoding: chunked',
    'Connection: close',
    'Expect: 100-continue',
  ],
  ...[
    'Accept-Encoding: gzip',
    'Authorization: Basic eDp5',
    'Upgrade: websocket',
    '0',
    '-1',
    '99999999999999999999',
    'x',
  ],
);
const soup = text(fc.array(words, { maxLength: 30 }).map((drawn) => drawn.join('')));
/** One that is sound, and something in it is not. */
const spoilt = fc
  .tuple(fc.constantFrom('/', '/metrics', '/health'), fc.nat(60), fc.nat(10), fc.oneof(bytes, soup))
  .map(([path, at, cut, put]) => {
    const sound = Buffer.from(get(path));
    return Buffer.concat([sound.subarray(0, at), put, sound.subarray(at + cut)]);
  });
const headers = text(
  fc
    .array(fc.tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 60 })), { maxLength: 20 })
    .map((drawn) => get('/metrics', drawn.map(([name, value]) => `${name}: ${value}\r\n`).join(''))),
);
/** Of sound lines, which need not fit each other. */
const formed = text(
  fc
    .tuple(
      fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE', 'CONNECT', 'PRI'),
      fc.constantFrom(
        '/',
        '/metrics',
        '/health',
        '/x',
        '*',
        '//metrics',
        'http://x/metrics',
        `/${'y'.repeat(5000)}`,
      ),
      fc.constantFrom('1.1', '1.0', '2.0', '0.9'),
      fc.array(
        fc.constantFrom(
          ...['Host: x', 'Connection: close', 'Connection: Upgrade', 'Upgrade: h2c', 'Accept-Encoding: gzip'],
          ...['Content-Length: 0', 'Content-Length: 5', 'Transfer-Encoding: chunked', 'Expect: 100-continue'],
          ...['Expect: x', 'Trailer: x', 'Range: bytes=0-0', `X: ${'y'.repeat(20_000)}`],
        ),
        { maxLength: 4 },
      ),
    )
    .map(([method, path, version, lines]) =>
      [`${method} ${path} HTTP/${version}`, ...lines, '', ''].join('\r\n'),
    ),
);
const request = fc.oneof(bytes, soup, spoilt, headers, formed);

/** Whether metrics are asked for in the first line that is not empty, or in one after it on the same connection. */
function mayAskForMetrics(sent: Buffer): boolean {
  return /(^|\n)(GET|HEAD) +\/metrics(\?\S*)? +HTTP\/1\.[01]\r?\n/.test(sent.toString('latin1'));
}

test('20,000 malformed requests are refused, and a sound one is answered after them', async () => {
  const { port, told } = await serving();
  const statuses = new Map<string, number>();
  const property = fc.asyncProperty(
    fc.array(request, { minLength: AT_ONCE, maxLength: AT_ONCE }),
    async (sent) => {
      const came = await Promise.all(
        sent.map(async (one) => {
          const socket = connected(port);
          socket.end(one);
          return (await everything(socket)).toString('latin1');
        }),
      );
      for (const [index, answer] of came.entries()) {
        const status = /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
        statuses.set(status ?? 'none', (statuses.get(status ?? 'none') ?? 0) + 1);
        expect(answer === '' ? '400' : status).toMatch(/^(200|400|404|405|413|414|417|431|505)$/);
        if (answer.includes(TEXT)) expect(mayAskForMetrics(sent[index]!)).toBe(true);
      }
      expect(told).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
  expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBe(RUNS * AT_ONCE);
  // What is drawn is not all of one kind.
  for (const status of ['200', '400', '404', '405', '413', '431', '505'])
    expect(statuses.get(status)).toBeGreaterThan(0);
  expect(await ask(port, { bytes: get('/metrics') })).toMatchObject({ status: 200, body: TEXT });
});
