/**
 * Goal: every page that is served can be read by everybody, also without scripts and on a phone, asks nobody else for anything, shows whatever
 * somebody is called as text, and tells what the API tells. Method: a made fleet in a real QuestDB, its pages in a real Chromium.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { readStillAssets } from '../../src/report/page/assets.ts';
import { renderCapacityPage } from '../../src/report/page/fleet/capacity-page.ts';
import { linksFrom } from '../../src/report/page/links.ts';
import { EVERYBODY, type Viewer } from '../../src/serve/viewer.ts';
import { formatGpuHours } from '../../src/report/text/format-quantity.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { fillFleet, fleetLane, HOSTILE_NODE, HOSTILE_USER, sampleOn } from '../serve/made-fleet.ts';
import { startWeb } from '../serve/web-server.ts';
import { openBrowser, seriousFaults } from './browser.ts';

const links = linksFrom('/');
const ADA: Viewer = { name: 'ada', isOperator: false, accounts: new Set() };

/** Whole minutes. */
const nowUs = Math.floor((Date.now() * 1000) / 60e6) * 60e6;
let server: TestQuestdb;
let db: QuestDb;
let browser: Browser;

beforeAll(async () => {
  browser = await openBrowser();
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await fillFleet(db, nowUs);
});
afterAll(async () => {
  await browser.close();
  await db.close();
  await server.stop();
});

interface Opened {
  readonly page: Page;
  readonly url: string;
  readonly status: number | undefined;
  /** What the console was told, errors of scripts, and what was asked for of others. */
  readonly complaints: readonly string[];
}

/** How a page is looked at, and by whom. */
interface Look {
  readonly viewer?: Viewer;
  readonly width?: number;
  readonly scheme?: 'light' | 'dark';
  readonly hasScript?: boolean;
}

async function open(
  path: string,
  { viewer = EVERYBODY, width = 1280, scheme = 'light', hasScript = true }: Look = {},
): Promise<Opened> {
  const { url } = await startWeb(server.conf, { lanes: [fleetLane], viewer });
  const context = await browser.newContext({
    ...{ viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled: hasScript },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(`${url}/`)) complaints.push(`asked for ${request.url()}`);
  });
  const reply = await page.goto(url + path, { waitUntil: 'load' });
  return { page, url, status: reply?.status(), complaints };
}

async function words(page: Page, selector = 'main'): Promise<string> {
  return (await page.locator(selector).allInnerTexts()).join(' ').replaceAll(/\s+/g, ' ');
}

/** Ids of what the page is divided into, in its order. */
async function headingsOf(page: Page): Promise<string[]> {
  return await page.evaluate(`[...document.querySelectorAll('section > h2')].map(({ id }) => id)`);
}

const PAGES: readonly (readonly [path: string, heading: string])[] = [
  [links.fleet, 'Fleet'],
  [links.plan(), 'Plan'],
  [links.jobs(), 'Jobs'],
  [links.jobs({ user: HOSTILE_USER, name: '"><script>alert(1)</script>' }), 'Jobs'],
  [links.user('ada'), 'GPUs of ada'],
  [links.user(HOSTILE_USER), `GPUs of ${HOSTILE_USER}`],
  [links.user('nobody'), 'GPUs of nobody'],
  [links.node('n1'), 'Node n1'],
  [links.node(HOSTILE_NODE), `Node ${HOSTILE_NODE}`],
  [links.queries, 'Queries'],
  [links.query('device-owners'), 'Who had a device'],
  [links.query('user-jobs', { user: HOSTILE_USER }), 'The jobs of a user'],
  [links.query('inventory', { ask: 'yes' }), 'The devices that there are'],
];

describe('every page', () => {
  test.each(PAGES)('%s can be read by everybody', async (path, heading) => {
    for (const [width, scheme] of [
      [1280, 'light'],
      [390, 'dark'],
    ] as const) {
      const { page, status, complaints } = await open(path, { width, scheme });
      expect([status, complaints]).toEqual([200, []]);
      expect(await page.locator('h1').innerText()).toBe(heading);
      expect(await page.title()).toBe(heading);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      expect(await seriousFaults(page)).toEqual([]);
      expect(await page.locator('img, script, b, i').count()).toBe(0);
      expect(complaints).toEqual([]);
      await page.context().close();
    }
  });

  test('all links on them lead to pages that there are', async () => {
    const { url } = await startWeb(server.conf, { lanes: [fleetLane] });
    const found = new Set<string>();
    for (const [path] of PAGES) {
      const { page, url: own } = await open(path);
      const hrefs = await page.evaluate<string[]>(`[...document.links].map(({ href }) => href)`);
      for (const href of hrefs) {
        expect(href.startsWith(`${own}/`)).toBe(true);
        found.add(href.slice(own.length));
      }
      await page.context().close();
    }
    expect([...found]).toEqual(
      expect.arrayContaining([links.job('9001'), links.user(HOSTILE_USER), links.node(HOSTILE_NODE)]),
    );
    // One query is enough of those that only have another name.
    const isQuery = (path: string): boolean => path.startsWith('/queries/') && !path.includes('?');
    for (const path of [...found].filter((one) => !isQuery(one))) {
      const { status } = await fetch(url + path);
      expect([path, status]).toEqual([path, 200]);
    }
  });
});

interface CapacityTold {
  readonly sampledUs: number;
  readonly rows: readonly { readonly kind: string; readonly name?: string; readonly attributedUs: number }[];
}

describe('what they tell', () => {
  test('of the fleet: who idles, who runs, the days, and the sums of the API', async () => {
    await sampleOn(db, nowUs);
    const { page, url } = await open('/', { hasScript: false });
    const told = (await (await fetch(`${url}/api/v1/capacity`)).json()) as CapacityTold;
    expect(await words(page, 'section[aria-labelledby="now"]')).toMatch(
      /^Now jobs that run 2 idle 1 all .* idle in part 0 some .*9003 <b>eve<\/b> waits 1 /,
    );
    expect(await page.locator('section[aria-labelledby="running"] tbody th').allInnerTexts()).toEqual([
      '9004',
      '9003',
    ]);
    expect(await words(page, '.tiles')).toContain(formatGpuHours(told.sampledUs).replaceAll(/\s+/g, ' '));
    const rows = await page.locator('section[aria-labelledby="by"] tbody tr').allInnerTexts();
    expect(rows).toHaveLength(told.rows.length + 1);
    for (const [at, { name, attributedUs }] of told.rows.entries()) {
      expect(rows[at]).toContain(name ?? '');
      expect(rows[at]).toContain((attributedUs / 3600e6).toFixed(1));
    }
  });

  test('the days have the parts of the API', async () => {
    const { page, url } = await open('/', { hasScript: false });
    const told = (await (await fetch(`${url}/api/v1/capacity?by=cluster,day`)).json()) as {
      readonly rows: readonly {
        kind: string;
        period: string;
        attributedUs: number;
        wastedUs?: number;
        smKnownUs: number;
      }[];
    };
    const days = [...new Set(told.rows.map(({ period }) => period))].sort();
    const drawn = await page.evaluate<readonly unknown[]>(
      `[...document.querySelectorAll('.periods g')].map((group) => [group.querySelector('title').textContent.slice(0, 10), Number(group.querySelector('rect.used')?.getAttribute('height') ?? 0)])`,
    );
    const expected = days.map((day) => {
      const own = told.rows.filter(({ period }) => period === day);
      const seenUs = own.reduce((sum, { attributedUs }) => sum + attributedUs, 0);
      const usedUs = own
        .filter(({ kind }) => kind === 'group')
        .reduce((sum, { smKnownUs, wastedUs = 0 }) => sum + smKnownUs - wastedUs, 0);
      return [day, expect.closeTo((138 * usedUs) / seenUs, 0) as number];
    });
    expect(drawn.length).toBeGreaterThan(1);
    expect(drawn).toEqual(expected);
  });

  test('a page in a file draws the days, too, and leads nowhere', async () => {
    const asked = { fromUs: (Date.now() - 3 * 86_400_000) * 1000, toUs: Date.now() * 1000 };
    const figures = await capacityFigures(db, [fleetLane], { ...asked, by: 'account' });
    const days = await capacityFigures(db, [fleetLane], { ...asked, by: 'cluster', every: 'day' });
    const html = renderCapacityPage(figures, { assets: readStillAssets(), version: 'test', days });
    expect(html.match(/<g><title>20\d\d-\d\d-\d\d: /g)?.length).toBeGreaterThan(1);
    expect(html).toContain("form-action 'none'");
    expect(html).not.toMatch(/<form|href=/);
  });

  test('of the weeks all that planners ask, and the sums of the API', async () => {
    const { page, url, complaints } = await open(links.plan({ since: '3d' }), { hasScript: false });
    const headings = await headingsOf(page);
    expect(headings).toEqual([
      ...['waterfall', 'periods', 'bars', 'losers', 'energy', 'forecast', 'health', 'queue', 'right-size'],
      ...['nodes', 'coverage', 'table', 'notes'],
    ]);
    expect(await words(page)).not.toContain('could not be told');
    const json = await page.locator('footer a').getAttribute('href');
    expect(json).toBe('/api/v1/capacity?since=3d&by=account');
    const told = (await (await fetch(url + json!)).json()) as CapacityTold;
    expect(await words(page, '.tiles')).toContain(formatGpuHours(told.sampledUs).replaceAll(/\s+/g, ' '));
    expect(await page.locator('section[aria-labelledby="table"] tbody tr').count()).toBe(
      told.rows.length + 1,
    );
    // What lost most is 9003 of chem & co, which idles.
    expect(await page.locator('section[aria-labelledby="losers"] g text').first().textContent()).toBe(
      'chem & co',
    );
    expect(await words(page, 'section[aria-labelledby="right-size"]')).toMatch(
      /Nobody is known to have been able to do with less .* 2 jobs \(.*\) had several GPUs/,
    );
    expect(await words(page, 'section[aria-labelledby="health"]')).toContain('application');
    expect(await page.locator('section[aria-labelledby="energy"] svg').count()).toBe(1);
    expect(await page.locator('section[aria-labelledby="nodes"] image').count()).toBe(2);
    expect(complaints).toEqual([]);
  });

  test('of a time of which nothing was sampled that there is nothing', async () => {
    const { page, status } = await open(links.plan({ from: '2020-01-01', to: '2020-02-01' }));
    expect(status).toBe(200);
    expect(await words(page)).toContain('no data: nothing was sampled in this window.');
  });

  test('of a search what the API finds, in its order, and the form keeps what was typed', async () => {
    const asked = { account: 'physics', state: 'completed', sort: 'gpu-hours', since: '3d' };
    const { page, url } = await open(links.jobs(asked), { hasScript: false });
    const told = (await (await fetch(`${url}${links.api(['jobs'], asked)}`)).json()) as {
      readonly rows: readonly { readonly typedId: string; readonly ownedUs: number }[];
    };
    expect(told.rows.map(({ typedId }) => typedId)).toEqual(['9001', '9005']);
    const rows = await page.locator('tbody tr').allInnerTexts();
    for (const [at, { typedId, ownedUs }] of told.rows.entries()) {
      expect(rows[at]).toMatch(new RegExp(`^${typedId}\\s`));
      expect(rows[at]).toContain((ownedUs / 3600e6).toFixed(1));
    }
    for (const [name, value] of Object.entries(asked))
      expect(await page.locator(`.asked [name="${name}"]`).inputValue()).toBe(value);
  });

  test('of a node who has its GPUs, and the last sample', async () => {
    const { page } = await open(links.node('n1'), { hasScript: false });
    const rows = await page.locator('section[aria-labelledby="gpus"] tbody tr').allInnerTexts();
    expect(rows.map((row) => row.replaceAll(/\s+/g, ' '))).toEqual([
      expect.stringMatching(/^0 NVIDIA H200 140 GiB 9003 of <b>eve<\/b> 1 % 105 W 90 GiB .* ago 580.1 A0$/),
      expect.stringMatching(/^1 NVIDIA H200 140 GiB 9004 of ada 80 % 500 W 90 GiB .* ago 580.1 A1$/),
    ]);
    expect(await words(page, 'section[aria-labelledby="events"]')).toContain('xid 31');
  });
});

describe('forms work without scripts', () => {
  test('an id that is typed leads to its job', async () => {
    const { page, url } = await open('/jobs', { hasScript: false });
    await page.locator('#nav-id').fill(' 9002 ');
    await page.locator('.find button').click();
    await page.waitForURL(`${url}/job/9002`);
    expect(await page.locator('h1').innerText()).toContain('9002');
  });
  test('a search', async () => {
    const { page, url } = await open('/jobs', { hasScript: false });
    await page.locator('#asked-user').fill('bob');
    await page.locator('.asked button').click();
    await page.waitForURL(`${url}/jobs?*user=bob*`);
    expect(await page.locator('tbody th').allInnerTexts()).toEqual(['9002', 'all']);
  });
  test('a query with its parameters', async () => {
    const { page, url } = await open(links.query('device-owners'), { hasScript: false });
    expect(await page.locator('section[aria-labelledby="answer"]').count()).toBe(0);
    await page.locator('#asked-device').fill('A0');
    await page.locator('.asked button').click();
    await page.waitForURL(`${url}/queries/device-owners?*`);
    const answer = await words(page, 'section[aria-labelledby="answer"] table');
    expect(answer).toContain('9001');
    expect(answer).toContain('9003');
    expect(await page.locator('#asked-device').inputValue()).toBe('A0');
  });
});

describe('who may not see all', () => {
  test('finds own rows by name, the others as one, and nobody else anywhere', async () => {
    await sampleOn(db, nowUs);
    for (const path of [links.fleet, links.plan(), links.jobs(), links.user('ada')]) {
      const { page, status } = await open(path, { viewer: ADA });
      expect([path, status]).toEqual([path, 200]);
      const html = await page.locator('body').innerHTML();
      expect(html).not.toMatch(/bob|biology|eve|chem|9002|9003|9005|n\/2|href="[^"]*(queries|node)/);
      expect(await page.locator('.viewer').innerText()).toBe('ada');
      if (path === links.plan())
        expect(await headingsOf(page)).toEqual([
          ...['waterfall', 'periods', 'bars', 'losers', 'energy', 'forecast', 'table', 'notes'],
        ]);
      if (path !== links.fleet) continue;
      expect(await page.locator('section[aria-labelledby="by"] tbody th').allInnerTexts()).toEqual([
        ...['ada', 'others', 'unowned', 'all'],
      ]);
      expect(await words(page, 'section[aria-labelledby="now"]')).toMatch(/^Now jobs that run 2 idle 1 all/);
    }
  });
  test.each([
    links.user('bob'),
    links.node('n1'),
    links.queries,
    links.query('inventory', { ask: 'yes' }),
    links.job('9002'),
  ])('%s is not there', async (path) => {
    const { page, status } = await open(path, { viewer: ADA });
    expect(status).toBe(404);
    expect(await words(page)).not.toMatch(/bob|fold|n1/);
  });
});

test.each([
  ['/plan?cluster=none', 404, 'no cluster "none"'],
  ['/plan?since=soon', 400, 'since: '],
  ['/plan?sinc=4w', 400, 'did you mean: since'],
])('%s is refused before the page begins: %i', async (path, refused, said) => {
  const { page, status } = await open(path);
  expect(status).toBe(refused);
  expect(await words(page)).toContain(said);
});

test('what cannot be understood is said on a page', async () => {
  const { page, status } = await open('/jobs?usr=ada');
  expect(status).toBe(400);
  expect(await words(page)).toContain('there is no parameter "usr" here did you mean: user');
});
