/** Goal: a part of a job's time is told to whoever may see the job, and to nobody else. Method: jobs in a real QuestDB, over HTTP. */
import { beforeAll, afterAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import type { Viewer } from '../../src/serve/viewer.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startWeb } from './web-server.ts';

const T0 = Date.UTC(2024, 10, 5, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * 1e6;
const lane: Lane = {
  ...{ name: 'windowed', table: 'gpu_windowed', schedule: 'continuous', intervalMs: 1000, capacityTicks: 1 },
  fields: [findField(1002)!],
};
const ADA: Viewer = { name: 'ada', isOperator: false, accounts: new Set() };
const BOB: Viewer = { name: 'bob', isOperator: false, accounts: new Set() };
const HEAD: Viewer = { name: 'eve', isOperator: false, accounts: new Set(['physics']) };

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const stay = { ts: at(0), end_ts: at(60), cluster: 'windows', job_id: '881', run: 0 };
  await insertRows(db, 'jobs', [
    { ...stay, submit_ts: at(0), user: 'ada', account: 'physics', state: 'COMPLETED' },
  ]);
  await insertRows(db, 'gpu_ownership', [{ ...stay, node: 'w1', gpu: 'WI-0', share: 1 }]);
  await insertRows(
    db,
    lane.table,
    Array.from({ length: 60 }, (_, second) => ({
      ...{ ts: at(second + 1), cluster: 'windows', node: 'w1', gpu: 'WI-0', job_id: '881', owners: 1 },
      ...{ dt_us: 1e6, sm_active_ratio: second / 100 },
    })),
  );
});
afterAll(async () => {
  await db.close();
});

const path = (query: string): string => `/api/v1/jobs/881/window?cluster=windows&${query}`;

test.each([
  { who: 'the user', viewer: ADA, status: 200 },
  { who: 'a member of the account', viewer: HEAD, status: 200 },
  { who: 'another user', viewer: BOB, status: 404 },
])('$who: $status', async ({ viewer, status }) => {
  const { url } = await startWeb(inject('reportsConf'), { lanes: [lane], viewer });
  const answer = await fetch(url + path(`from=${at(10)}&to=${at(13)}`));
  const text = await answer.text();
  expect(answer.status, text).toBe(status);
  if (status === 200)
    expect(JSON.parse(text)).toMatchObject({
      ...{ from: at(10) / 1e6, to: at(13) / 1e6, times: [[1000, 2000, 3000]] },
      charts: [{ id: 'activity', lines: [{ values: [10, 11, 12] }] }],
    });
  else expect(text.replaceAll('881', 'ID')).toBe(await unknownTo(url));
});

/** What is said of a job that there is not. */
async function unknownTo(url: string): Promise<string> {
  const answer = await fetch(`${url}/api/v1/jobs/899/window?cluster=windows&from=${at(10)}&to=${at(13)}`);
  return (await answer.text()).replaceAll('899', 'ID');
}

test.each([
  ['from=1&to=1', 'from before to'],
  ['from=-1&to=9', 'microseconds'],
  ['from=1e3&to=9', 'microseconds'],
  ['from=1', 'to'],
  [`from=1&to=${'9'.repeat(17)}`, 'microseconds'],
  ['from=1&to=2&step=3', 'step'],
  ['from=1&from=0&to=2', 'from'],
])('%s is refused', async (query, said) => {
  const { url } = await startWeb(inject('reportsConf'), { lanes: [lane] });
  const answer = await fetch(url + path(query));
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain(said);
});

test('a time in which the job was not is empty', async () => {
  const { url } = await startWeb(inject('reportsConf'), { lanes: [lane] });
  const answer = await fetch(url + path(`from=${at(100)}&to=${at(200)}`));
  expect(await answer.json()).toMatchObject({ times: [], charts: [] });
});
