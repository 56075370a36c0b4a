import type { NodeDevice, NodeEvent, NodeFigures } from '../../../figures/node/figures.ts';
import {
  formatCount,
  formatGpuHours,
  formatMemory,
  formatMoment,
  formatPeriod,
  formatRatio,
  formatSpan,
  formatWatts,
  formatCoverage,
  NOT_KNOWN,
} from '../../text/format-quantity.ts';
import { clip, harmless } from '../../text/table-text.ts';
import { markup, type Safe } from '../html.ts';
import { tableHtml, type Cell } from '../table-html.ts';
import { linked, notesHtml, servedPage, type Frame } from './frame.ts';
import { jobsTable, userLink } from './jobs-table.ts';

const NAME_WIDTH_MAX = 40;
const TEXT_WIDTH_MAX = 120;
const JOBS_MAX = 50;
const DEVICES_MAX = 128;

/** What there is on a node, what it does, and what happened there. @param nowUs epoch µs */
export function renderNodePage(figures: NodeFigures, nowUs: number, frame: Frame): string {
  const { node, devices, coverage, fromUs, toUs, isSynthetic, jobs } = figures;
  const title = `Node ${clip(harmless(node), NAME_WIDTH_MAX)}`;
  const clusters = [...new Set(devices.flatMap(({ cluster }) => cluster ?? []))];
  const who = [
    ...(clusters.length === 0
      ? []
      : [`cluster ${clusters.map((name) => clip(harmless(name), NAME_WIDTH_MAX)).join(', ')}`]),
    formatCount(devices.length, 'GPU'),
    formatPeriod(fromUs, toUs),
    coverage === undefined
      ? 'nothing seen'
      : `seen ${formatCoverage(coverage.seenUs / coverage.knownUs)} of ${formatGpuHours(coverage.knownUs)}`,
  ];
  const body = markup`<header><h1>${title}</h1><p class="who">${who.join(' · ')}${isSynthetic && markup` · <span class="badge">synthetic GPUs</span>`}</p></header>
${deviceTable(devices, nowUs, frame)}
${eventTable(figures, frame)}
<section aria-labelledby="jobs"><h2 id="jobs">Jobs that had one of its GPUs</h2>${
    jobs.rows.length === 0
      ? markup`<p>None in this time.</p>`
      : markup`${jobsTable(jobs.rows, frame.served, { costBasis: jobs.costBasis, rowsMax: JOBS_MAX })}${notesHtml(['Each job is told whole, also what it did on other nodes.'])}`
  }</section>`;
  return servedPage(title, body, frame);
}

function deviceTable(devices: readonly NodeDevice[], nowUs: number, frame: Frame): Safe {
  const shown = devices.slice(0, DEVICES_MAX);
  const isOfSeveral = new Set(devices.map(({ cluster }) => cluster)).size > 1;
  const titles = [
    ...(isOfSeveral ? ['cluster'] : []),
    'GPU',
    'model',
    'memory',
    'now of',
    'SM active',
    'power',
    'memory used',
    'last sample',
    'driver',
    'UUID',
  ];
  const rows = shown.map((device): Cell[] => {
    const { gpu, index, model, memoryBytes, migProfile, driver, last } = device;
    return [
      ...(isOfSeveral ? [clip(harmless(device.cluster ?? NOT_KNOWN), NAME_WIDTH_MAX)] : []),
      index === undefined ? NOT_KNOWN : String(index),
      clip(
        harmless([model ?? NOT_KNOWN, ...(migProfile === undefined ? [] : [migProfile])].join(' ')),
        NAME_WIDTH_MAX,
      ),
      memoryBytes === undefined ? NOT_KNOWN : formatMemory(memoryBytes),
      ownersOf(device, frame),
      last?.smActiveRatio === undefined ? NOT_KNOWN : formatRatio(last.smActiveRatio),
      last?.powerWatts === undefined ? NOT_KNOWN : formatWatts(last.powerWatts),
      last?.memoryUsedBytes === undefined ? NOT_KNOWN : formatMemory(last.memoryUsedBytes),
      last === undefined ? 'none today' : `${formatSpan(Math.max(0, nowUs - last.tsUs))} ago`,
      clip(harmless(driver ?? NOT_KNOWN), NAME_WIDTH_MAX),
      clip(harmless(gpu), NAME_WIDTH_MAX + 4),
    ];
  });
  const left = devices.length - shown.length;
  return markup`<section aria-labelledby="gpus"><h2 id="gpus">GPUs</h2>${
    devices.length === 0
      ? markup`<p>The inventory has none of this node.</p>`
      : tableHtml(titles, rows, new Set(['model', 'now of', 'driver', 'UUID']))
  }${left > 0 && markup`<p class="note">and ${left} more</p>`}</section>`;
}

function ownersOf({ owners }: NodeDevice, { served }: Frame): Cell {
  if (owners.length === 0) return 'nobody';
  return markup`${owners.map(({ typedId, which, user }, at) => {
    const job = linked(clip(harmless(typedId), NAME_WIDTH_MAX), served.links.job(typedId, which));
    const name =
      user !== undefined &&
      markup` of ${linked(clip(harmless(user), NAME_WIDTH_MAX), userLink(served, user))}`;
    return markup`${at > 0 && ', '}${job}${name}`;
  })}`;
}

function eventTable({ events, eventCount }: NodeFigures, { served }: Frame): Safe {
  const rows = events.map((event): Cell[] => [
    formatMoment(event.tsUs),
    kindText(event),
    event.endUs === undefined || event.endUs <= event.tsUs ? '' : formatSpan(event.endUs - event.tsUs),
    clip(harmless(event.gpu ?? 'all of the node'), NAME_WIDTH_MAX + 4),
    event.jobId === undefined
      ? ''
      : linked(clip(harmless(event.jobId), NAME_WIDTH_MAX), served.links.job(event.jobId)),
    clip(harmless(event.text ?? ''), TEXT_WIDTH_MAX),
  ]);
  return markup`<section aria-labelledby="events"><h2 id="events">Events</h2>${
    rows.length === 0
      ? markup`<p>None in this time.</p>`
      : tableHtml(
          ['when', 'what', 'for', 'GPU', 'job', 'text'],
          rows,
          new Set(['what', 'GPU', 'job', 'text']),
        )
  }${eventCount > events.length && markup`<p class="note">and ${eventCount - events.length} earlier ones</p>`}</section>`;
}

function kindText({ kind, code, subject }: NodeEvent): string {
  const parts = [
    kind,
    ...(code === undefined ? [] : [String(code)]),
    ...(subject === undefined ? [] : [subject]),
  ];
  return clip(harmless(parts.join(' ')), NAME_WIDTH_MAX);
}
