import { clip } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import type { Links } from '../links.ts';

/** What a page needs that is served, beside others. */
export interface Served {
  readonly links: Links;
  /** Who looks at it; undefined where nobody is asked who they are. */
  readonly viewer: string | undefined;
  readonly isOperator: boolean;
}

const NAME_WIDTH_MAX = 32;
/** No id is longer, and an address has room for it. */
export const TYPED_LENGTH_MAX = 256;

/** Stands above each page that is served. */
export function navOf({ links, viewer, isOperator }: Served): Safe {
  return markup`<div class="top" role="banner"><nav aria-label="gpuledger"><a href="${links.fleet}">Fleet</a> <a href="${links.plan()}">Plan</a> <a href="${links.jobs()}">Jobs</a>${isOperator && markup` <a href="${links.queries}">Queries</a>`}</nav>
<form class="find" method="get" action="${links.jobs()}" role="search"><label for="nav-id">Job</label> <input id="nav-id" name="id" size="12" maxlength="${TYPED_LENGTH_MAX}" required autocomplete="off" spellcheck="false"> <button>Open</button></form>${viewer !== undefined && markup`<span class="viewer">${clip(viewer, NAME_WIDTH_MAX)}</span>`}</div>`;
}
