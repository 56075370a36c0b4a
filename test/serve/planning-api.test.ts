/**
 * Goal: what `/api/v1` answers to planners is what the command line prints with `--json`, letter for letter, nothing is issued by it, and
 * reports that tell names are for operators. Method: a made fleet in a real QuestDB, the command line beside the server.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { EVERYBODY, type Viewer } from '../../src/serve/viewer.ts';
import { runLine } from '../helpers/command-line.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { fillFleet, fleetLane } from './made-fleet.ts';
import { startWeb } from './web-server.ts';

vi.mock('../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

const HOUR = 3600e6;
/** A month that was over long ago. */
const MONTH = '2024-03';
const CONFIG = `
lanes:
  - name: fleet
    interval: 1m
    fields: [1002, 1004, 155, 156, 252]
costs:
  currency: EUR
  gpu_hour: NVIDIA H200=3.20
`;
const COSTS = {
  ...{ currency: 'EUR', gpuHour: { models: new Map([['NVIDIA H200', 3.2]]), others: undefined } },
  ...{ rgu: undefined, kwhPrice: undefined, pue: undefined, gramsPerKwh: undefined },
};
const ADA: Viewer = { name: 'ada', isOperator: false, accounts: new Set() };
const HEAD: Viewer = { name: 'hilda', isOperator: false, accounts: new Set(['physics']) };

let server: TestQuestdb;
let db: QuestDb;
let nowUs: number;
let directory: string;
let file: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-planning-'));
  file = join(directory, 'gpuledger.yaml');
  writeFileSync(file, CONFIG);
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  nowUs = Math.floor((Date.now() * 1000) / 60e6) * 60e6;
  await fillFleet(db, nowUs);
  const stay = {
    ...{ ts: Date.UTC(2024, 2, 5) * 1000, end_ts: Date.UTC(2024, 2, 6) * 1000 },
    ...{ cluster: 'served', job_id: '7001', run: 0 },
  };
  await insertRows(db, 'jobs', [{ ...stay, user: 'zoe', account: 'astro', name: 'old', state: 'COMPLETED' }]);
  await insertRows(db, 'gpu_ownership', [{ ...stay, node: 'n1', gpu: 'A0', share: 1, source: 'test' }]);
  for (const table of ['jobs', 'gpu_ownership']) await waitForVisible(db, table);
});
afterAll(async () => {
  await db.close();
  await server.stop();
  rmSync(directory, { recursive: true });
});

type Json = Record<string, unknown>;

async function ask(
  path: string,
  viewer: Viewer = EVERYBODY,
): Promise<{ readonly status: number; readonly text: string; readonly json: Json }> {
  const { url } = await startWeb(server.conf, { lanes: [fleetLane], viewer, costs: COSTS });
  const reply = await fetch(`${url}/api/v1/${path}`);
  const text = await reply.text();
  return { status: reply.status, text, json: JSON.parse(text) as Json };
}

async function printed(...args: readonly string[]): Promise<string> {
  const ended = await runLine(['report', ...args, '--config', file, '--json'], {
    QDB_CLIENT_CONF: server.conf,
  });
  expect([ended.exitCode, ended.stderr]).toEqual([0, '']);
  return ended.stdout;
}

/** What runs is looked at up to now: of this time nothing does. */
const window = (): readonly [from: string, to: string] => [
  new Date((nowUs - 52 * HOUR) / 1000).toISOString(),
  new Date((nowUs - 10 * HOUR) / 1000).toISOString(),
];

describe('answers are what --json prints', () => {
  test.each([
    ['queue', [], ''],
    ['reliability', ['--cluster', 'served'], '&cluster=served'],
    ['right-size', [], ''],
    [
      'right-size',
      ['--what-if', 'mig=1g.18gb:7', '--what-if', 'idle-limit=30m'],
      '&what-if=mig%3D1g.18gb:7,idle-limit=30m',
    ],
  ] as const)('%s %j', async (report, flags, words) => {
    const [from, to] = window();
    const { status, text } = await ask(`${report}?from=${from}&to=${to}${words}`);
    expect([status, text]).toEqual([200, await printed(report, '--from', from, '--to', to, ...flags)]);
  });
  test('forecast', async () => {
    const [, to] = window();
    const { status, text } = await ask(`forecast?since=8w&to=${to}&horizon=3w`);
    expect([status, text]).toEqual([
      200,
      await printed('forecast', '--since', '8w', '--to', to, '--horizon', '3w'),
    ]);
  });

  test('a bill: a draft until one is issued, then as it was issued; the server issues none', async () => {
    const draft = await ask(`bill?month=${MONTH}`);
    expect([draft.status, draft.json]).toEqual([
      200,
      expect.objectContaining({
        state: 'draft',
        all: expect.objectContaining({ seconds: 86_400, cost: 76.8 }) as object,
      }),
    ]);
    expect((await db.exec('SELECT count() FROM bills')).rows).toEqual([[0]]);
    const issued = await printed('bill', '--month', MONTH, '--by', 'user');
    expect(JSON.parse(issued)).toMatchObject({ state: 'issued', version: 1 });
    expect((await ask(`bill?month=${MONTH}&by=user`)).text).toBe(issued);
    expect((await ask(`bill?month=${MONTH}&version=1&by=device&cluster=served`)).text).toBe(
      await printed('bill', '--month', MONTH, '--issue', '1', '--by', 'device', '--cluster', 'served'),
    );
    // What comes late is for those to issue who may.
    const late = Date.UTC(2024, 2, 7) * 1000;
    await insertRows(db, 'gpu_ownership', [
      {
        ...{ ts: late, end_ts: late + HOUR, cluster: 'served', node: 'n1', gpu: 'A0' },
        ...{ job_id: '7002', run: 0, share: 1, source: 'test' },
      },
    ]);
    await waitForVisible(db, 'gpu_ownership');
    expect((await ask(`bill?month=${MONTH}&by=user`)).text).toBe(issued);
    expect((await db.exec('SELECT count_distinct(bill) FROM bills')).rows).toEqual([[1]]);
  });

  test('a bill of the month that has not ended is provisional, up to now', async () => {
    const before = Date.now() * 1000;
    const { json } = await ask(`bill?month=${new Date().toISOString().slice(0, 7)}`);
    expect(json.state).toBe('provisional');
    expect(json.untilUs).toBeGreaterThanOrEqual(before);
    expect(json).not.toHaveProperty('version');
  });
});

test('every answer is as the description of the API says', async () => {
  const { json } = await ask('openapi.json');
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  type Route = {
    parameters: { name: string; required?: boolean }[];
    responses: Record<string, { content: Record<string, { schema: Json }> }>;
  };
  const paths = json.paths as Record<string, { get: Route }>;
  const [from, to] = window();
  for (const [report, asked, status] of [
    ['queue', `queue?from=${from}&to=${to}`, 200],
    ['forecast', 'forecast', 200],
    ['forecast', 'forecast?horizon=13w', 400],
    ['reliability', 'reliability', 200],
    ['right-size', 'right-size?what-if=idle-limit=30m', 200],
    ['right-size', 'right-size', 200],
    ['bill', `bill?month=${MONTH}&by=device`, 200],
    ['bill', 'bill', 400],
    ['bill', `bill?month=${MONTH}&version=77`, 404],
  ] as const) {
    const answer = await ask(asked);
    expect([asked, answer.status]).toEqual([asked, status]);
    const { responses } = paths[`/api/v1/${report}`]!.get;
    const validate = ajv.compile(responses[String(status)]!.content['application/json']!.schema);
    validate(answer.json);
    expect([asked, validate.errors ?? []]).toEqual([asked, []]);
  }
  const { parameters } = paths['/api/v1/bill']!.get;
  expect(parameters.filter(({ required }) => required).map(({ name }) => name)).toEqual(['month']);
});

test.each<[path: string, status: number, message: string | RegExp]>([
  ['bill', 400, 'month: expected a value, came nothing'],
  ['bill?month=2024-13', 400, 'month: expected a month from 1970-01 on, such as 2026-10'],
  ['bill?month=2923-10', 400, 'expected a month that has begun, came 2923-10'],
  ['bill?month=2024-03&by=model', 400, 'by: expected one of account, user, device'],
  ['bill?month=2024-03&version=0', 400, 'version: a version is a whole number from 1 on'],
  ['bill?month=2024-03&reissue=true', 400, 'there is no parameter "reissue" here'],
  ['bill?month=2024-03&cluster=none', 404, /^no cluster "none"/],
  ['forecast?horizon=13w', 400, 'horizon: expected 1w to 12w'],
  ['forecast?from=2024-01-01', 400, 'there is no parameter "from" here'],
  ['forecast?cluster=none', 404, /^no cluster "none"/],
  ['queue?since=7x', 400, /^since: /],
  ['reliability?since=7d&from=2024-01-01', 400, 'expected since or from, came both'],
  ['right-size?what-if=mig=9g.9gb:9', 400, /^what-if: Expected a change such as mig=/],
  ['right-size?what-if=mig=3g.1gb:3', 400, /./],
  ['right-size?what-if=idle-limit=soon', 400, /^what-if: .*Expected a change such as/],
])('%s is refused: %i', async (path, status, message) => {
  const { status: came, json } = await ask(path);
  const { error } = json as { error: { message: string } };
  expect([came, error.message]).toEqual([
    status,
    typeof message === 'string' ? message : (expect.stringMatching(message) as string),
  ]);
});

test('without any price there is no bill', async () => {
  const { url } = await startWeb(server.conf, { lanes: [fleetLane] });
  const reply = await fetch(`${url}/api/v1/bill?month=2024-05`);
  expect([reply.status, await reply.json()]).toEqual([
    404,
    { error: expect.objectContaining({ code: 'bill.no_costs' }) as object },
  ]);
});

describe('who may see what', () => {
  test.each([ADA, HEAD])('for %o what tells names is not there', async (viewer) => {
    for (const path of ['queue', 'reliability', 'right-size', `bill?month=${MONTH}`, 'bill?month=x']) {
      const { status, json } = await ask(path, viewer);
      expect([path, status, json]).toEqual([
        ...[path, 404],
        { error: expect.objectContaining({ code: 'serve.unknown_page' }) as object },
      ]);
    }
  });
  test('the forecast is of the fleet, and names nobody', async () => {
    const asked = `forecast?to=${window()[1]}`;
    const own = await ask(asked, ADA);
    expect(own).toEqual(await ask(asked));
    expect(own.text).not.toMatch(/ada|bob|eve|physics|biology|n1|"n\/2|served/);
  });
  test('who asks for a cluster that there is not hears of those that there are, where he may', async () => {
    const own = await ask('capacity?cluster=none', ADA);
    expect([own.status, own.text]).toEqual([404, expect.not.stringContaining('served')]);
    expect((await ask('capacity?cluster=none')).text).toContain('served');
  });
});
