/**
 * Goal: a reader sees how far a page is while it is made, and nothing of that when it is there, with and without scripts. Method: a real Chromium before
 * the web server, whose store keeps its answers back.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { forward, httpServer } from '../helpers/bad-server.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { openBrowser } from '../pages/browser.ts';
import { startWeb } from './web-server.ts';

const T0 = Date.UTC(2026, 6, 4, 6) * 1e3;
const JOB = '8471001';

let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
  const db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, defaultLanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const stay = { ts: T0, end_ts: T0 + 60e6, job_id: JOB };
  await insertRows(db, 'jobs', [{ ...stay, user: 'ada', state: 'COMPLETED' }]);
  await insertRows(db, 'gpu_ownership', [{ ...stay, node: 'n1', gpu: 'SG0', share: 1, source: 'test' }]);
  await db.close();
});
afterAll(async () => {
  await browser.close();
});

test.each([{ javaScriptEnabled: true }, { javaScriptEnabled: false }])('%o', async (how) => {
  const waiting: (() => void)[] = [];
  let isFree = false;
  const store = await httpServer((request, response) => {
    const pass = (): void => {
      forward(inject('reportsUrl'), request, response);
    };
    const sql = new URL(request.url ?? '/', 'http://any').searchParams.get('query') ?? '';
    if (sql.includes('sm_active_ratio') && !isFree) waiting.push(pass);
    else pass();
  });
  const context = await browser.newContext(how);
  onTestFinished(async () => {
    await context.close();
    await store.close();
  });
  const { url } = await startWeb(`http::addr=${store.addr};`, { lanes: defaultLanes });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${url}/job/${JOB}`, { waitUntil: 'commit' });
  await expect.poll(async () => await shown(page)).toMatch(/^asking QuestDB, \d+ answers? so far$/);
  expect(await page.title()).toBe(`Job ${JOB}`);
  isFree = true;
  for (const pass of waiting.splice(0)) pass();
  await page.waitForLoadState('load');
  expect(await shown(page)).toBe('');
  expect(await page.locator('h1').innerText()).toContain(`Job ${JOB}`);
  // There is no icon, for which a browser asks by itself.
  expect(complaints.filter((text) => !text.includes('404'))).toEqual([]);
});

/** What of the lines that say how far it is can be seen. */
async function shown(page: Page): Promise<string> {
  const texts = await page.locator('.asking').filter({ visible: true }).allInnerTexts();
  return texts.join('\n');
}
