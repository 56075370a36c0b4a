import type { XidClass } from '../../core/reliability/xid-classes.ts';
import { STEP_US } from '../../figures/levels.ts';
import type {
  FailureSign,
  ModelRates,
  NodeReliability,
  ReliabilityFigures,
} from '../../figures/reliability/figures.ts';
import {
  calendarDate,
  formatCount,
  formatGpuHours,
  formatNumber,
  formatRatio,
} from '../text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from '../text/report-text.ts';
import { foldedTables, stacked, wrap } from '../text/table-text.ts';

const DAY_US = STEP_US['1d'];
const YEAR_US = 365.25 * DAY_US;
/** More nodes are in `--json`. */
const NODES_MAX = 8;

export const NO_XID = 'No XID of any GPU.';

const CLASS_NAMES: Readonly<Record<XidClass, string>> = {
  gpu: 'GPU hangs or is gone',
  memory: 'memory',
  link: 'NVLink',
  application: 'application',
  other: 'other',
};

const SIGN_NAMES: Readonly<Record<FailureSign, string>> = {
  xid: 'XID',
  gpu_lost: 'GPU away',
  node_down: 'down',
  node_fail: 'NODE_FAIL',
};

/** How often GPUs and nodes fail, for people: the answer first. */
export function renderReliabilityReport(figures: ReliabilityFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const sentences = (texts: readonly string[]): string[] =>
    texts.flatMap((text) => wrap(text, width, '  ', '    '));
  const title = wrap(titleOf(figures, options), width, '', '  ');
  const bold = new Set(options.isColored ? title.slice(0, 1) : []);
  if (figures.nodes.length === 0)
    return finishLines(
      [...title, ...sentences(['no data: nothing was sampled in this window. Was a collector running?'])],
      options,
      bold,
    );
  const lines = [
    ...title,
    ...sentences([failureRateText(figures), lemonText(figures, options), lostText(figures)]),
    ...xidLines(figures, options),
    ...nodeLines(figures, options),
    '',
    ...sentences(reliabilityNotes(figures)),
  ];
  return finishLines(lines, options, bold);
}

function titleOf(
  { cluster, fromUs, toUs, nodes, models, isSynthetic }: ReliabilityFigures,
  options: RenderOptions,
): string {
  const seenUs = models.reduce((sum, model) => sum + model.seenUs, 0);
  return [
    `Reliability${cluster === undefined ? '' : ` of cluster ${cellText(cluster, options, 32)}`}`,
    `${calendarDate(fromUs)} to ${calendarDate(toUs)} UTC`,
    `${formatCount(nodes.length, 'node')}, ${formatCount(
      models.reduce((sum, { gpus }) => sum + gpus, 0),
      'GPU',
    )}`,
    `${yearsText(seenUs)} GPU-years seen`,
    ...(isSynthetic ? ['synthetic'] : []),
  ].join(' · ');
}

function yearsText(us: number): string {
  return formatNumber(us / YEAR_US);
}

function daysText(us: number): string {
  return `${formatNumber(us / DAY_US)} days`;
}

/** How often a node fails, with its interval. */
export function failureRateText({ failures, meanUs, lowUs, highUs, seenNodeUs }: ReliabilityFigures): string {
  const seen = `in ${formatNumber(seenNodeUs / DAY_US)} node-days`;
  if (meanUs === undefined || highUs === undefined)
    return `No node failed ${seen}: one fails every ${daysText(lowUs ?? 0)} at most (95 %).`;
  return `A node fails every ${daysText(meanUs)} on average (95 %: ${formatNumber((lowUs ?? 0) / DAY_US)} to ${daysText(highUs)}): ${formatCount(failures, 'failure')} ${seen}.`;
}

/** Which nodes fail more often than chance would have it. */
export function lemonText({ nodes }: ReliabilityFigures, options: RenderOptions): string {
  const lemons = nodes.filter(({ isLemon }) => isLemon);
  if (lemons.length === 0) return 'No node fails more often than chance makes of all of them alike.';
  const texts = lemons
    .slice(0, NODES_MAX)
    .map(
      (one) =>
        `${nameOf(one, nodes, options)} (${one.failures} failures where ${formatNumber(one.expected)} were to be expected)`,
    );
  const more = lemons.length > NODES_MAX ? `, and ${lemons.length - NODES_MAX} more` : '';
  return `Fails more often than the others: ${texts.join(', ')}${more}.`;
}

/** With its cluster only where two clusters have one of its name. */
function nameOf(
  { node, cluster }: NodeReliability,
  all: readonly NodeReliability[],
  options: RenderOptions,
): string {
  const isAmbiguous = all.some((other) => other.node === node && other.cluster !== cluster);
  return cellText(isAmbiguous && cluster !== undefined ? `${cluster}/${node}` : node, options, 32);
}

function lostText({ lost: { runs, requeued, mostUs, availableUs } }: ReliabilityFigures): string {
  if (availableUs === 0) return 'No job had a GPU.';
  const all = formatGpuHours(availableUs);
  if (runs === 0) return `No job is known to have ended by a failure, of ${all} that jobs had.`;
  const back = requeued === 0 ? '' : `, ${requeued} of them started again`;
  return (
    `Lost to failures: up to ${formatGpuHours(mostUs)} of ${all} that jobs had (${formatCount(runs, 'run')} ended by one${back}), so between` +
    ` ${formatRatio(1 - mostUs / availableUs)} and 100 % of that time was productive (ETTR): what was lost since the last checkpoint nobody tells.`
  );
}

function xidLines(figures: ReliabilityFigures, options: RenderOptions): string[] {
  const { titles, rows } = xidTable(figures, options);
  if (rows.length === 0) return ['', `  ${NO_XID}`];
  return ['', ...stacked(foldedTables([titles, ...rows], ['left', 'left'], 2, lineWidth(options)))];
}

/** A table as cells. */
interface Cells {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** XIDs by model and by what they are about, with how often a GPU has one. */
export function xidTable({ models }: ReliabilityFigures, options: RenderOptions): Cells {
  const rows = models.flatMap((model) =>
    model.classes.map(({ name, events, incidents, perGpu }) => [
      modelName(model, options),
      CLASS_NAMES[name],
      String(events),
      String(incidents),
      formatNumber(perGpu.perYear),
      `${formatNumber(perGpu.low)} to ${formatNumber(perGpu.high)}`,
    ]),
  );
  return { titles: ['XIDs', 'about', 'told', 'incidents', 'a GPU-year', '95 %'], rows };
}

function modelName({ model, gpus, seenUs }: ModelRates, options: RenderOptions): string {
  return `${cellText(model ?? '(not told)', options, 32)} (${formatCount(gpus, 'GPU')}, ${yearsText(seenUs)} years)`;
}

function nodeLines({ nodes }: ReliabilityFigures, options: RenderOptions): string[] {
  const failed = nodes.filter(({ failures }) => failures > 0);
  if (failed.length === 0) return [];
  const { titles, rows } = failedNodeTable(failed.slice(0, NODES_MAX), nodes, options);
  const more =
    failed.length > NODES_MAX ? [`  ${failed.length - NODES_MAX} more nodes that failed (--json).`] : [];
  const sides = ['left', 'right', 'right', 'right', 'right', 'left', 'left'] as const;
  return ['', ...stacked(foldedTables([titles, ...rows], sides, 1, lineWidth(options))), ...more];
}

/** Failures of these nodes beside what chance would make of them. @param all of which they are some */
export function failedNodeTable(
  nodes: readonly NodeReliability[],
  all: readonly NodeReliability[],
  options: RenderOptions,
): Cells {
  const rows = nodes.map((one) => [
    nameOf(one, all, options),
    String(one.failures),
    formatNumber(one.expected),
    one.p < 0.0005 ? '<0.0005' : one.p.toFixed(4),
    one.adjustedP < 0.0005 ? '<0.0005' : one.adjustedP.toFixed(4),
    one.lastFailureUs === undefined ? '' : calendarDate(one.lastFailureUs),
    (Object.keys(SIGN_NAMES) as FailureSign[])
      .flatMap((sign) => (one.signs[sign] === 0 ? [] : [`${one.signs[sign]} × ${SIGN_NAMES[sign]}`]))
      .join(', '),
  ]);
  return { titles: ['node', 'failures', 'expected', 'p', 'p of all', 'last', 'shown by'], rows };
}

/** What the figures mean, and what of them is not known. */
export function reliabilityNotes(figures: ReliabilityFigures): string[] {
  const { unplacedFailures, unseenEvents, deafNodes, nodes } = figures;
  return [
    'A failure: an XID after which a GPU has to be reset (48, 62, 64, 74, 79, 95, 119, 120, 140, 143), a GPU that the driver says is away, a node that the scheduler says is down after it took jobs, a job on one node that ended NODE_FAIL; what comes within 15 minutes is one.',
    `p: chance of as many or more failures, if all ${formatCount(nodes.length, 'node')} failed alike; of all: that one of so many has them. Called out below 0.01, from three failures on.`,
    ...(unplacedFailures === 0
      ? []
      : [
          `Of ${formatCount(unplacedFailures, 'failure')} nobody told which node it was: jobs on several nodes that ended NODE_FAIL.`,
        ]),
    ...(unseenEvents === 0
      ? []
      : [`${formatCount(unseenEvents, 'XID')} of GPUs that were not seen in this window: in no rate.`]),
    ...(deafNodes === 0
      ? []
      : [
          `On ${formatCount(deafNodes, 'node')} not all XIDs were heard (the driver's events, or the kernel's log, cannot be read): rates are lower bounds.`,
        ]),
  ];
}
