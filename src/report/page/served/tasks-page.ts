import type { TasksFigures } from '../../../figures/job/tasks-figures.ts';
import { tasksHead, tasksTitle, taskCells } from '../../tasks-text.ts';
import { clip } from '../../text/table-text.ts';
import { markup } from '../html.ts';
import { pageText, type PageAssets } from '../page.ts';
import { tableHtml, type Cell } from '../table-html.ts';
import type { Served } from './nav.ts';

/** A longer table is no use to anybody, and an array may have a hundred thousand tasks. */
const TASK_ROWS_MAX = 1_000;
const NAME_WIDTH_MAX = 120;

/** An array or a heterogeneous job: its tasks, each of which has a page. */
export function renderTasksPage(figures: TasksFigures, { assets, version, served }: TasksPageParts): string {
  const { tasks } = figures;
  const title = tasksTitle(figures);
  const [titles = [], ...rows] = taskCells(figures, ({ task, jobId }) => [task ?? '?', jobId]);
  const linked = rows.slice(0, tasks.length).map(([name = '', ...cells], index): Cell[] => {
    const { typedId, which } = tasks[index]!;
    return [markup`<a href="${served.links.job(typedId, which)}">${name}</a>`, ...cells];
  });
  const left = tasks.length - TASK_ROWS_MAX;
  const body = markup`<main>
    <h1 title="${title}">${clip(title, NAME_WIDTH_MAX)}</h1>
    ${tasksHead(figures).map((line) => markup`<p class="who">${line}</p>`)}
    ${tableHtml(titles, [...linked.slice(0, TASK_ROWS_MAX), rows.at(-1) ?? []], new Set(['raw id', 'state']))}
    ${left > 0 && markup`<p class="note">and ${left} more</p>`}
    <footer><p class="note">gpuledger ${version}</p></footer>
  </main>`;
  return pageText(title, body, assets, served);
}

interface TasksPageParts {
  readonly assets: PageAssets;
  /** Of gpuledger. */
  readonly version: string;
  readonly served: Served;
}
