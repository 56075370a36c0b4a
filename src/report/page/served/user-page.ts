import type { JobsFigures } from '../../../figures/job/jobs-figures.ts';
import type { UserFigures } from '../../../figures/user/user-figures.ts';
import { amountCells } from '../../user/amount-lines.ts';
import { ruleAdvice } from '../../user/rule-advice.ts';
import { endedText, userNotes, userTitle } from '../../user/user-text.ts';
import { formatCount, formatGpuHours } from '../../text/format-quantity.ts';
import { clip } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { causesHtml } from '../job-parts.ts';
import { tableHtml } from '../table-html.ts';
import { linked, notesHtml, servedPage, type Frame } from './frame.ts';
import { jobsTable } from './jobs-table.ts';

const RULES_MAX = 8;
const JOBS_MAX = 50;
const NAME_WIDTH_MAX = 40;

/** What the jobs of a user did. @param jobs of the user, of the same time, by what they lost */
export function renderUserPage(figures: UserFigures, jobs: JobsFigures, frame: Frame): string {
  const { ended, before, causes, isSynthetic } = figures;
  const [title, ...rest] = userTitle(figures).split(' · ');
  const amounts = amountCells(figures);
  const body = markup`<header><h1>${title}</h1><p class="who">${rest.join(' · ')}</p></header>
<p class="verdict">${isSynthetic && markup`<span class="badge">synthetic GPUs</span> `}${endedText(ended)}</p>
${ended.runs + before.runs > 0 && markup`<section aria-labelledby="amounts"><h2 id="amounts">Beside the time before</h2>${tableHtml(amounts[0]!, amounts.slice(1), new Set(['']))}</section>`}
${notesHtml(userNotes(figures))}
${causesHtml({ causes: causes.parts }, () => [`Of ${causes.runs} of ${formatCount(ended.runs, 'job')} that ended.`])}
${losing(figures, frame)}
${standsOut(figures)}
<section aria-labelledby="jobs"><h2 id="jobs">Jobs</h2>${
    jobs.rows.length === 0
      ? markup`<p>No job of this user was there in this time.</p>`
      : jobsTable(jobs.rows, frame.served, {
          ...{ all: jobs.all, costBasis: jobs.costBasis, rowsMax: JOBS_MAX },
          moreLink: frame.served.links.jobs({ user: figures.user }),
        })
  }</section>`;
  return servedPage(title ?? '', body, frame);
}

function losing({ losing: runs, lostBy }: UserFigures, { served }: Frame): Safe | undefined {
  if (runs.length === 0) return undefined;
  const rows = runs.map(({ row, lostUs }) => [
    linked(clip(row.typedId, NAME_WIDTH_MAX), served.links.job(row.typedId, row.which)),
    clip(row.name ?? '', NAME_WIDTH_MAX),
    formatGpuHours(lostUs),
    formatGpuHours(row.ownedGpuUs),
    (row.rules ?? []).join(', '),
  ]);
  const why =
    lostBy === 'lost'
      ? 'lost: GPU-hours that were seen and not effective.'
      : 'lost: GPU-hours less SM activity, as of too many jobs more was not told.';
  return markup`<section aria-labelledby="losing"><h2 id="losing">Lost most</h2>${tableHtml(['job', 'name', 'lost', 'of', 'what stood out'], rows, new Set(['name', 'what stood out']))}${notesHtml([why])}</section>`;
}

function standsOut({ findings }: UserFigures): Safe | undefined {
  const { runs, rules } = findings;
  if (rules.length === 0) return undefined;
  const rows = rules
    .slice(0, RULES_MAX)
    .map((one) => [clip(one.rule, NAME_WIDTH_MAX), formatCount(one.runs, 'job'), ruleAdvice(one.rule) ?? '']);
  return markup`<section aria-labelledby="findings"><h2 id="findings">What stood out most often</h2>${tableHtml(['', 'in', 'what to do'], rows, new Set(['what to do']))}${notesHtml([`Of ${formatCount(runs, 'job')} of which that was kept.`])}</section>`;
}
