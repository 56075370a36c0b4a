/**
 * Goal: a page, of a job or of the fleet, is one file that asks for nothing, tells what `--json` tells, and can be read, printed and zoomed, whoever
 * the job was called by. Method: jobs in a real QuestDB, their pages in a real Chromium.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { fleetSections } from '../../src/fleet-page/sections.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import type { JobFigures } from '../../src/figures/job/figures.ts';
import { embeddedLooks } from '../../src/figures/job/timeline/embedded-looks.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { capacityJson, jobJson } from '../../src/report/json.ts';
import { readPageAssets, readStillAssets } from '../../src/report/page/assets.ts';
import { renderCapacityPage } from '../../src/report/page/fleet/capacity-page.ts';
import { renderJobPage } from '../../src/report/page/job-page.ts';
import { formatGpuHours, formatQuantity, formatRatio } from '../../src/report/text/format-quantity.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { openBrowser, openPage, printedPages, seriousFaults } from './browser.ts';
import { forecast, QUEUE, reliability, RISING } from './section-figures.ts';

const SECOND = 1e6;
const GIB = 2 ** 30;
const T0 = Date.UTC(2024, 9, 7, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;
const laneOf = (name: string, intervalMs: number, ids: readonly number[]): Lane => ({
  ...{ name, table: `gpu_${name}`, schedule: 'continuous', intervalMs, capacityTicks: 1 },
  fields: ids.map((id) => findField(id)!),
});
const IDS = [1001, 1002, 1004, 1005, 155, 156, 164, 252];
const fine = laneOf('pagefine', 1000, IDS);
const coarse = laneOf('pagecoarse', 60_000, IDS);
const HOSTILE = `<img src=x onerror="document.title='taken'">\u202e${'x'.repeat(10_000)}</script><script>alert(1)</script>`;
const MANY = { gpus: 512, minutes: 3 * 1440 } as const;

let db: QuestDb;
let browser: Browser;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-pages-'));
  browser = await openBrowser();
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 300_000 });
  await applySchema(db, [fine, coarse], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await fillSmall();
  await fillMany();
  for (const table of ['gpu_inventory', 'gpu_ownership', 'jobs', 'gpu_events'])
    await waitForVisible(db, table);
  await waitForRollups(db, [fine, coarse], at(86_400), { timeoutMs: 600_000 });
});
afterAll(async () => {
  await browser.close();
  await db.close();
  rmSync(directory, { recursive: true });
});

interface Made {
  readonly jobId: string;
  readonly gpus: readonly string[];
  readonly from: number;
  readonly seconds: number;
  readonly name?: string;
  /** It has half of its GPU, another job the other half. */
  readonly isShared?: true;
}

const SET = 42_000_001;

const JOBS: readonly Made[] = [
  { jobId: '801', gpus: ['PG-a-0', 'PG-a-1', 'PG-a-2', 'PG-b-0'], from: 0, seconds: 1800, name: HOSTILE },
  { jobId: '802', gpus: ['PG-a-3'], from: 0, seconds: 8, name: 'eight seconds' },
  { jobId: '803', gpus: ['PG-dark'], from: 0, seconds: 600, name: 'never seen' },
  { jobId: '804', gpus: ['MIG-PG-1'], from: 0, seconds: 900, name: 'an instance' },
  { jobId: '806', gpus: ['PG-half'], from: 0, seconds: 900, name: 'half of a GPU', isShared: true },
];

const nodeOf = (gpu: string): string => (gpu.includes('-b-') ? 'b' : 'a');

async function fillSmall(): Promise<void> {
  await insertRows(
    db,
    'gpu_inventory',
    JOBS.flatMap(({ gpus }) =>
      gpus.map((gpu, index): Row => ({
        ...{ ts: at(-60), cluster: 'pages', node: nodeOf(gpu), gpu, gpu_index: index },
        ...{ model: 'NVIDIA H200', memory_bytes: 140 * GIB, source: 'test' },
        ...(gpu.startsWith('MIG') ? { mig_profile: '1g.18gb' } : {}),
      })),
    ),
  );
  for (const { jobId, gpus, from, seconds, name, isShared } of JOBS) {
    await insertRows(db, 'jobs', [
      {
        ...{
          ts: at(from),
          end_ts: at(from + seconds),
          submit_ts: at(from),
          cluster: 'pages',
          job_id: jobId,
          run: 0,
        },
        ...{ name, user: '<b>eve</b>', state: 'COMPLETED', exit_code: 0 },
      },
    ]);
    await insertRows(
      db,
      'gpu_ownership',
      gpus.map((gpu) => ({
        ...{ ts: at(from), end_ts: at(from + seconds), cluster: 'pages', node: nodeOf(gpu), gpu },
        ...{ job_id: jobId, run: 0, share: isShared ? 0.5 : 1 },
      })),
    );
    const owner = isShared ? { owners: 2, owner_set: SET } : { job_id: jobId, owners: 1 };
    if (name === 'never seen') continue;
    await insertRows(
      db,
      fine.table,
      gpus
        .flatMap((gpu, index) =>
          Array.from({ length: seconds }, (_, second) => sampleOf(owner, gpu, index, from + second + 1)),
        )
        .filter((row) => row !== undefined),
    );
  }
  await insertRows(
    db,
    'gpu_owner_sets',
    ['806', '807'].map((jobId) => ({
      ...{ ts: at(0), gpu: 'PG-half', owner_set: SET, job_id: jobId },
      ...{ share: 0.5, part: 0.5, sharing: 'stated', scaled: 0 },
    })),
  );
  await insertRows(db, 'gpu_events', [
    {
      ...{ ts: at(700), cluster: 'pages', node: 'a', gpu: 'PG-a-1', kind: 'xid', code: 31, subject: '' },
      text: `XID 31: ${HOSTILE.slice(0, 60)}`,
    },
  ]);
}

/** Work with a rest every five minutes; the first GPU is not seen for a while, the last one is slower. */
function sampleOf(owner: Row, gpu: string, index: number, second: number): Row | undefined {
  if (index === 0 && second > 400 && second <= 440) return undefined;
  const isRest = second % 300 < 20;
  const level = isRest ? 0.02 : (index === 3 ? 0.5 : 0.8) + 0.1 * Math.sin(second);
  return {
    ...{ ts: at(second), cluster: 'pages', node: nodeOf(gpu), gpu, ...owner, dt_us: SECOND },
    ...{
      gr_engine_active_ratio: isRest ? 0.02 : 0.97,
      sm_active_ratio: level,
      tensor_active_ratio: level / 2,
    },
    ...{
      dram_active_ratio: level / 3,
      power_watts: 100 + 500 * level,
      energy_rise_joules: 100 + 500 * level,
    },
    ...{ energy_rise_dt_us: SECOND, fb_used_bytes: 90 * GIB, power_limit_enforced_watts: 700 },
  };
}

/** 512 GPUs on 64 nodes for three days, by the minute. */
async function fillMany(): Promise<void> {
  const { gpus, minutes } = MANY;
  const gpu = `concat('PG-many-', n)`;
  const node = `concat('m', cast(n / 8 AS INT))`;
  const devices = `(SELECT x - 1 AS n FROM long_sequence(${gpus}))`;
  const end = at(minutes * 60);
  const stamp = (us: number): string => `cast(${us} AS TIMESTAMP)`;
  await db.exec(
    `INSERT INTO gpu_inventory (ts, cluster, node, gpu, gpu_index, model, memory_bytes, source) SELECT ${stamp(at(-60))}, 'pages', ${node}, ${gpu}, n % 8, 'NVIDIA H100', ${80 * GIB}L, 'test' FROM ${devices}`,
  );
  await db.exec(
    `INSERT INTO gpu_ownership (ts, end_ts, cluster, node, gpu, job_id, run, share) SELECT ${stamp(at(0))}, ${stamp(end)}, 'pages', ${node}, ${gpu}, '805', 0, 1 FROM ${devices}`,
  );
  await insertRows(db, 'jobs', [
    {
      ...{ ts: at(0), end_ts: end, submit_ts: at(0), cluster: 'pages', job_id: '805', run: 0 },
      ...{ name: 'many', user: 'ada', state: 'COMPLETED', exit_code: 0 },
    },
  ]);
  await db.exec(
    `INSERT INTO ${coarse.table} (ts, cluster, node, gpu, job_id, owners, dt_us, gr_engine_active_ratio, sm_active_ratio, tensor_active_ratio, dram_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us, fb_used_bytes)` +
      ` SELECT dateadd('m', cast(t AS INT), ${stamp(T0)}), 'pages', ${node}, ${gpu}, '805', 1, 60000000, 0.95, 0.6 + 0.3 * sin(t / 100.0 + n), 0.4, 0.3, 500 + n % 100, 30000, 60000000, ${60 * GIB}` +
      ` FROM (SELECT x AS t FROM long_sequence(${minutes})) CROSS JOIN ${devices}`,
  );
}

/** The page of a job as a file, and what it is made of. */
interface MadePage {
  readonly path: string;
  readonly figures: JobFigures;
  readonly json: Told;
}

const made = new Map<string, Promise<MadePage>>();

/** Made once: what is looked at in many ways is the same page. */
async function pageOf(jobId: string): Promise<MadePage> {
  const page = made.get(jobId) ?? makePage(jobId);
  made.set(jobId, page);
  return await page;
}

async function makePage(jobId: string): Promise<MadePage> {
  const how = { nowUs: at(10 * 86_400), cluster: 'pages', isDrawn: true };
  const account = await accountOf(db, [fine, coarse], jobId, how);
  if (account.of !== 'job') throw new Error('a job was made');
  const path = join(directory, `${jobId}.html`);
  const looks = await embeddedLooks(db, [fine, coarse], account.figures, how);
  writeFileSync(path, renderJobPage(account.figures, { assets: readPageAssets(), version: 'test', looks }));
  return { path, figures: account.figures, json: JSON.parse(jobJson(account.figures)) as Told };
}

/** What of the JSON a page is held against. */
interface Told {
  readonly ownedUs: number;
  /** Where it is another. */
  readonly ownedGpuUs?: number;
  readonly verdict: string;
  readonly energy: { readonly bestJoules?: number; readonly bestUs: number };
  readonly causes?: { readonly parts?: Readonly<Record<string, { readonly us: number }>> };
  readonly findings: readonly { readonly text: string }[];
}

const ALL = ['801', '802', '803', '804', '805', '806'];

describe('the page of the fleet', () => {
  test('no complaint, no request, no serious fault of access, at most three sheets, and what --json says', async () => {
    const lanes = [fine, coarse];
    const window = { fromUs: at(0), toUs: at(3 * 86_400), cluster: 'pages' };
    const figures = await capacityFigures(db, lanes, { ...window, by: 'user' });
    const path = join(directory, 'fleet.html');
    const sections = await fleetSections(
      db,
      { lanes },
      { ...window, by: 'user' },
      { window: figures, figures: Promise.resolve(figures) },
    );
    writeFileSync(
      path,
      renderCapacityPage(figures, { assets: readStillAssets(), version: 'test', sections }),
    );
    expect(statSync(path).size).toBeLessThan(600_000);
    const json = JSON.parse(capacityJson(figures)) as {
      readonly rows: readonly { readonly name?: string; readonly attributedUs: number }[];
      readonly sampledUs: number;
    };
    expect(json.rows.map(({ name }) => name)).toContain('<b>eve</b>');
    for (const width of [1280, 390]) {
      const { page, complaints, requests } = await openPage(browser, path, { width });
      expect([complaints, requests]).toEqual([[], []]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      expect(await seriousFaults(page)).toEqual([]);
      expect(await printedPages(page)).toBeLessThanOrEqual(3);
      const words = (await page.locator('main').innerText()).replaceAll(/\s+/g, ' ');
      expect(words).toContain(formatGpuHours(json.sampledUs).replaceAll(/\s+/g, ' '));
      expect(words).toMatch(
        /It could not be told: no GPU of this cluster was known in any whole week before\. .*No node failed in .*Who waited is unknown: .*Owned by jobs a .*Of 56 more nodes as much was seen/,
      );
      expect(await page.locator('section[aria-labelledby="nodes"] svg.heat').count()).toBe(2);
      const table = await page.locator('section[aria-labelledby="table"] tbody tr').allInnerTexts();
      expect(table).toHaveLength(json.rows.length + 1);
      for (const [at, { name, attributedUs }] of json.rows.entries()) {
        expect(table[at]).toContain(name ?? '');
        expect(table[at]!.replaceAll(',', '')).toContain((attributedUs / 3600e6).toFixed(1));
      }
      // Bars have the lengths of the rows.
      const lengths = await page.evaluate<number[]>(
        `[...document.querySelectorAll('section[aria-labelledby="bars"] .bars g')].map((group) => [...group.querySelectorAll('rect')].reduce((sum, one) => sum + Number(one.getAttribute('width')), 0))`,
      );
      const top = Math.max(...json.rows.map(({ attributedUs }) => attributedUs));
      const timed = json.rows.filter(({ attributedUs }) => attributedUs > 0);
      expect(lengths).toHaveLength(timed.length);
      for (const [at, { attributedUs }] of timed.entries())
        expect(Math.abs(lengths[at]! - (690 * attributedUs) / top)).toBeLessThan(0.5);
      await page.context().close();
    }
  });
});

test('the page of the fleet with all that can be drawn: no complaint, no request, no serious fault of access', async () => {
  const lanes = [fine, coarse];
  const window = { fromUs: at(0), toUs: at(3 * 86_400), cluster: 'pages', by: 'account' } as const;
  const figures = await capacityFigures(db, lanes, window);
  const { nodes } = await fleetSections(db, { lanes }, window, {
    window: figures,
    figures: Promise.resolve(figures),
  });
  const path = join(directory, 'drawn.html');
  const sections = {
    forecast: { figures: forecast(RISING, 600) },
    reliability: { figures: reliability(9) },
    queue: { figures: QUEUE },
    nodes: nodes!,
  };
  writeFileSync(path, renderCapacityPage(figures, { assets: readStillAssets(), version: 'test', sections }));
  for (const scheme of ['light', 'dark'] as const)
    for (const width of [1280, 390]) {
      const { page, complaints, requests } = await openPage(browser, path, { width, scheme });
      expect([complaints, requests]).toEqual([[], []]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      expect(await seriousFaults(page)).toEqual([]);
      expect(await page.locator('svg.fan circle').count()).toBe(29 + 12);
      expect(await page.locator('img').count()).toBe(0);
      await page.context().close();
    }
});

describe('the page of a job', () => {
  test.each(ALL)(
    '%s: no complaint, no request, no serious fault of access, at most two sheets',
    async (jobId) => {
      const { path } = await pageOf(jobId);
      for (const scheme of ['light', 'dark'] as const)
        for (const width of [1280, 390]) {
          const { page, complaints, requests } = await openPage(browser, path, { width, scheme });
          expect([complaints, requests]).toEqual([[], []]);
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
          expect(await seriousFaults(page)).toEqual([]);
          if (width === 1280) expect(await printedPages(page)).toBeLessThanOrEqual(2);
          await page.context().close();
        }
      expect(statSync(path).size).toBeLessThan(jobId === '805' ? 1_500_000 : 600_000);
    },
  );

  test.each(ALL)('%s: says what --json says, also without scripts', async (jobId) => {
    const { path, json } = await pageOf(jobId);
    const { page } = await openPage(browser, path, { hasScript: false });
    const words = async (selector: string): Promise<string> =>
      (await page.locator(selector).allInnerTexts()).join(' ').replaceAll(/\s+/g, ' ');
    expect(await words('.verdict')).toContain(json.verdict.replaceAll(/\s+/g, ' '));
    const tiles = await words('.tiles');
    const part = JOBS.find((job) => job.jobId === jobId)?.isShared ? 0.5 : 1;
    expect(tiles).toContain(formatGpuHours((json.ownedGpuUs ?? json.ownedUs) * part).replaceAll(/\s+/g, ' '));
    const { bestJoules, bestUs } = json.energy;
    if (bestJoules !== undefined)
      expect(tiles).toContain(
        formatQuantity({ value: bestJoules, unit: 'joules', knownUs: bestUs }).replaceAll(/\s+/g, ' '),
      );
    const parts = Object.values(json.causes?.parts ?? {});
    const allUs = parts.reduce((sum, { us }) => sum + us, 0);
    const table = await words('section[aria-labelledby="causes"]');
    for (const { us } of parts) expect(table).toContain(formatRatio(us / allUs).replaceAll(/\s+/g, ' '));
    const cards = await words('.cards');
    for (const { text } of json.findings.slice(0, 5)) expect(cards).toContain(text.replaceAll(/\s+/g, ' '));
    await page.context().close();
  });

  test('hostile names are text, and no script that was put in runs', async () => {
    const { path } = await pageOf('801');
    const { page, complaints } = await openPage(browser, path);
    expect(await page.title()).toContain('<img src=x onerror=');
    expect(await page.locator('h1').innerText()).toContain('<img src=x onerror=');
    expect(await page.locator('img').count()).toBe(0);
    // The policy of the page refuses what gets in by another way.
    await page.evaluate(
      `document.body.insertAdjacentHTML('beforeend', '<img src="x:y" onerror="document.title=1">')`,
    );
    await page.evaluate(
      `{ const s = document.createElement('script'); s.textContent = 'document.title = 2'; document.body.append(s); }`,
    );
    await page.waitForTimeout(200);
    expect(await page.title()).toContain('<img src=x');
    expect(complaints.length).toBeGreaterThan(0);
    await page.context().close();
  });

  test('dragging over a chart zooms all of them, and a double click shows all again', async () => {
    const { path } = await pageOf('801');
    const { page, complaints } = await openPage(browser, path);
    const over = page.locator('#plot-activity .u-over');
    await over.scrollIntoViewIfNeeded();
    const box = (await over.boundingBox())!;
    const axis = async (): Promise<string> =>
      await page
        .locator('#plot-power canvas')
        .screenshot()
        .then((png) => png.toString('base64'));
    const before = await axis();
    await page.mouse.move(box.x + box.width * 0.2, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40, { steps: 5 });
    await page.mouse.up();
    await expect.poll(axis).not.toBe(before);
    expect(await page.locator('#plot-activity output').innerText()).toMatch(
      /^08:\d\d:\d\d · SM active \S+ %/,
    );
    await page.mouse.dblclick(box.x + box.width * 0.5, box.y + 40);
    await page.mouse.move(1, 1);
    await expect.poll(axis).toBe(before);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('a button leads to the samples: under the cursor stands what was sampled', async () => {
    const { path } = await pageOf('801');
    const { page, complaints } = await openPage(browser, path);
    await page.getByRole('button', { name: /^in the middle/ }).click();
    await expect
      .poll(async () => await page.locator('#closer').innerText())
      .toBe('the samples themselves, of 4 GPUs');
    const over = page.locator('#plot-activity .u-over');
    await over.scrollIntoViewIfNeeded();
    const box = (await over.boundingBox())!;
    for (const part of [0.25, 0.5, 0.9]) {
      await page.mouse.move(box.x + box.width * part, box.y + 40);
      const words = await page.locator('#plot-activity output').innerText();
      const [, minute, second, low, high = low] =
        /^08:(\d\d):(\d\d) · SM active (\S+)(?: to (\S+))? %/.exec(words) ?? [];
      const sampled = JOBS[0]!.gpus.map(
        (gpu, index) => sampleOf({}, gpu, index, Number(minute) * 60 + Number(second))!['sm_active_ratio'],
      );
      expect([Number(low), Number(high)]).toEqual(
        [Math.min, Math.max].map((of) => Number((of(...sampled.map(Number)) * 100).toPrecision(4))),
      );
    }
    await page.getByRole('button', { name: 'all', exact: true }).click();
    await expect.poll(async () => await page.locator('#closer').innerText()).toBe('');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('the roofs of the model and what the steps did under them, and the limits of power and memory', async () => {
    const { path } = await pageOf('801');
    const { page } = await openPage(browser, path, { hasScript: false });
    expect(await page.locator('.roofline .dot').count()).toBeGreaterThan(2);
    expect(await page.locator('figure.plot .key.limit').allInnerTexts()).toEqual([
      'limit in force',
      'of the smallest GPU',
    ]);
    await page.context().close();
  });

  test('of many GPUs those that stray most are shown by name', async () => {
    const { figures } = await pageOf('805');
    expect(figures.timeline?.heatMap?.outliers).toHaveLength(8);
    expect(figures.timeline?.heatMap?.outliers.every(({ gpu }) => gpu !== undefined)).toBe(true);
  });

  test('every GPU of few, every node of many has its row in the picture of all', async () => {
    for (const [jobId, rows] of [
      ['801', 4],
      ['805', 64],
    ] as const) {
      const { figures } = await pageOf(jobId);
      expect(figures.timeline?.heatMap?.rows).toHaveLength(rows);
    }
  });
});
