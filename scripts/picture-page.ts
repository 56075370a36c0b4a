/**
 * Takes the pictures of pages for the README: `node scripts/picture-page.ts PAGE.html docs/images/job-page.png`, with a page that
 * `npm start` wrote; the same of `fleet.html` and `fleet-page.png`. Needs the Chromium of the system.
 */
import { resolve } from 'node:path';
import { chromium } from 'playwright-core';

const [page, picture] = process.argv.slice(2);
if (page === undefined || picture === undefined)
  throw new Error('expected a page and the picture to be written');
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium-headless-shell',
  args: ['--no-sandbox'],
});
const tab = await browser.newPage({ viewport: { width: 1120, height: 1500 }, deviceScaleFactor: 0.75 });
await tab.goto(`file://${resolve(page)}`, { waitUntil: 'load' });
const height = Math.min(1500, await tab.evaluate<number>('document.documentElement.scrollHeight'));
await tab.screenshot({ path: picture, clip: { x: 0, y: 0, width: 1120, height } });
await browser.close();
