import { markup } from '../html.ts';
import { pageText, type PageAssets } from '../page.ts';
import type { Served } from './nav.ts';

/** Why a page is not there, in a sentence, and the ways out. @param title few words, @param assets of `readServedAssets` */
export function renderRefusalPage(
  title: string,
  { sentence, hints }: RefusalText,
  { assets, served }: { readonly assets: PageAssets; readonly served: Served },
): string {
  return pageText(title, refusalBody({ sentence, hints }, title), assets, served);
}

interface RefusalText {
  readonly sentence: string;
  readonly hints: readonly string[];
}

/** The same where a page has begun already. */
export function refusalBody({ sentence, hints }: RefusalText, title: string): ReturnType<typeof markup> {
  return markup`<main>
    <h1>${title}</h1>
    <p class="verdict" role="alert">${sentence}</p>
    ${hints.map((hint) => markup`<p class="note">${hint}</p>`)}
  </main>`;
}
