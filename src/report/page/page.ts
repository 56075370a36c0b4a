import { createHash } from 'node:crypto';
import { markup, raw, type Safe } from './html.ts';
import { navOf, type Served } from './served/nav.ts';

/** What every page needs, once: no page asks for anything else. */
export interface PageAssets {
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
}

/**
 * A whole page. Nothing runs in it, and nothing is loaded, but what stands in it: others' names in it are text, and the browser is told to
 * take nothing else.
 * @param assets texts of files that come with gpuledger
 * @param served where other pages are, of one that is served: it has forms, which ask the same server; a file has neither
 */
export function pageText(title: string, body: Safe, assets: PageAssets, served?: Served): string {
  return `${pageHead(title, assets, served)}${
    markup`${body}
${assets.scripts.map((script) => markup`<script>${raw(script)}</script>`)}
</body>
</html>
`.safe
  }`;
}

/** What its browser may do with a page, as the header `Content-Security-Policy` has it. */
export function policyOf({ styles, scripts }: PageAssets, served?: Served): string {
  return [
    "default-src 'none'",
    `style-src ${styles.map(hashOf).join(' ')}`,
    `script-src ${scripts.length === 0 ? "'none'" : scripts.map(hashOf).join(' ')}`,
    'img-src data:',
    ...(served !== undefined && scripts.length > 0 ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    `form-action ${served === undefined ? "'none'" : "'self'"}`,
  ].join('; ');
}

/** What can be told before anything is known of what the page is about: a browser shows it. */
export function pageHead(title: string, assets: PageAssets, served?: Served): string {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${raw(policyOf(assets, served))}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${assets.styles.map((style) => markup`<style>${raw(style)}</style>`)}
</head>
${bodyBegin(served)}`.safe;
}

/** What comes after `pageHead`. @param page of `pageText` with the same `served` */
export function afterHead(page: string, served?: Served): string {
  const begin = bodyBegin(served).safe;
  return page.slice(page.indexOf(begin) + begin.length);
}

function bodyBegin(served: Served | undefined): Safe {
  return markup`<body>
${served && navOf(served)}
`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
