/**
 * Goal: `/api/v1` answers exactly what `--json` prints, as its own description says, and nobody learns of it what he may not see. Method:
 * a made fleet in a real QuestDB, requests as several readers, a validator that knows nothing of zod.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { jobsFigures } from '../../src/figures/job/jobs.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import { userFigures } from '../../src/figures/user/user.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { capacityJson, jobJson, jobsJson } from '../../src/report/json.ts';
import { userJson } from '../../src/report/user/user-json.ts';
import { EVERYBODY, type Viewer } from '../../src/serve/viewer.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { fillFleet, fleetLane, HOSTILE_NODE, HOSTILE_USER } from './made-fleet.ts';
import { startWeb } from './web-server.ts';

const HOUR = 3600e6;
const ADA: Viewer = { name: 'ada', isOperator: false, accounts: new Set() };
const HEAD: Viewer = { name: 'hilda', isOperator: false, accounts: new Set(['physics']) };
const NOBODY: Viewer = { name: undefined, isOperator: false, accounts: new Set() };

let server: TestQuestdb;
let db: QuestDb;
let nowUs: number;

beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  nowUs = Math.floor((Date.now() * 1000) / 60e6) * 60e6;
  await fillFleet(db, nowUs);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

type Json = Record<string, unknown>;

async function ask(
  path: string,
  viewer: Viewer = EVERYBODY,
): Promise<{ status: number; text: string; json: Json }> {
  const { url } = await startWeb(server.conf, { lanes: [fleetLane], viewer });
  const reply = await fetch(`${url}/api/v1/${path}`);
  const text = await reply.text();
  expect(reply.headers.get('content-type')).toBe('application/json; charset=utf-8');
  return { status: reply.status, text, json: JSON.parse(text) as Json };
}

const iso = (us: number): string => new Date(us / 1000).toISOString();

describe('answers are what --json prints', () => {
  // What runs is looked at up to now: of these times nothing does.
  const window = (): { fromUs: number; toUs: number } => ({
    fromUs: nowUs - 52 * HOUR,
    toUs: nowUs - 10 * HOUR,
  });
  const words = (): string => `from=${iso(window().fromUs)}&to=${iso(window().toUs)}`;

  test('a job', async () => {
    const account = await accountOf(db, [fleetLane], '9001', { nowUs });
    if (account.of !== 'job') throw new Error('a job was made');
    expect((await ask('jobs/9001')).text).toBe(jobJson(account.figures));
  });
  test('jobs', async () => {
    const figures = await jobsFigures(db, [fleetLane], {
      ...window(),
      nowUs,
      filters: { user: 'bob' },
      order: 'energy',
    });
    expect(figures.rows).toHaveLength(1);
    expect((await ask(`jobs?user=bob&account=&sort=energy&${words()}`)).text).toBe(jobsJson(figures));
  });
  test('a user', async () => {
    const figures = await userFigures(db, [fleetLane], { ...window(), nowUs, user: 'ada' });
    expect((await ask(`users/ada?${words()}`)).text).toBe(userJson(figures));
  });
  test('capacity', async () => {
    const figures = await capacityFigures(db, [fleetLane], { ...window(), by: 'user', every: 'day' });
    expect((await ask(`capacity?by=user,day&${words()}`)).text).toBe(capacityJson(figures));
  });
});

test('every answer is as the description of the API says', async () => {
  const { json } = await ask('openapi.json');
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  const paths = json.paths as Record<
    string,
    { get: { responses: Record<string, { content: Record<string, { schema: Json }> }> } }
  >;
  expect(Object.keys(paths).sort()).toEqual(
    [
      ...['bill', 'capacity', 'forecast', 'jobs', 'jobs/{id}', 'nodes/{name}', 'queries', 'queries/{name}'],
      ...['queue', 'reliability', 'right-size', 'users/{name}'],
    ].map((path) => `/api/v1/${path}`),
  );
  for (const [path, asked, status] of [
    ['jobs', 'jobs', 200],
    ['jobs/{id}', 'jobs/9001', 200],
    ['jobs/{id}', 'jobs/9004', 200],
    ['jobs/{id}', 'jobs/424242', 404],
    ['jobs', 'jobs?sort=best', 400],
    ['users/{name}', `users/${encodeURIComponent(HOSTILE_USER)}`, 200],
    ['nodes/{name}', `nodes/${encodeURIComponent(HOSTILE_NODE)}`, 200],
    ['nodes/{name}', 'nodes/n3', 404],
    ['capacity', 'capacity?by=node', 200],
    ['capacity', 'capacity', 200],
    ['queries', 'queries', 200],
    ['queries/{name}', 'queries/inventory', 200],
    ['queries/{name}', 'queries/inventori', 404],
  ] as const) {
    const answer = await ask(asked);
    expect([asked, answer.status]).toEqual([asked, status]);
    const validate = ajv.compile(
      paths[`/api/v1/${path}`]!.get.responses[String(status)]!.content['application/json']!.schema,
    );
    validate(answer.json);
    expect([asked, validate.errors ?? []]).toEqual([asked, []]);
  }
});

test.each<[path: string, status: number, message: string | RegExp, hint?: string]>([
  ['jobs?usr=ada', 400, 'there is no parameter "usr" here', 'did you mean: user'],
  ['jobs?user=a&user=b', 400, 'user: expected one value, came several'],
  ['jobs?user=%20', 400, 'user: expected a name, came nothing'],
  [`jobs?user=${'a'.repeat(300)}`, 400, /^user: /],
  ['jobs?since=7x', 400, /^since: /],
  ['jobs?since=7d&from=2026-01-01', 400, 'expected since or from, came both'],
  ['jobs?from=2026-02-30', 400, /^from: expected an ISO date/],
  ['jobs?sort=best', 400, /^sort: expected one of wasted, lost/],
  ['jobs?sort=cost', 400, /expected prices/],
  ['capacity?by=month,account', 400, /^by: Allowed choices are user, account/],
  ['capacity?by=acount,month', 400, /^by: Did you mean account\? Allowed choices are user, account/],
  ['capacity?top=none', 400, /^top: expected a number of rows/],
  ['capacity?account=nobodys', 404, /no job of the window has the account/],
  ['capacity?cluster=none', 404, /no cluster "none"/],
  ['users/ada?user=bob', 400, 'there is no parameter "user" here'],
  ['nodes/n3', 404, 'there is no node "n3": no GPU is known to be of it', 'did you mean: n1'],
  ['queries/idle-no', 404, 'there is no query "idle-no"', 'did you mean: idle-now'],
  ['queries?x=1', 400, 'there is no parameter "x" here', 'there is none'],
  ["queries/device-owners?device=x';drop table jobs", 400, /^device: expected the UUID/],
  ['queries/device-owners', 400, /^expected device=/],
  ['queries/inventory?nod=n1', 400, 'there is no parameter "nod" here', 'did you mean: node'],
  ['nothing', 404, 'there is no page at this address'],
])('%s is refused: %i', async (path, status, message, hint) => {
  const { status: came, json } = await ask(path);
  const { error } = json as { error: { message: string; hints: string[] } };
  expect([came, error.message]).toEqual([
    status,
    typeof message === 'string' ? message : (expect.stringMatching(message) as string),
  ]);
  if (hint !== undefined) expect(error.hints.join('\n')).toContain(hint);
});

describe('who may see what', () => {
  const jobIds = (json: Json): unknown[] => (json.rows as Json[]).map(({ jobId }) => jobId).sort();
  test.each<[string, Viewer, readonly string[]]>([
    ['everybody', EVERYBODY, ['9001', '9002', '9003', '9004', '9005']],
    ['ada', ADA, ['9001', '9004']],
    ['a head of physics', HEAD, ['9001', '9004', '9005']],
    ['nobody', NOBODY, []],
  ])('jobs of %s', async (_who, viewer, ids) => {
    expect(jobIds((await ask('jobs', viewer)).json)).toEqual(ids);
    // Whoever asks for another's by name is told of none.
    expect(jobIds((await ask('jobs?user=bob', viewer)).json)).toEqual(ids.filter((id) => id === '9002'));
  });

  test('the fleet: own rows by name, the others as one, and the same sums', async () => {
    const all = (await ask('capacity?by=user')).json;
    const own = (await ask('capacity?by=user', ADA)).json;
    type Row = { kind: string; name?: string; attributedUs: number; jobs: number };
    const rows = (json: Json): Row[] => json.rows as Row[];
    expect(rows(own).map(({ kind, name }) => [kind, name])).toEqual([
      ['group', 'ada'],
      ['others', undefined],
      ['unowned', undefined],
    ]);
    const sum = (json: Json, of: (row: Row) => number): number =>
      rows(json).reduce((total, row) => total + of(row), 0);
    expect(sum(own, (row) => row.attributedUs)).toBeCloseTo(
      sum(all, (row) => row.attributedUs),
      -3,
    );
    expect(sum(own, ({ jobs }) => jobs)).toBe(5);
    expect(JSON.stringify(own)).not.toMatch(/bob|eve|n1|"n\/2|9002/);
    expect(own.isNarrowed).toBe(true);
    for (const by of ['node', 'partition', 'cluster', 'qos', 'account'])
      expect(rows((await ask(`capacity?by=${by}`, ADA)).json).map(({ name }) => name)).toEqual(
        expect.not.arrayContaining(['n1', 'physics', 'gpu', 'served']),
      );
    expect(rows((await ask('capacity', HEAD)).json)[0]).toMatchObject({ kind: 'group', name: 'physics' });
  });

  test.each([
    'users/bob',
    'nodes/n1',
    'nodes/nowhere',
    'queries',
    'queries/inventory',
    'queries/none',
    'jobs/9002',
  ])('ada asks for %s as for what there is not', async (path) => {
    const { status, json } = await ask(path, ADA);
    expect(status).toBe(404);
    expect(JSON.stringify(json)).not.toMatch(/bob|biology|n1|inventory/);
  });

  test('ada has her own account', async () => {
    expect((await ask('users/ada', ADA)).json).toMatchObject({
      user: 'ada',
      ended: { runs: 1 },
      notEnded: 1,
    });
  });
});

test('a node tells what it has, who has it now, and what happened', async () => {
  const { json } = await ask('nodes/n1');
  expect(json).toMatchObject({
    node: 'n1',
    eventCount: 1,
    devices: [
      {
        gpu: 'A0',
        index: 0,
        model: 'NVIDIA H200',
        owners: [{ typedId: '9003', user: HOSTILE_USER }],
        last: { tsUs: nowUs, smActiveRatio: 0.01 },
      },
      {
        gpu: 'A1',
        index: 1,
        owners: [{ typedId: '9004', user: 'ada' }],
        last: { tsUs: nowUs, powerWatts: 500 },
      },
    ],
  });
  expect(((json.jobs as Json[]).map(({ jobId }) => jobId) as string[]).sort()).toEqual([
    '9001',
    '9003',
    '9004',
  ]);
  // Of whole hours: all of them were seen.
  const { seenUs, knownUs } = json.coverage as { seenUs: number; knownUs: number };
  expect([seenUs, seenUs >= 100 * HOUR, seenUs <= 104 * HOUR]).toEqual([knownUs, true, true]);
});
