import type { CapacityFigures, CapacityTimes } from '../../../figures/capacity/figures.ts';
import type { IdleWatchFigures } from '../../../figures/idle/figures.ts';
import type { JobsFigures, JobsRow } from '../../../figures/job/jobs-figures.ts';
import { capacityTable, capacityTitle } from '../../capacity-text.ts';
import { idleJobCells } from '../../idle-watch-text.ts';
import {
  formatGpuHours,
  formatMoment,
  formatPeriod,
  formatSpan,
  NOT_KNOWN,
} from '../../text/format-quantity.ts';
import { clip, harmless } from '../../text/table-text.ts';
import { idleText } from '../../text/wording.ts';
import { capacityBars, capacityTiles } from '../fleet/capacity-parts.ts';
import { waterfall } from '../fleet/waterfall.ts';
import { notesOf } from '../fleet/capacity-page.ts';
import { periodsChart } from '../fleet/periods-chart.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml, type Cell } from '../table-html.ts';
import { tilesHtml } from '../tiles.ts';
import { linked, notesHtml, servedPage, type Frame } from './frame.ts';
import { jobsTable, userLink } from './jobs-table.ts';
import type { Served } from './nav.ts';

const RUNNING_MAX = 15;
const IDLE_MAX = 15;
const LOSING_MAX = 10;
const IDLE_LEFT = new Set(['user', 'name', 'since (UTC)']);

/** The fleet now and lately: of jobs whoever looks may see the names, of all the sums. */
export interface FleetPageFigures {
  /** Jobs of which nobody may see the names are in no list of it. */
  readonly watch: IdleWatchFigures;
  /** Of all jobs. */
  readonly now: {
    readonly idle: number;
    readonly partlyIdle: number;
    readonly lostGpuUs: number | undefined;
  };
  readonly capacity: CapacityFigures;
  /** The same time by clusters and days. */
  readonly days: CapacityTimes | undefined;
  /** Those of the same time that may be seen, by what they lost. */
  readonly jobs: JobsFigures;
}

/** @param frame of the server */
export function renderFleetPage(figures: FleetPageFigures, frame: Frame): string {
  const { watch, capacity, days, jobs } = figures;
  const { served } = frame;
  const running = jobs.rows.filter(({ isOpen, devices }) => isOpen && devices > 0);
  const table = { costBasis: jobs.costBasis };
  const body = markup`<header><h1>Fleet</h1><p class="who">${formatMoment(watch.nowUs)}${(watch.isSynthetic || capacity.isSynthetic) && markup` · <span class="badge">synthetic GPUs</span>`}</p></header>
<section aria-labelledby="now"><h2 id="now">Now</h2>${nowTiles(figures)}${idleTables(watch, served)}</section>
${
  running.length > 0 &&
  markup`<section aria-labelledby="running"><h2 id="running">Running jobs</h2>${jobsTable(
    running.toSorted((a, b) => b.ownedGpuUs - a.ownedGpuUs),
    served,
    { ...table, rowsMax: RUNNING_MAX, moreLink: served.links.jobs({ state: 'RUNNING', sort: 'gpu-hours' }) },
  )}</section>`
}
${lately(capacity, days, served)}
${losing(jobs, served)}
${capacity.samples > 0 && notesOf(capacity)}`;
  return servedPage('Fleet', body, frame);
}

/** Where nobody told what jobs lost, by what they wasted, which is known of every one. */
function losing(jobs: JobsFigures, served: Served): Safe | undefined {
  const { rows, costBasis } = jobs;
  const lost = rows.filter(({ lostUs = 0 }) => lostUs > 0);
  const isTold = lost.length > 0;
  const shown = isTold ? lost : rows.filter((row) => wastedUs(row) > 0);
  if (shown.length === 0) return undefined;
  const note = isTold
    ? 'lost: GPU-hours that were seen and not effective, as was told of ended jobs.'
    : 'wasted: GPU-hours less SM activity. What else was lost has not been told of any of them.';
  const sort = isTold ? 'lost' : 'wasted';
  return markup`<section aria-labelledby="losing"><h2 id="losing">Jobs that ${sort} most</h2>
${jobsTable(
  shown.toSorted((a, b) => (isTold ? b.lostUs! - a.lostUs! : wastedUs(b) - wastedUs(a))),
  served,
  { costBasis, rowsMax: LOSING_MAX, moreLink: served.links.jobs({ sort }) },
)}${notesHtml([`${formatPeriod(jobs.fromUs, jobs.toUs)}. ${note}`])}</section>`;
}

function wastedUs({ used }: JobsRow): number {
  return used === undefined ? 0 : used.knownUs - used.value;
}

function nowTiles({ watch, now }: FleetPageFigures): Safe {
  const { running, notSeen, shared, afterUs } = watch;
  const for_ = `for ${formatSpan(afterUs)} or longer`;
  return tilesHtml([
    {
      value: String(running),
      name: 'jobs that run',
      note: [
        ...(notSeen.length === 0 ? [] : [`${notSeen.length} not seen`]),
        ...(shared.length === 0 ? [] : [`${shared.length} on shared GPUs`]),
      ].join(', '),
    },
    { value: String(now.idle), name: 'idle', note: `all of their GPUs, ${for_}` },
    { value: String(now.partlyIdle), name: 'idle in part', note: `some GPUs, ${for_}` },
    {
      value: now.lostGpuUs === undefined ? NOT_KNOWN : formatGpuHours(now.lostGpuUs),
      name: 'lost by those',
      note: 'since their GPUs are idle',
    },
  ]);
}

function idleTables({ idle, partlyIdle, idleLimits }: IdleWatchFigures, served: Served): Safe | undefined {
  const jobs = [...idle, ...partlyIdle];
  if (jobs.length === 0) return undefined;
  const shown = jobs.slice(0, IDLE_MAX);
  const [titles = [], ...cells] = idleJobCells(shown, (text, columns) => clip(harmless(text), columns));
  const rows = cells.map(([id = '', user = '', ...rest], at): Cell[] => [
    linked(id, served.links.job(shown[at]!.typedId, { cluster: shown[at]!.cluster })),
    linked(user, userLink(served, shown[at]!.user)),
    ...rest,
  ]);
  const left = jobs.length - shown.length;
  return markup`<h3>Idle</h3>${tableHtml(titles, rows, IDLE_LEFT)}${left > 0 && markup`<p class="note">and ${left} more: gpuledger watch-idle</p>`}${notesHtml([`idle: ${idleText(idleLimits)}. GPU-hours: what its idle GPUs have lost since then.`])}`;
}

function lately(capacity: CapacityFigures, days: CapacityTimes | undefined, served: Served): Safe {
  const [, window = '', ...rest] = capacityTitle(capacity);
  const head = markup`<h2 id="lately">Lately</h2><p class="who">${[window, ...rest].join(' · ')}</p>
<p><a href="${served.links.plan()}">The last weeks, and what comes</a></p>`;
  if (capacity.samples === 0)
    return markup`<section aria-labelledby="lately">${head}<p>no data: nothing was sampled in this time. Was a collector running?</p></section>`;
  return markup`<section aria-labelledby="lately">${head}${capacityTiles(capacity)}</section>
${waterfall(capacity)}${days && periodsChart(days)}${capacityBars(capacity)}
<section aria-labelledby="by"><h2 id="by">By ${capacity.by}</h2>${capacityRows(capacity, served)}</section>`;
}

function capacityRows(capacity: CapacityFigures, served: Served): Safe {
  const { titles, rows } = capacityTable(capacity);
  return tableHtml(
    titles,
    rows.map(([name = '', ...rest], at): readonly Cell[] => {
      const row = capacity.rows[at];
      const isGroup = row?.kind === 'group' && row.name !== undefined;
      return [isGroup ? linked(name, groupLink(capacity, row.name, served)) : name, ...rest];
    }),
  );
}

function groupLink({ by }: CapacityFigures, name: string, served: Served): string | undefined {
  switch (by) {
    case 'user':
      return userLink(served, name);
    case 'node':
      return served.isOperator ? served.links.node(name) : undefined;
    case 'account':
    case 'partition':
    case 'qos':
    case 'cluster':
      return served.links.jobs({ [by]: name });
    case 'model':
    case 'hour':
    case 'day':
    case 'week':
    case 'month':
      return undefined;
  }
}
