/**
 * Goal: the pages that `npm start` leaves can be looked at, and say what `--json` says of the same store. Method: the demo as a command,
 * its files in a real Chromium.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatGpuHours } from '../../src/report/text/format-quantity.ts';
import { runToEnd, type Ended } from '../helpers/run-process.ts';
import { openBrowser, openPage, printedPages, seriousFaults } from './browser.ts';

const FEW = ['4217', '4225', '4230'];

let directory: string;
let browser: Browser;
let demo: Ended;
/** Configuration string of the store that the demo left. */
let store: string;

const gpuledger = async (args: readonly string[]): Promise<Ended> =>
  await runToEnd(process.execPath, ['bin/gpuledger.js', ...args], { env: { QDB_CLIENT_CONF: store } });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gpuledger-demo-pages-'));
  browser = await openBrowser();
  demo = await runToEnd(process.execPath, ['bin/gpuledger.js', 'demo', '--keep', '--data', directory]);
  const [, address] = /Look around: http:\/\/(\S+)/.exec(demo.stdout + demo.stderr) ?? [];
  store = `http::addr=${address ?? 'the demo named none'};`;
});
afterAll(async () => {
  await gpuledger(['questdb', 'stop', '--data', directory]);
  await browser.close();
  await rm(directory, { recursive: true, force: true });
});

test.each(FEW)('job %s', async (jobId) => {
  expect(demo.exitCode, demo.stderr).toBe(0);
  const path = join(directory, `job-${jobId}.html`);
  expect(demo.stdout).toContain(path);
  const { stdout } = await gpuledger(['report', 'job', jobId, '--json']);
  const { verdict, ownedUs } = JSON.parse(stdout) as { verdict: string; ownedUs: number };
  for (const width of [1280, 390]) {
    const { page, complaints, requests } = await openPage(browser, path, { width });
    expect(await page.locator('.verdict').innerText()).toContain(verdict);
    expect(await page.locator('.tiles').innerText()).toContain(formatGpuHours(ownedUs));
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    expect(await seriousFaults(page)).toEqual([]);
    if (width === 1280) {
      expect(await printedPages(page)).toBeLessThanOrEqual(2);
      await page.getByRole('button', { name: /^in the middle/ }).click();
      await expect
        .poll(async () => await page.locator('#closer').innerText())
        .toMatch(/^the samples themselves/);
    }
    expect([complaints, requests]).toEqual([[], []]);
    await page.context().close();
  }
});

test('the SQL in a page gives the numbers of the report', async () => {
  const { page } = await openPage(browser, join(directory, 'job-4217.html'));
  const [, address] = /addr=([^;]+);/.exec(store)!;
  const [names, queries] = [
    await page.locator('footer dt').allTextContents(),
    await page.locator('footer dd').allTextContents(),
  ];
  const answers = new Map<string, readonly number[]>();
  for (const [at, sql] of queries.entries()) {
    const answer = await fetch(
      `http://${address!}/exec?${new URLSearchParams({ query: sql.trim() }).toString()}`,
    );
    const told = (await answer.json()) as { readonly dataset: readonly (readonly number[])[] };
    expect(answer.status, sql).toBe(200);
    answers.set(names[at]!.trim(), told.dataset[0]!);
  }
  const { stdout } = await gpuledger(['report', 'job', '4217', '--json']);
  const json = JSON.parse(stdout) as {
    readonly sampledUs: number;
    readonly gauges: readonly { readonly key: string; readonly mean: number; readonly max: number }[];
  };
  const near = (value: number): unknown => expect.closeTo(value, -Math.floor(Math.log10(value)) + 8);
  expect(answers.get('seen, GPU-hours')).toEqual([near(json.sampledUs / 3.6e9)]);
  const sm = json.gauges.find(({ key }) => key === 'smActive')!;
  expect(answers.get('SM active: mean and highest')).toEqual([near(sm.mean), near(sm.max)]);
  expect(answers.size).toBe(2 + json.gauges.length);
  await page.context().close();
});

test('the fleet', async () => {
  const { page, complaints, requests } = await openPage(browser, join(directory, 'fleet.html'));
  expect(await page.locator('tbody th, tbody td:first-child').allInnerTexts()).toContain('physics');
  expect(await seriousFaults(page)).toEqual([]);
  expect([complaints, requests]).toEqual([[], []]);
  await page.context().close();
});
