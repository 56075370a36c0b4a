/**
 * Goal: whatever readers ask, the store is asked so much at a time and no longer than anybody waits for it; what goes wrong has a status, a
 * sentence, and no secret in it. Method: a real QuestDB of which every question is made one of hours, servers that are away or answer
 * nonsense, and readers who leave.
 */
import { get, type ClientRequest } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { assert } from '../../src/core/base/assert.ts';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { USUAL_BOUNDS } from '../../src/serve/store-questions.ts';
import type { Viewer } from '../../src/serve/viewer.ts';
import { forward, httpServer } from '../helpers/bad-server.ts';
import { heavyQuery, queriesUnderWay } from '../helpers/heavy-query.ts';
import { raw, startWeb } from './web-server.ts';

const SECRET = 'hunter2-s3cr3t-t0ken';
const ADA: Viewer = { name: 'ada', isOperator: false, accounts: new Set() };
const lanes = defaultLanes;

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 30_000 });
});
afterAll(async () => {
  await db.close();
});

/** The real QuestDB, but whatever is asked of it takes hours. @returns its configuration string */
async function slowStore(name: string): Promise<string> {
  const server = await httpServer((request, response) => {
    request.url = `/exec?${new URLSearchParams({ query: heavyQuery(name) }).toString()}`;
    forward(inject('reportsUrl'), request, response);
  });
  onTestFinished(async () => {
    await server.close();
  });
  return `http::addr=${server.addr};`;
}

/** Asks for a page, and waits for it. */
function reader(url: string): ClientRequest {
  return get(`${url}/job/1`, { agent: false }).on('error', () => undefined);
}

/** Of those hours one question only: the smallest server has no more than two threads, and one is to tell what it is at. */
const ONE = { ...USUAL_BOUNDS, questions: 1 };

describe('a reader who leaves', () => {
  test('takes along what he had asked, also what waits', async () => {
    const { url } = await startWeb(await slowStore('reader_left'), { lanes, bounds: ONE });
    const readers = Array.from({ length: 6 }, () => reader(url));
    await expect.poll(async () => await queriesUnderWay(db, 'reader_left')).toBe(1);
    for (const one of readers) one.destroy();
    await expect.poll(async () => await queriesUnderWay(db, 'reader_left')).toBe(0);
    expect(await raw(url, '/nope')).toMatchObject({ status: 404 });
  });
});

describe('bounds', () => {
  test('so many questions at a time, so many readers; one more is told to come again', async () => {
    const bounds = { ...ONE, readers: 3 };
    const { url } = await startWeb(await slowStore('crowd'), { lanes, bounds });
    const readers = [reader(url), reader(url), reader(url)];
    const turnedAway = async (): Promise<boolean> => {
      const { status, headers, text } = await raw(url, '/healthz');
      return status === 503 && headers['retry-after'] === '5' && text.includes('serve.busy');
    };
    await expect.poll(async () => await queriesUnderWay(db, 'crowd')).toBe(1);
    await expect.poll(turnedAway).toBe(true);
    expect(await queriesUnderWay(db, 'crowd')).toBe(1);
    for (const one of readers) one.destroy();
    await expect.poll(async () => await queriesUnderWay(db, 'crowd')).toBe(0);
    // Their places are free again.
    const next = reader(url);
    await expect.poll(async () => await queriesUnderWay(db, 'crowd')).toBe(1);
    next.destroy();
  });

  test('nobody is answered for longer than so long', async () => {
    const bounds = { ...ONE, readerMs: 300 };
    const { url } = await startWeb(await slowStore('too_long'), { lanes, bounds });
    const { status, headers, text } = await raw(url, '/job/1');
    expect([status, headers['retry-after']]).toEqual([503, '5']);
    expect(text).toContain('took longer than 0.3 s, and was given up');
    await expect.poll(async () => await queriesUnderWay(db, 'too_long')).toBe(0);
  });

  test('an answer that is too long is given up, and told', async () => {
    const server = await httpServer((request, response) => {
      request.url = `/exec?${new URLSearchParams({ query: 'SELECT x FROM long_sequence(10000000)' }).toString()}`;
      forward(inject('reportsUrl'), request, response);
    });
    onTestFinished(async () => {
      await server.close();
    });
    const bounds = { ...USUAL_BOUNDS, answerBytes: 2 ** 20 };
    const { url } = await startWeb(`http::addr=${server.addr};`, { lanes, bounds });
    const { status, text } = await raw(url, '/job/1');
    expect(status).toBe(422);
    expect(text).toContain('longer than the 1 MiB that one may have');
    expect(text).toContain('ask for less');
  });
});

describe('a store in trouble', () => {
  const answers = {
    away: undefined,
    unauthorized: [401, 'no'],
    busy: [503, 'too many'],
    foreign: [200, '<html>a router</html>'],
    refusing: [400, '{"query":QUESTION,"error":"no such thing","position":0}'],
  } as const;

  async function storeOf(kind: keyof typeof answers): Promise<string> {
    const answer = answers[kind];
    if (answer === undefined) return `http::addr=127.0.0.1:1;token=${SECRET};`;
    const server = await httpServer((request, response) => {
      const question = new URL(request.url ?? '/', 'http://store').searchParams.get('query');
      const text = answer[1].replace('QUESTION', () => JSON.stringify(question));
      response.writeHead(answer[0], { 'Content-Type': 'application/json' }).end(text);
    });
    onTestFinished(async () => {
      await server.close();
    });
    return `http::addr=${server.addr};token=${SECRET};`;
  }

  test.each([
    ['away', 503, 'no QuestDB at http://127.0.0.1:1 (connection refused)', false],
    ['unauthorized', 503, 'refuses the credentials', true],
    ['busy', 503, 'cannot serve now', false],
    ['foreign', 503, 'is not a QuestDB', true],
    ['refusing', 500, 'refuses a query', true],
  ] as const)('that is %s: %d', async (kind, status, sentence, isTold) => {
    const conf = await storeOf(kind);
    const { url, told } = await startWeb(conf, { lanes });
    for (const path of ['/job/1', '/healthz']) {
      const answer = await raw(url, path);
      expect([answer.status, answer.headers['retry-after']]).toEqual([
        status,
        status === 503 ? '5' : undefined,
      ]);
      expect(answer.text).not.toContain(SECRET);
      if (path === '/job/1') expect(answer.text).toContain(sentence);
    }
    expect(told.some(({ level }) => level === 'error')).toBe(isTold);
    // Its address and its state are the operator's business.
    const forAda = await startWeb(conf, { lanes, viewer: ADA });
    const { text, status: same } = await raw(forAda.url, '/job/1');
    expect([same, text]).toEqual([
      status,
      expect.stringContaining(status === 503 ? 'does not answer now' : 'a defect'),
    ]);
    expect(text).not.toMatch(/127\.0\.0\.1|QDB_CLIENT_CONF|questdb start/);
  });

  test('a defect of our own is told in the log, and to readers only that it is one', async () => {
    const store = {
      where: 'nowhere',
      exec: () => {
        assert(false, `a broken assumption about ${SECRET}`);
      },
    };
    const { url, told } = await startWeb(store, { lanes });
    for (const path of ['/job/1', '/healthz']) {
      const { status, text } = await raw(url, path);
      expect([status, text]).toEqual([500, expect.stringContaining('by a defect of its own')]);
      expect(text).not.toMatch(/broken|hunter2|\.ts:/);
    }
    expect(told.map(({ code, level }) => [code, level])).toEqual([
      ['serve.defect', 'error'],
      ['serve.defect', 'error'],
    ]);
    expect(told[0]!.sentence).toMatch(/a broken assumption[^]*bounds\.test\.ts/);
  });
});

describe('what comes over a connection', () => {
  test.each([
    ['headers without an end', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['a body', 'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc', 413],
    [
      'two lengths',
      'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 3\r\n\r\n',
      400,
    ],
    ['another method', 'DELETE /job/1 HTTP/1.1\r\nHost: localhost\r\n\r\n', 405],
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a header with a bare line feed', 'GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n', 400],
  ])('%s is refused', async (_, request, status) => {
    const { url } = await startWeb(inject('reportsConf'), { lanes });
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(request);
    let text = '';
    for await (const chunk of socket.setEncoding('utf8')) {
      text += chunk as string;
      break;
    }
    socket.destroy();
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});
