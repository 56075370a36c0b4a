/**
 * Goal: the page of a job is answered with the status that is true, shows nobody what he may not see, is not sent again where it is the
 * same, and begins before it is known. Method: jobs made by hand in a real QuestDB, asked for over HTTP.
 */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { EVERYBODY, type Viewer } from '../../src/serve/viewer.ts';
import { forward, httpServer } from '../helpers/bad-server.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { raw, startWeb } from './web-server.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2026, 5, 2, 6) * 1000;
const at = (second: number): number => T0 + second * SECOND;
const lane: Lane = {
  name: 'profiling',
  table: 'gpu_profiling',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};
const lanes = [lane];

const ADA: Viewer = { name: 'ada', isOperator: false, accounts: new Set() };
const BOB: Viewer = { name: 'bob', isOperator: false, accounts: new Set() };
const HEAD_OF_PHYSICS: Viewer = { name: 'eve', isOperator: false, accounts: new Set(['physics']) };
const NOBODY: Viewer = { name: undefined, isOperator: false, accounts: new Set() };
const HOSTILE = `<img src=x onerror=alert(1)>\u202e`;

/** Job, user, account, whether it runs. Of 5005 two clusters have one each. */
const JOBS: readonly (readonly [
  id: string,
  user: string | undefined,
  account: string,
  isOpen?: true | undefined,
  cluster?: string,
])[] = [
  ['5001', 'ada', 'physics'],
  ['5002', 'bob', 'biology'],
  ['5003', undefined, 'chemistry'],
  ['5004', 'ada', 'physics', true],
  ['5005', 'ada', 'physics', undefined, 'north'],
  ['5005', 'bob', 'biology', undefined, 'south'],
  ['5100', 'ada', 'physics'],
];

let server: TestQuestdb;
let db: QuestDb;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, lanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const stays = JOBS.map(([job, user, account, isOpen, cluster], index) => ({
    ...{
      ts: at(index === 5 ? 500 : index),
      end_ts: isOpen ? undefined : at(600 + index),
      job_id: job,
      cluster,
    },
    ...{ user, account, name: HOSTILE, state: isOpen ? 'RUNNING' : 'COMPLETED' },
  }));
  await insertRows(db, 'jobs', stays);
  await insertRows(
    db,
    'gpu_ownership',
    stays.map(({ ts, end_ts, job_id, cluster }, index) => ({
      ...{ ts, end_ts, job_id, cluster, node: 'n1', gpu: `G${index}`, share: 1, source: 'test' },
    })),
  );
  await insertRows(db, 'gpu_profiling', [samples('G0', '5001', 5)].flat());
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

function samples(gpu: string, job: string, count: number): Record<string, string | number>[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ ts: at(index + 11), node: 'n1', gpu, job_id: job, owners: 1, dt_us: SECOND, sm_active_ratio: 0.5 },
  }));
}

describe('what is answered', () => {
  test.each([
    ['/job/5001', 200, 'Job 5001'],
    ['/job/%205001%20', 200, 'Job 5001'],
    ['/job/5001?run=0', 200, 'Job 5001'],
    ['/job/5001?submitted=2026-06-02T06:00:00Z', 200, 'Job 5001'],
    ['/job/5005?cluster=north', 200, 'Job 5005'],
    ['/job/5001?run=7', 404, 'has no run 7'],
    ['/job/5001?cluster=east', 404, 'no job'],
    ['/job/5009', 404, 'the nearest ids there: 5005, 5004, 5003, 5002, 5001'],
    ['/job/5001?run=-1', 400, 'run: a run is a whole number from 0 on'],
    ['/job/5001?run=0&run=1', 400, 'run: '],
    ['/job/5001?submitted=yesterday', 400, 'submitted: expected an ISO date'],
    ['/job/5001?nope=1', 400, 'nope'],
    ['/job/5001%00x', 400, 'control character'],
    ['/job/%e2%80', 400, ''],
    [`/job/${'9'.repeat(257)}`, 400, 'expected a job id of 1 to 256 characters'],
    [`/job/${'9'.repeat(5000)}`, 414, ''],
    ['/job/', 400, 'came nothing'],
    ['/job/../../etc/passwd', 404, 'no page'],
    ['/job/..%2f..%2fetc%2fpasswd', 404, 'no job'],
    ['/nope', 404, 'no page at this address'],
    ['/nothing', 404, ''],
  ])('%s: %d', async (path, status, text) => {
    const { url } = await startWeb(server.conf, { lanes });
    const answer = await raw(url, path);
    expect([answer.status, unescaped(mainOf(answer.text))]).toEqual([status, expect.stringContaining(text)]);
    expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
    expect(answer.headers['content-security-policy']).toMatch(
      /^default-src 'none';.*frame-ancestors 'none'$/,
    );
    expect(answer.text).not.toContain('<img src=x');
  });

  test('programs get JSON', async () => {
    const { url } = await startWeb(server.conf, { lanes });
    const { text, headers } = await raw(url, '/api/nope');
    expect(headers['content-type']).toContain('application/json');
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'serve.unknown_page' } });
  });

  test('HEAD gives the headers of GET', async () => {
    const { url } = await startWeb(server.conf, { lanes });
    const [head, whole] = await Promise.all([
      raw(url, '/job/5001', { method: 'HEAD' }),
      raw(url, '/job/5001'),
    ]);
    expect([head.status, head.text]).toEqual([200, '']);
    expect(head.headers.etag).toBe(whole.headers.etag);
  });
});

describe('who may see what', () => {
  test.each([
    ['an operator', EVERYBODY, ['5001', '5002', '5003', '5004', '5005', '5100']],
    ['a user', ADA, ['5001', '5004', '5005', '5100']],
    ['another', BOB, ['5002', '5005']],
    ['the members of an account', HEAD_OF_PHYSICS, ['5001', '5004', '5005', '5100']],
    ['who has no name', NOBODY, []],
  ] as const)('%s', async (_, viewer, seen) => {
    const { url } = await startWeb(server.conf, { lanes, viewer });
    const ids = [...new Set(JOBS.map(([id]) => id))];
    const answers = await Promise.all(ids.map(async (id) => (await raw(url, `/job/${id}`)).status));
    expect(ids.filter((_id, index) => answers[index] === 200)).toEqual(seen);
    expect(answers.filter((status) => status !== 200).every((status) => status === 404)).toBe(true);
  });

  test("another's job is as one that is not there, whatever is asked of it", async () => {
    const { url } = await startWeb(server.conf, { lanes, viewer: BOB });
    const other = async (id: string, query: string): Promise<string> => {
      const { status, text, headers } = await raw(url, `/job/${id}${query}`);
      return JSON.stringify([status, text, { ...headers, date: '' }]).replaceAll(id, 'ID');
    };
    for (const query of ['', '?run=0', '?run=9', '?cluster=none', '?submitted=2026-06-02'])
      expect(await other('5001', query)).toBe(await other('5000', query));
  });

  test('nearest ids are of those that somebody may see', async () => {
    const { url } = await startWeb(server.conf, { lanes, viewer: BOB });
    const { text } = await raw(url, '/job/5003');
    expect(text).toContain('the nearest ids there: 5002, 5005<');
    expect(text).not.toMatch(/5001|5004|5100|gpu_ownership/);
  });

  test('of an id that two have everybody gets his own, and does not hear of the other', async () => {
    const pages = await Promise.all(
      [ADA, BOB].map(async (viewer) => {
        const { url } = await startWeb(server.conf, { lanes, viewer });
        return (await raw(url, '/job/5005')).text;
      }),
    );
    expect(pages.map((text) => [text.includes('north'), text.includes('south')])).toEqual([
      [true, false],
      [false, true],
    ]);
    const { url } = await startWeb(server.conf, { lanes });
    expect((await raw(url, '/job/5005')).text).toMatch(/north[^]*south|south[^]*north/);
  });
});

describe('a page that the browser holds', () => {
  test('is not sent again while nothing has changed, and is when something has', async () => {
    const { url } = await startWeb(server.conf, { lanes });
    const tags: (string | undefined)[] = [];
    const tag = async (): Promise<string> => {
      const { headers } = await raw(url, '/job/5100', { method: 'HEAD' });
      expect(headers['cache-control']).toBe('private, no-cache');
      tags.push(headers.etag);
      return headers.etag!;
    };
    const first = await tag();
    const same = await raw(url, '/job/5100', { headers: { 'if-none-match': `"x", W/${first}` } });
    const whole = await raw(url, '/job/5100');
    expect([same.status, same.text, same.headers.etag]).toEqual([304, '', first]);
    // The headers of a 304 become those of the page that the browser holds.
    expect(same.headers['content-security-policy']).toBe(whole.headers['content-security-policy']);
    expect((await raw(url, '/job/5100', { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
    expect((await raw(url, '/job/5100?run=0', { method: 'HEAD' })).headers.etag).not.toBe(first);
    await insertRows(db, 'gpu_profiling', samples('G6', '5100', 3));
    await tag();
    await insertRows(db, 'job_figures', [
      { ts: at(6), end_ts: at(606), node: 'n1', gpu: 'G6', job_id: '5100', owned_us: 600 * SECOND },
    ]);
    await tag();
    await insertRows(db, 'jobs', [
      { ts: at(6), end_ts: at(606), job_id: '5100', user: 'ada', account: 'physics', state: 'FAILED' },
    ]);
    await tag();
    expect(new Set(tags).size).toBe(tags.length);
    expect(await tag()).toBe(tags.at(-2));
  });

  test('a running job has no tag, and an error none either', async () => {
    const { url } = await startWeb(server.conf, { lanes });
    for (const path of ['/job/5004', '/job/5999']) {
      const { headers } = await raw(url, path, { headers: { 'if-none-match': '*' } });
      expect([headers.etag, headers['cache-control']]).toEqual([undefined, 'no-store']);
    }
  });
});

describe('a page whose figures take long', () => {
  /** The real QuestDB, which keeps back what is asked of samples until it is told otherwise. */
  async function reluctantStore(): Promise<{ conf: string; answer: () => void; fail: () => void }> {
    const waiting: ((isRefused: boolean) => void)[] = [];
    const verdict: { isRefused?: boolean } = {};
    const store = await httpServer((request, response) => {
      const pass = (isRefused: boolean): void => {
        if (isRefused) response.writeHead(503).end('away');
        else forward(server.httpUrl, request, response);
      };
      const sql = new URL(request.url ?? '/', 'http://any').searchParams.get('query') ?? '';
      if (!sql.includes('sm_active_ratio') || verdict.isRefused !== undefined)
        pass(verdict.isRefused ?? false);
      else waiting.push(pass);
    });
    onTestFinished(async () => {
      await store.close();
    });
    const settle = (isRefused: boolean): void => {
      verdict.isRefused = isRefused;
      for (const pass of waiting.splice(0)) pass(isRefused);
    };
    return {
      conf: `http::addr=${store.addr};`,
      answer: () => {
        settle(false);
      },
      fail: () => {
        settle(true);
      },
    };
  }

  test('begins at once, says how far it is, and comes to its end', async () => {
    const store = await reluctantStore();
    const { url } = await startWeb(store.conf, { lanes });
    const page = await begun(url, '/job/5001');
    await expect
      .poll(() => page.text())
      .toMatch(/<p class="asking" role="status">asking QuestDB, \d+ answers so far/);
    expect(page.text()).toMatch(/^<!doctype html>[^]*<title>Job 5001<\/title>/);
    expect(page.text()).not.toContain('</html>');
    store.answer();
    expect(await page.end).toBe('whole');
    expect(page.text().match(/<!doctype html>|<body>|<title>Job 5001|<main>|<\/html>/g)).toEqual([
      ...['<!doctype html>', '<title>Job 5001', '<body>', '<main>', '</html>'],
    ]);
  });

  test('tells in the page what goes wrong, and is not taken for the page', async () => {
    const store = await reluctantStore();
    const { url } = await startWeb(store.conf, { lanes });
    const page = await begun(url, '/job/5001');
    store.fail();
    expect(await page.end).toBe('cut off');
    expect(page.text()).toMatch(/role="alert">QuestDB at http:\S+ cannot serve now/);
  });
});

/** A page that has begun to come. */
async function begun(
  url: string,
  path: string,
): Promise<{ text: () => string; end: Promise<'whole' | 'cut off'> }> {
  const [answer] = (await once(get(`${url}${path}`, { agent: false }), 'response')) as [IncomingMessage];
  let text = '';
  answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const end = new Promise<'whole' | 'cut off'>((resolve) => {
    answer.on('end', () => {
      resolve('whole');
    });
    answer.on('error', () => {
      resolve('cut off');
    });
  });
  return { text: () => text, end };
}

/** What changes from page to page. */
function mainOf(text: string): string {
  return /<main>[^]*<\/main>/.exec(text)?.[0] ?? text;
}

function unescaped(text: string): string {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'");
}
