/**
 * Goal: who may not see something does not, whatever he sends; and who may does. Method: servers as `gpuledger serve` makes them of a configuration, on a
 * real QuestDB; requests as bytes on sockets of many loopback addresses. What is asked for of another user is asked for twice: before his job is in the store and
 * after, and nothing of the answer may differ.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestQuestdb } from '../../helpers/questdb.ts';
import { ask, basic, bearer, get, type Answer } from './ask.ts';
import {
  CREDENTIALS,
  DAY,
  FORGED,
  FORMS,
  HEADER,
  HOSTS,
  LISTS,
  LISTS_OF_OTHERS,
  OF_ANOTHER,
  OWN,
  PATHS,
  raw,
  type Refused,
} from './requests.ts';
import { ADA, ownPlace, PROXY, startServers, TOKENS, type Kind, type Servers } from './servers.ts';
import { ADAS, BOBS, EVES, insertJob, type Job, WINDOW } from './store.ts';

const CA = readFileSync(join(import.meta.dirname, '../../fixtures/tls/ca.pem'));

let servers: Servers;
beforeAll(async () => {
  servers = await startServers(await startTestQuestdb());
});
afterAll(async () => {
  await servers.stop();
});

// The id alone, not four digits of a time or a hash.
const CANARY = /canary|(?<![\da-z.])4218(?![\da-z])/;
/** Without what the sender wrote himself, and what tells the time. */
function shown({ status, head, body }: Answer, path: string): string {
  const words = path.split(/[/?#&=]/).flatMap((word) => [word, decodeURIComponent(word)]);
  const quoted = words.filter((word) => CANARY.test(word));
  const bare = quoted.reduce((text, word) => text.replaceAll(word, '…'), `${head}\n${body}`);
  return `${status}\n${bare.replace(/^date: .*$/m, '')}`;
}

describe("what another user's job answers", () => {
  test('is what one answers that there is not, byte for byte', async () => {
    const answers = async (): Promise<Answer[]> => {
      const all: Answer[] = [];
      for (const [path, headers = '', method = 'GET'] of OF_ANOTHER)
        all.push(await ask(servers.ports.signedIn, { bytes: get(path, ADA + headers, method) }));
      return all;
    };
    const before = await answers();
    await insertJob(servers.db, BOBS);
    const after = await answers();
    expect(after.map((answer, index) => shown(answer, OF_ANOTHER[index]![0]))).toEqual(
      before.map((answer, index) => shown(answer, OF_ANOTHER[index]![0])),
    );
    for (const [index, answer] of after.entries()) {
      const [path] = OF_ANOTHER[index]!;
      expect([400, 403, 404], `${path} ${answer.status}`).toContain(answer.status);
      expect(shown(answer, path), path).not.toMatch(CANARY);
    }
  });

  test('is not had through what a reader who may see it was given', async () => {
    const asBob = basic(BOBS.user, 'pw of bob');
    const { head, status, body } = await ask(servers.ports.signedIn, {
      bytes: get(`/job/${BOBS.id}`, asBob),
    });
    expect(status).toBe(200);
    expect(body).toContain('name-canary');
    expect(head).toMatch(/cache-control: (no-store|private)/);
    const tag = /etag: (.*)/.exec(head)?.[1] ?? '"none"';
    const asked = await ask(servers.ports.signedIn, {
      bytes: get(`/job/${BOBS.id}`, `${ADA}If-None-Match: ${tag}\r\n`),
    });
    expect([asked.status, CANARY.test(shown(asked, BOBS.id))]).toEqual([404, false]);
  });
});

/** As vitest has them in titles. */
function asRows(requests: readonly Refused[]) {
  return requests.map((request) => ({ what: request[0], status: request[1], request }));
}

async function refusedBy([, status, bytes, kind = 'signedIn', from = ownPlace()]: Refused): Promise<Answer> {
  const answer = await ask(servers.ports[kind], { bytes, from });
  expect(answer.status).toBe(status);
  expect(`${answer.head}\n${answer.body}`).not.toMatch(/canary|own-job|eves-job|root:/);
  return answer;
}

describe('refused are', () => {
  test.each(asRows(CREDENTIALS))('$what: $status', async ({ request }) => {
    const { head, status } = await refusedBy(request);
    if (status !== 401) return;
    expect(head).toContain('www-authenticate: basic realm="gpuledger", charset="utf-8"');
    expect(head).toContain('www-authenticate: bearer realm="gpuledger"');
    expect(head).toContain('cache-control: no-store');
    expect(head).toContain('x-frame-options: deny');
  });
  test.each(asRows(FORGED))('$what: $status', async ({ request }) => {
    await refusedBy(request);
  });
  test.each(asRows(HOSTS))('$what: $status', async ({ request }) => {
    await refusedBy(request);
  });
  test.each(asRows(FORMS))('$what: $status', async ({ request }) => {
    await refusedBy(request);
  });
  test.each(PATHS)('the path %s', async (path) => {
    const { status, head, body } = await ask(servers.ports.signedIn, { bytes: get(path, ADA) });
    expect([400, 404]).toContain(status);
    expect(`${head}\n${body}`).not.toMatch(/canary|own-job|root:|x-evil: *1|49\b.*7\*7/);
  });

  test('more than a hundred', () => {
    const all = [...CREDENTIALS, ...FORGED, ...HOSTS, ...FORMS].map(
      ([, , bytes, kind, from]) => `${kind} ${from} ${String(bytes)}`,
    );
    const distinct = new Set([...all, ...PATHS, ...OF_ANOTHER.map((request) => request.join(' '))]);
    expect(distinct.size).toBe(all.length + PATHS.length + OF_ANOTHER.length);
    expect(distinct.size).toBeGreaterThan(100);
  });
});

describe('many jobs', () => {
  test.each(LISTS)('%s tells an operator of all', async (path) => {
    const { status, body } = await ask(servers.ports.signedIn, {
      bytes: get(path, basic('carol', 'pw of carol')),
    });
    expect(status).toBe(200);
    expect(body).toMatch(CANARY);
  });
  test.each(LISTS_OF_OTHERS)('%s tells ada nothing of bob', async (path) => {
    const answer = await ask(servers.ports.signedIn, { bytes: get(path, ADA) });
    expect([200, 400, 403, 404, 422]).toContain(answer.status);
    expect(shown(answer, path)).not.toMatch(CANARY);
    expect(answer.body).not.toContain(EVES.name);
  });
  test.each([
    `account=${BOBS.account}`,
    `user=${BOBS.user}`,
    `node=${BOBS.node}`,
    'partition=gpu',
    'qos=normal',
  ])('capacity of %s alone is not for ada: its sums would be of others', async (filter) => {
    const path = `/api/v1/capacity?${DAY}&by=day&${filter}`;
    expect((await ask(servers.ports.signedIn, { bytes: get(path, ADA) })).status).toBe(404);
  });
  test.each(['//evil.example', 'https://evil.example/', '/\\\\evil.example', '../../evil', 'a\r\nX-Evil: 1'])(
    'the id %j leads nowhere else',
    async (id) => {
      const path = `/jobs?id=${encodeURIComponent(id)}`;
      const { head } = await ask(servers.ports.signedIn, { bytes: get(path, ADA) });
      const place = /^location: (.*)$/m.exec(head)?.[1]?.trim() ?? '';
      expect(new URL(place, 'http://127.0.0.1/jobs').host).toBe('127.0.0.1');
      expect(head).not.toMatch(/^x-evil/m);
    },
  );
});

interface Allowed {
  readonly who: string;
  /** Who he is. */
  readonly headers: string;
  /** Whose page he asks for. */
  readonly job: Job;
  readonly kind?: Kind;
  readonly from?: string;
}

const proxied = { kind: 'behindProxy', from: PROXY } as const;
const ALLOWED: readonly Allowed[] = [
  { who: 'ada by her password', headers: ADA, job: ADAS },
  { who: 'ada by her token', headers: bearer(TOKENS.ada), job: ADAS },
  { who: 'bob by his token', headers: bearer(TOKENS.bob), job: BOBS },
  { who: 'eve by her password', headers: basic('eve', 'pw of eve'), job: EVES },
  { who: 'a member of the account, of another one', headers: basic('mia', 'pw of mia'), job: EVES },
  { who: 'a member of the account', headers: basic('mia', 'pw of mia'), job: ADAS },
  { who: 'an operator', headers: basic('carol', 'pw of carol'), job: BOBS },
  { who: 'ada by the proxy', headers: `${HEADER}: ada\r\n`, job: ADAS, ...proxied },
  { who: 'ada by another name of hers', headers: `${HEADER}: ada@example.org\r\n`, job: ADAS, ...proxied },
  { who: 'an operator by the proxy', headers: `${HEADER}: carol\r\n`, job: BOBS, ...proxied },
  {
    who: 'ada by the proxy, who sends her password too',
    headers: `${HEADER}: ada\r\n${basic('carol', 'x')}`,
    job: ADAS,
    ...proxied,
  },
  { who: 'anybody on this machine where nobody is asked', headers: '', job: BOBS, kind: 'open' },
];
const FORBIDDEN: readonly Allowed[] = [
  { who: "ada, eve's", headers: ADA, job: EVES },
  { who: 'a member of another account', headers: basic('mia', 'pw of mia'), job: BOBS },
  { who: "eve, ada's", headers: basic('eve', 'pw of eve'), job: ADAS },
  { who: "ada by the proxy, bob's", headers: `${HEADER}: ada\r\n`, job: BOBS, ...proxied },
  { who: "bob by his token, ada's", headers: bearer(TOKENS.bob), job: ADAS },
];

describe('allowed', () => {
  test.each(ALLOWED)('$who', async ({ headers, job, kind = 'signedIn', from = '127.0.0.1' }) => {
    const { status, body } = await ask(servers.ports[kind], { bytes: get(`/job/${job.id}`, headers), from });
    expect(status).toBe(200);
    expect(body).toContain(job.name);
    const path = `/api/v1/jobs/${job.id}/window?${WINDOW}`;
    const samples = await ask(servers.ports[kind], { bytes: get(path, headers), from });
    expect([samples.status, samples.body]).toEqual([200, expect.stringContaining('"name":"SM active"')]);
  });
  test.each(FORBIDDEN)('is not $who', async ({ headers, job, kind = 'signedIn', from = '127.0.0.1' }) => {
    const { status, body } = await ask(servers.ports[kind], { bytes: get(`/job/${job.id}`, headers), from });
    expect(status).toBe(404);
    expect(body).not.toContain(job.name);
    const path = `/api/v1/jobs/${job.id}/window?${WINDOW}`;
    const samples = await ask(servers.ports[kind], { bytes: get(path, headers), from });
    expect([samples.status, samples.body]).toEqual([404, expect.not.stringContaining('SM active')]);
  });
  test('is the state of the server to anybody, and nothing else', async () => {
    expect((await ask(servers.ports.signedIn, { bytes: get('/healthz') })).status).toBe(200);
    expect((await ask(servers.ports.behindProxy, { bytes: get('/healthz') })).status).toBe(200);
  });
  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1:8470', '[::1]:8470', 'gpu.example.org'])(
    'is the Host %s',
    async (host) => {
      const bytes = raw([`GET ${OWN} HTTP/1.1`, `Host: ${host}`, 'Connection: close', '']);
      expect((await ask(servers.ports.open, { bytes })).status).toBe(200);
    },
  );
});

test('twenty requests at once with a password that was never seen are one try', async () => {
  const bytes = get(`/job/${EVES.id}`, basic('eve', 'pw of eve'));
  const from = ownPlace();
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => ask(servers.ports.overTls, { bytes, from, ca: CA })),
  );
  // Of a store that is asked as often at once, some may have to wait.
  expect(answers.filter(({ status }) => status === 401 || status === 429)).toEqual([]);
  expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
});

test('who tries many passwords waits, and nobody else does', async () => {
  const from = ownPlace();
  const tries: number[] = [];
  for (let tried = 0; tried < 14; tried += 1)
    tries.push(
      (await ask(servers.ports.signedIn, { bytes: get(OWN, basic('eve', `try-${tried}`)), from })).status,
    );
  expect(tries.slice(0, 10)).toEqual(Array(10).fill(401));
  const last = await ask(servers.ports.signedIn, { bytes: get(OWN, basic('eve', 'try-')), from });
  expect(last.status).toBe(429);
  expect(Number(/retry-after: (\d+)/.exec(last.head)?.[1])).toBeGreaterThan(0);
  expect(servers.told.map(({ code }) => code)).toContain('serve.slowed');
  const eve = basic('eve', 'pw of eve');
  expect(
    (await ask(servers.ports.signedIn, { bytes: get(`/job/${EVES.id}`, eve), from: ownPlace() })).status,
  ).toBe(200);
});

test('no password, token or forged name stands in the log', () => {
  const log = JSON.stringify(servers.told);
  expect(servers.told.map(({ code }) => code)).toContain('serve.forged');
  for (const secret of ['pw of', 'try-', ...Object.values(TOKENS)]) expect(log).not.toContain(secret);
});
