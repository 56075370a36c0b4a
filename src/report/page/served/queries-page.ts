import type { QueryResult } from '../../../../schemas/questdb-reply.ts';
import { SHARING, type NamedQuery, type Parameter } from '../../../../schemas/query-file.ts';
import type { FilledQuery } from '../../../queries/query-sql.ts';
import { answerCells, defaultText, meaningText } from '../../query-text.ts';
import { formatGrouped } from '../../text/format-quantity.ts';
import { clip, harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml, type Cell } from '../table-html.ts';
import { linked, servedPage, type Frame } from './frame.ts';
import { TYPED_LENGTH_MAX, type Served } from './nav.ts';

const ROWS_MAX = 500;
const CELL_WIDTH_MAX = 80;
/** A form always sends it: what no parameter is needed for is asked by it. */
export const ASK_FIELD = 'ask';

/** All named queries. */
export function renderQueriesPage(queries: readonly NamedQuery[], frame: Frame): string {
  const { links } = frame.served;
  const body = markup`<header><h1>Queries</h1><p class="who">Questions that no report answers, as SQL with a name. Also in a terminal: gpuledger query</p></header>
<ul class="queries">${queries.map(({ name, title }) => markup`<li><a href="${links.query(name)}">${name}</a>: ${title}</li>`)}</ul>`;
  return servedPage('Queries', body, frame);
}

/** What somebody asked, and the answer. */
interface Answered {
  readonly filled: FilledQuery;
  readonly answer: QueryResult;
}

/**
 * One of them: what it answers, its parameters, and its answer where it was asked.
 * @param given as typed, by parameter
 */
export function renderQueryPage(
  query: NamedQuery,
  given: ReadonlyMap<string, string>,
  answered: Answered | undefined,
  frame: Frame,
): string {
  const { name, title, about, needs, shared } = query;
  const body = markup`<header><h1>${title}</h1><p class="who">${name}</p></header>
<p>${about}</p>
<p class="note">Needs ${needs}; ${SHARING[shared]}.</p>
${formOf(query, given, frame.served)}
${answered && answerOf(answered, frame.served)}`;
  return servedPage(title, body, frame);
}

function formOf(
  { name, parameters }: NamedQuery,
  given: ReadonlyMap<string, string>,
  { links }: Served,
): Safe {
  return markup`<form class="asked" method="get" action="${links.query(name)}" aria-label="Parameters">
${[...parameters].map(([own, parameter]) => {
  const isNeeded = parameter.default === undefined && parameter.type !== 'lane';
  return markup`<div><label for="asked-${own}">${own}</label>${fieldOf(own, parameter, given.get(own), isNeeded)}<p id="asked-${own}-hint">${meaningText(parameter)}${!isNeeded && `; ${defaultText(parameter)} where it is empty`}</p></div>`;
})}
<div class="act"><input type="hidden" name="${ASK_FIELD}" value="yes"><button>Run</button></div>
</form>`;
}

function fieldOf(name: string, { choices }: Parameter, value: string | undefined, isNeeded: boolean): Safe {
  const attributes = markup`id="asked-${name}" name="${name}" aria-describedby="asked-${name}-hint"${isNeeded && markup` required`}`;
  if (choices === undefined)
    return markup`<input ${attributes} value="${value ?? ''}" maxlength="${TYPED_LENGTH_MAX}" autocomplete="off" spellcheck="false">`;
  return markup`<select ${attributes}>${!isNeeded && markup`<option value=""></option>`}${choices.map(
    (choice) => markup`<option${choice === value && markup` selected`}>${choice}</option>`,
  )}</select>`;
}

function answerOf({ filled, answer }: Answered, served: Served): Safe {
  const { titles, rows, left } = answerCells(answer);
  const shown = rows.slice(0, ROWS_MAX).map((row) =>
    row.map((cell, at): Cell => {
      const text = clip(harmless(cell), CELL_WIDTH_MAX);
      const value = answer.rows.length > 0 && typeof cell === 'string' ? cell : '';
      return linked(text, cellLink(titles[at] ?? '', value, served));
    }),
  );
  const more = rows.length - shown.length;
  return markup`<section aria-labelledby="answer"><h2 id="answer">Answer</h2>
${rows.length === 0 ? markup`<p>No rows.</p>` : tableHtml(titles, shown, left)}
${more > 0 && markup`<p class="note">and ${formatGrouped(more, 0)} more: the JSON has all</p>`}
<details><summary>SQL</summary><pre><code>${filled.sql}</code></pre></details></section>`;
}

const UNKNOWN = new Set(['', '-', '–']);

/** Names lead to their pages. */
function cellLink(column: string, value: string, { links }: Served): string | undefined {
  if (UNKNOWN.has(value)) return undefined;
  switch (column) {
    case 'job_id':
      return links.job(value);
    case 'user':
      return links.user(value);
    case 'node':
      return links.node(value);
    case 'account':
      return links.jobs({ account: value });
    default:
      return undefined;
  }
}
