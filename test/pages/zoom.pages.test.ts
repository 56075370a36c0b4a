/**
 * Goal: from the page of a job that a server shows, a reader comes down to the samples, and sees those that were written. Method: a job
 * of ten samples a second in a real QuestDB, the web server, a real Chromium.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startWeb } from '../serve/web-server.ts';
import { openBrowser, PATIENCE_MS, seriousFaults } from './browser.ts';

const T0 = Date.UTC(2024, 10, 4, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * 1e6;
const LENGTH = 1200;
const INTERVAL = 0.1;
const lane: Lane = {
  ...{ name: 'zoomed', table: 'gpu_zoomed', schedule: 'continuous', intervalMs: 100, capacityTicks: 1 },
  fields: [1002, 155].map((id) => findField(id)!),
};
const GPUS = ['ZO-0', 'ZO-1'];
/** Of device n at tick k, both from 0; in SQL and here. */
const SM_SQL = '0.1 + 0.2 * n + (k % 50) / 100.0';
const sm = (n: number, k: number): number => 0.1 + 0.2 * n + (k % 50) / 100;

let db: QuestDb;
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 300_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const stay = { ts: at(0), end_ts: at(LENGTH), cluster: 'zoom', job_id: '871', run: 0 };
  await insertRows(db, 'jobs', [
    { ...stay, submit_ts: at(0), user: 'ada', state: 'COMPLETED', exit_code: 0 },
  ]);
  await insertRows(
    db,
    'gpu_ownership',
    GPUS.map((gpu) => ({ ...stay, node: 'z1', gpu, share: 1 })),
  );
  await insertRows(
    db,
    'gpu_inventory',
    GPUS.map((gpu, index) => ({
      ...{
        ts: at(-60),
        cluster: 'zoom',
        node: 'z1',
        gpu,
        gpu_index: index,
        model: 'NVIDIA H200',
        source: 'test',
      },
    })),
  );
  await db.exec(
    `INSERT INTO ${lane.table} (ts, cluster, node, gpu, job_id, owners, dt_us, sm_active_ratio, power_watts)` +
      ` SELECT cast(${T0} + (k + 1) * ${INTERVAL * 1e6} AS TIMESTAMP), 'zoom', 'z1', concat('ZO-', n), '871', 1, ${INTERVAL * 1e6}, ${SM_SQL}, 500` +
      ` FROM (SELECT (x - 1) % ${GPUS.length} AS n, (x - 1) / ${GPUS.length} AS k FROM long_sequence(${(GPUS.length * LENGTH) / INTERVAL}))`,
  );
  await waitForVisible(db, lane.table);
});
afterAll(async () => {
  await browser.close();
  await db.close();
});

interface Shown {
  readonly page: Page;
  readonly complaints: readonly string[];
  readonly foreign: readonly string[];
}

async function openServed(path: string): Promise<Shown> {
  const { url } = await startWeb(inject('reportsConf'), { lanes: [lane] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const [complaints, foreign]: [string[], string[]] = [[], []];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith('data:'))
      foreign.push(request.url());
  });
  await page.goto(`${url}${path}`, { waitUntil: 'load' });
  return { page, complaints, foreign };
}

const closer = async (page: Page): Promise<string> => await page.locator('#closer').innerText();

test('closer and closer down to the samples, which are those that were written; and back', async () => {
  const { page, complaints, foreign } = await openServed('/job/871?cluster=zoom');
  expect(await closer(page)).toBe('');
  const button = page.getByRole('button', { name: 'closer', exact: true });
  // 1200 s by halves: 600 and 300 are seen in longer steps of the page or shorter ones of the server, the rest sample by sample.
  for (let length = LENGTH / 2; length > 5; length /= 2) {
    await button.click();
    await expect.poll(async () => await closer(page)).not.toBe('reading closer…');
  }
  expect(await closer(page)).toBe('the samples themselves, of 2 GPUs');
  const over = page.locator('#plot-activity .u-over');
  await over.scrollIntoViewIfNeeded();
  const box = (await over.boundingBox())!;
  for (const part of [0.2, 0.55, 0.8]) {
    await page.mouse.move(box.x + box.width * part, box.y + 40);
    const words = await page.locator('#plot-activity output').innerText();
    const [, minute, second, low, high] = /^08:(\d\d):(\d\d) · SM active (\S+) to (\S+) % \(2 GPUs\)/.exec(
      words,
    )!;
    // The clock under the cursor tells whole seconds: one of the ten ticks that begin there.
    const first = Math.round((Number(minute) * 60 + Number(second)) / INTERVAL) - 1;
    const ticks = Array.from({ length: 11 }, (_, index) => first + index);
    const written = ticks.map((k) => [0, 1].map((n) => Number((sm(n, k) * 100).toPrecision(4))));
    expect(written).toContainEqual([Number(low), Number(high)]);
  }
  expect(await seriousFaults(page)).toEqual([]);
  await page.getByRole('button', { name: 'all', exact: true }).click();
  await expect.poll(async () => await closer(page)).toBe('');
  expect([complaints, foreign]).toEqual([[], []]);
  await page.context().close();
});

test('each tick of a second of samples is there, and nothing between', async () => {
  const { page } = await openServed('/job/871?cluster=zoom');
  const from = at(600);
  const answer = await page.evaluate<{
    times: number[][];
    charts: { id: string; lines: { values: number[] }[] }[];
  }>(
    `fetch('/api/v1/jobs/871/window?cluster=zoom&from=${from}&to=${from + 1e6}').then((answer) => answer.json())`,
  );
  expect(answer.times).toEqual([0, 1].map(() => Array.from({ length: 10 }, (_, k) => 100 * (k + 1))));
  expect(answer.charts.find(({ id }) => id === 'activity')!.lines.map(({ values }) => values)).toEqual(
    [0, 1].map((n) => Array.from({ length: 10 }, (_, k) => Number((sm(n, 6000 + k) * 100).toPrecision(4)))),
  );
  await page.context().close();
});

test('a store that goes away says so, and what was there stays', async () => {
  const { page } = await openServed('/job/871?cluster=zoom');
  await page.route('**/window?*', async (route) => {
    await route.fulfill({ status: 503, json: { error: { message: 'no QuestDB at 127.0.0.1:1' } } });
  });
  for (let times = 0; times < 4; times += 1)
    await page.getByRole('button', { name: 'closer', exact: true }).click();
  await expect
    .poll(async () => await closer(page))
    .toBe('the store does not tell closer: no QuestDB at 127.0.0.1:1');
  expect(await page.locator('#plot-activity canvas').count()).toBe(1);
  await page.context().close();
});
