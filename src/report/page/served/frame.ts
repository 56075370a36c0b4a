import { markup, type Safe } from '../html.ts';
import { pageText, type PageAssets } from '../page.ts';
import type { Served } from './nav.ts';

/** What every page is given that is served. */
export interface Frame {
  /** Of `readServedAssets`. */
  readonly assets: PageAssets;
  /** Of gpuledger. */
  readonly version: string;
  readonly served: Served;
  /** Address of the same as JSON. */
  readonly json?: string;
}

/** A page that is served, around what it tells. */
export function servedPage(title: string, body: Safe, { assets, version, served, json }: Frame): string {
  const whole = markup`<main class="wide">
${body}
<footer><p class="note">gpuledger ${version}${json !== undefined && markup` · <a href="${json}">the same as JSON</a>`}</p></footer>
</main>`;
  return pageText(title, whole, assets, served);
}

export function notesHtml(notes: readonly string[]): Safe {
  return markup`${notes.map((note) => markup`<p class="note">${note}</p>`)}`;
}

/** Text with an address where there is one. */
export function linked(text: string, href: string | undefined): Safe {
  return href === undefined || text === '' ? markup`${text}` : markup`<a href="${href}">${text}</a>`;
}
