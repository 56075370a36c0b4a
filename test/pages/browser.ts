import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type Page } from 'playwright-core';

/** Debian's and Ubuntu's. */
const CHROMIUM = '/usr/bin/chromium-headless-shell';

export const PATIENCE_MS = 300_000;

export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
}

/** A page of a file, and all that it did which it should not. */
export interface OpenPage {
  readonly page: Page;
  /** What the console was told, and errors of scripts. */
  readonly complaints: readonly string[];
  /** Addresses that it asked for beside itself. */
  readonly requests: readonly string[];
}

/** How a page is looked at. */
interface Viewed {
  readonly width?: number;
  readonly hasScript?: boolean;
  readonly scheme?: 'light' | 'dark';
}

export async function openPage(
  browser: Browser,
  path: string,
  { width = 1280, hasScript = true, scheme = 'light' }: Viewed = {},
): Promise<OpenPage> {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    javaScriptEnabled: hasScript,
    colorScheme: scheme,
  });
  // Busy cores are no fault of a page.
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const [complaints, requests]: [string[], string[]] = [[], []];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (request.url() !== `file://${path}` && !request.url().startsWith('data:'))
      requests.push(request.url());
  });
  await page.goto(`file://${path}`, { waitUntil: 'load' });
  return { page, complaints, requests };
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Faults of accessibility that axe calls serious or worse. The page's policy lets no other script in: it is evaluated by the debugger. */
export async function seriousFaults(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: AXE });
  const { result } = await session.send('Runtime.evaluate', {
    expression:
      'axe.run(document).then(({ violations }) => violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")))',
    awaitPromise: true,
    returnByValue: true,
  });
  return result.value as string[];
}

/** Sheets of A4 that it takes to print a page. */
export async function printedPages(page: Page): Promise<number> {
  const pdf = await page.pdf({ format: 'A4' });
  return (pdf.toString('latin1').match(/\/Type\s*\/Page[^s]/g) ?? []).length;
}
