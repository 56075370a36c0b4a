import {
  JOB_FILTERS,
  JOB_ORDERS,
  type JobFilter,
  type JobsFigures,
} from '../../../figures/job/jobs-figures.ts';
import { jobsNotes, jobsTitle } from '../../jobs-text.ts';
import { markup, type Safe } from '../html.ts';
import { notesHtml, servedPage, type Frame } from './frame.ts';
import { jobsTable } from './jobs-table.ts';
import { TYPED_LENGTH_MAX, type Served } from './nav.ts';

/** As it was typed into the form, by the name of the field; what was not is absent. */
export type AskedJobs = Readonly<Partial<Record<JobFilter | 'since' | 'from' | 'to' | 'sort', string>>>;

const ROWS_MAX = 200;

const HINTS: Readonly<Partial<Record<keyof AskedJobs, string>>> = {
  name: 'a part of it',
  state: 'RUNNING, FAILED, …',
  since: '7d, 12h, 4w',
  from: '2026-11-21, UTC',
  to: 'now where it is empty',
};

/** The search for jobs, and what it found. */
export function renderJobsPage(figures: JobsFigures, asked: AskedJobs, frame: Frame): string {
  const { rows, all } = figures;
  const body = markup`<header><h1>Jobs</h1><p class="who">${jobsTitle(figures)}</p></header>
${formOf(asked, frame.served)}
${
  all === undefined
    ? markup`<p>No job was there then that is like that.</p>`
    : markup`${jobsTable(rows, frame.served, { all, costBasis: figures.costBasis, rowsMax: ROWS_MAX })}
${rows.length > ROWS_MAX && markup`<p class="note">Narrow the search to see others, or take all of them as JSON.</p>`}
${notesHtml(jobsNotes(figures, all))}`
}`;
  return servedPage('Jobs', body, frame);
}

/** Works without scripts: what is typed is in the address. */
function formOf(asked: AskedJobs, { links }: Served): Safe {
  const texts: readonly (keyof AskedJobs)[] = [...JOB_FILTERS, 'since', 'from', 'to'];
  return markup`<form class="asked" method="get" action="${links.jobs()}" aria-label="Search for jobs">
<div><label for="asked-id">id</label><input id="asked-id" name="id" maxlength="${TYPED_LENGTH_MAX}" autocomplete="off" spellcheck="false" aria-describedby="asked-id-hint"><p id="asked-id-hint">opens the job</p></div>
${texts.map((name) => {
  const hint = HINTS[name];
  return markup`<div><label for="asked-${name}">${name}</label><input id="asked-${name}" name="${name}" value="${asked[name] ?? ''}" maxlength="${TYPED_LENGTH_MAX}" autocomplete="off" spellcheck="false"${hint !== undefined && markup` aria-describedby="asked-${name}-hint"`}>${hint !== undefined && markup`<p id="asked-${name}-hint">${hint}</p>`}</div>`;
})}
<div><label for="asked-sort">first those with most</label><select id="asked-sort" name="sort">${JOB_ORDERS.map(
    (order) =>
      markup`<option value="${order}"${order === (asked.sort ?? 'lost') && markup` selected`}>${order}</option>`,
  )}</select></div>
<div class="act"><button>Search</button></div>
</form>`;
}
