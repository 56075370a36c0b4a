import type { JobAmounts, JobsFigures, JobsRow } from '../../../figures/job/jobs-figures.ts';
import { jobsCells } from '../../jobs-text.ts';
import { formatGrouped } from '../../text/format-quantity.ts';
import { clip, harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml } from '../table-html.ts';
import { linked } from './frame.ts';
import type { Served } from './nav.ts';

const LEFT = new Set(['name', 'user', 'account', 'state', 'began (UTC)']);

/** Whose pages somebody may open. */
export function userLink(
  { links, viewer, isOperator }: Served,
  user: string | undefined,
): string | undefined {
  return user !== undefined && user !== '' && (isOperator || user === viewer) ? links.user(user) : undefined;
}

/**
 * Jobs with an address each, and what they come to together.
 * @param all is told below them where it is given @param moreLink where the others are, of more than are shown
 */
export function jobsTable(
  rows: readonly JobsRow[],
  served: Served,
  {
    all,
    costBasis,
    rowsMax,
    moreLink,
  }: {
    readonly all?: JobAmounts | undefined;
    readonly costBasis: JobsFigures['costBasis'];
    readonly rowsMax: number;
    readonly moreLink?: string;
  },
): Safe {
  const shown = rows.slice(0, rowsMax);
  const [titles = [], ...cells] = jobsCells(shown, all, costBasis, (text, columns) =>
    clip(harmless(text), columns),
  );
  const { links } = served;
  const linkedRows = cells.map(([id = '', name = '', user = '', account = '', ...rest], at) => {
    const row = shown[at];
    if (row === undefined) return [id, name, user, account, ...rest];
    return [
      linked(id, links.job(row.typedId, row.which)),
      name,
      linked(user, userLink(served, row.user)),
      linked(account, row.account === undefined ? undefined : links.jobs({ account: row.account })),
      ...rest,
    ];
  });
  const left = rows.length - shown.length;
  return markup`${tableHtml(titles, linkedRows, LEFT)}${left > 0 && markup`<p class="note">and ${linked(`${formatGrouped(left, 0)} more`, moreLink)}</p>`}`;
}
