import { deviceName, deviceNames } from './text/device-name.ts';
import { deviceLines, spreadLines } from './text/device-text.ts';
import { eventText } from './text/event-text.ts';
import {
  formatCount,
  formatCoverage,
  formatGpuHours,
  formatInterval,
  formatMemory,
  formatMoment,
  formatPeriod,
  formatQuantity,
  formatRate,
  formatRatio,
  formatSpan,
  ownedText,
} from './text/format-quantity.ts';
import { GAUGES, GAUGES_WITH_PERCENTILES, type GaugeKey } from '../figures/gauges.ts';
import { longestIdleOf } from '../figures/job/assemble.ts';
import { PIPE_KEYS } from '../figures/job/rows/pipes.ts';
import type { JobDevice, JobFigures, JobGauge } from '../figures/job/figures.ts';
import { analysisLines, boundsLines } from './analysis-text.ts';
import { CAUSES_HEADING, causesLines, noCausesLines } from './causes-text.ts';
import { jobCostLines } from './costs-text.ts';
import { hostLines } from './host/host-text.ts';
import { findingLines, FINDINGS_HEADING } from './finding-lines.ts';
import { HISTORY_HEADING, historyLines } from './history/history-text.ts';
import { otherJobLines, stepText, whoTexts } from './text/identity-text.ts';
import { finishLines, lineWidth, reportWidth, type RenderOptions } from './text/report-text.ts';
import { heatLines } from './text/heat-text.ts';
import { sparkline } from './text/sparkline.ts';
import { harmless, tableText, wrap } from './text/table-text.ts';
import {
  dividedText,
  GAUGE_LABELS,
  idleText,
  invalidRollupTexts,
  NO_DEVICES,
  NOT_MEASURED_REASONS,
  PIPE_LABELS,
} from './text/wording.ts';
import { verdictText } from './verdict-text.ts';

/** A figure of a part of the time must not pass for one of all of it. */
const KNOWN_RATIO_MIN = 0.99;
/** A shorter stretch of idleness is no news. */
const IDLE_STRETCH_US_MIN = 60e6;

/** The account of one job for people. */
export function renderJobReport(figures: JobFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const isWhole = options.isWhole ?? false;
  const title = titleOf(figures);
  const lines = [...verdictLines(figures, width), title, ...headLines(figures, width)];
  if (figures.all.samples > 0) {
    const told = [...gaugeLines(figures), ...factLines(figures, width)];
    lines.push(...(told.length === 0 ? [] : ['', ...told]), '');
    lines.push(...causesLines(figures, width));
    lines.push(...heatLines(figures, lineWidth(options)));
    lines.push(...deviceLines(figures, isWhole, lineWidth(options)), ...nodeEventLines(figures));
    lines.push(...spreadLines(figures, isWhole, lineWidth(options)));
    lines.push(...partlyKnownLines(figures, width), ...notMeasuredLines(figures, width));
    lines.push(...noCausesLines(figures, width));
  }
  lines.push(...historyLines(figures.history, width));
  lines.push(...findingLines(figures, width), ...keptRuleLines(figures, width));
  const bold = new Set([title, CAUSES_HEADING, HISTORY_HEADING, FINDINGS_HEADING]);
  return finishLines(lines, options, options.isColored ? bold : new Set());
}

/** First of all, what it comes to; where the data are made up, that too. */
function verdictLines(figures: JobFigures, width: number): string[] {
  const of = figures.isSynthetic ? ' (synthetic GPUs)' : '';
  return wrap(harmless(`verdict${of}: ${verdictText(figures)}`), width, '', '    ');
}

/** What stood out while there were samples to tell of it. */
function keptRuleLines({ rulesKept }: JobFigures, width: number): string[] {
  if (rulesKept.length === 0) return [];
  const text = `stood out while its samples were there: ${rulesKept.join(', ')}`;
  return ['', ...wrap(harmless(text), width, '  ', '    ')];
}

export function titleOf({ job, isSynthetic, isOpen }: JobFigures): string {
  const { jobId, name, state, exitCode } = job;
  const ending = exitCode === undefined ? '' : ` (exit ${exitCode})`;
  const parts = [
    `Job ${jobId}${taskText(job)}`,
    name,
    `${state ?? (isOpen ? 'running' : 'ended')}${isOpen ? '' : ending}`,
    isSynthetic ? 'synthetic' : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(' · ');
}

/** ` (task 3 of array 6)`. */
function taskText({ jobId, arrayJobId, hetJobId, task }: JobFigures['job']): string {
  if (task === undefined) return '';
  if (arrayJobId !== undefined) return ` (task ${task} of array ${arrayJobId})`;
  if (hetJobId !== undefined) return ` (component ${task} of heterogeneous job ${hetJobId})`;
  return jobId.includes(`[${task}]`) ? '' : ` (task ${task})`;
}

export function headLines(figures: JobFigures, width: number): string[] {
  const { run, otherRuns, otherJobs, askedStep } = figures.job;
  const who = whoTexts(figures.job);
  const nodes = new Set(figures.devices.map((device) => device.node)).size;
  const what = `${formatCount(nodes, 'node')}, ${modelsText(figures.devices)}`;
  const length = formatSpan(figures.endUs - figures.startUs);
  const until = figures.isOpen ? `still running, ${length} so far` : length;
  // Of a job without intervals an end that nobody told is the start.
  const period = formatPeriod(figures.startUs, figures.endUs);
  const told = figures.endUs > figures.startUs ? period : formatMoment(figures.startUs);
  const lines = [
    ...wrap(harmless([who.join(', '), what].filter((part) => part !== '').join(' · ')), width, '  ', '    '),
    `  ${period} (${until})`,
    `  ${coverageText(figures)}`,
  ];
  if (figures.devices.length === 0)
    lines.splice(0, lines.length, `  from ${told}`, `  no data: ${NO_DEVICES}`);
  for (const sentence of originTexts(figures)) lines.push(...wrap(sentence, width, '  ', '    '));
  if (figures.sharing !== 'whole')
    lines.push(...wrap(`shares its GPUs: ${dividedText(figures.sharing)}`, width, '  ', '    '));
  if (figures.areSharesScaled)
    lines.push('  the stated shares add up to more than a GPU: made smaller in proportion');
  if (askedStep !== undefined) lines.push(`  ${stepText(askedStep)}`);
  if (otherRuns.length > 0)
    lines.push(`  run ${run} of this job id; others: ${otherRuns.join(', ')} (--run N)`);
  return [...lines, ...otherJobLines(otherJobs)];
}

function modelsText(devices: readonly JobDevice[]): string {
  const counts = new Map<string, number>();
  for (const { model = 'GPU of unknown model', migProfile = '', memoryBytes } of devices) {
    // NVML puts the profile of an instance into its model's name already.
    const profile = model.includes(migProfile) ? [] : [migProfile];
    const memory = memoryBytes === undefined ? [] : [formatMemory(memoryBytes)];
    const name = [model.replace(/^NVIDIA /, ''), ...profile, ...memory].join(' ');
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} x ${name}`).join(', ');
}

/** Where the figures are from, where that is not all of its samples, and what cannot be told. */
function originTexts(figures: JobFigures): string[] {
  const { origin, oldestSampleUs, gauges, undividedUs, mixedUs, invalidRollups } = figures;
  const texts: string[] = [];
  if (origin === 'kept')
    texts.push(
      'its samples have aged out: from the figures kept of it, without percentiles, course, gaps and dips',
    );
  if (origin === 'rollups') {
    const since = oldestSampleUs === undefined ? '' : ` before ${formatMoment(oldestSampleUs)}`;
    texts.push(
      `its samples${since} have aged out: sums are from the rollups, dips of less than a minute are not seen`,
    );
  }
  const unranked = gauges.filter(
    ({ key, p50, max }) => GAUGES_WITH_PERCENTILES.includes(key) && p50 === undefined && max.knownUs > 0,
  );
  if (origin === 'rollups' && unranked.length > 0)
    texts.push(
      `no p50 and p95 of ${unranked.map(({ key }) => GAUGE_LABELS[key]).join(', ')}: no hour of the histograms is of this run alone`,
    );
  const barred = gauges.filter(({ p50 }) => p50?.barWidth !== undefined);
  if (barred.length > 0) texts.push(`p50 and p95 are the middles of bars: ${barred.map(barText).join(', ')}`);
  if (undividedUs > 0)
    texts.push(
      `${formatGpuHours(undividedUs)} are in no figure: nobody recorded which part of the GPU was the job's` +
        ' (while samples are left: gpuledger schema apply)',
    );
  if (mixedUs > 0)
    texts.push(
      `${formatGpuHours(mixedUs)} are left out: another run had the GPU within the same hour, and the samples have aged out`,
    );
  return [...texts, ...invalidRollupTexts(invalidRollups)];
}

/** `SM active ± 0.5 %`. */
function barText({ key, p50 }: JobGauge): string {
  const half = p50!.barWidth! / 2;
  return `${GAUGE_LABELS[key]} ± ${GAUGES[key].unit === 'ratio' ? `${half * 100} %` : `${half} W`}`;
}

function coverageText(figures: JobFigures): string {
  const { all, boundaryUs, sharing } = figures;
  const { coverage, attributedUs } = all;
  const owned = ownedText(all);
  if (coverage === undefined) return `no data for its ${owned}`;
  const own = sharing === 'whole' ? '' : ` · its part ${formatGpuHours(attributedUs)}`;
  return `seen ${formatCoverage(coverage.value)} of ${owned}${holesText(figures)}${own} · boundaries ± ${formatInterval(boundaryUs)}`;
}

function holesText({ gaps = [], unplacedGaps }: JobFigures): string {
  const gapUs = gaps.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
  const texts = [
    ...(gaps.length === 0 ? [] : [`${formatCount(gaps.length, 'gap')}, ${formatSpan(gapUs)} of GPU time`]),
    ...(unplacedGaps.count === 0 ? [] : [`${formatSpan(unplacedGaps.us)} missing here and there`]),
  ];
  return texts.length === 0 ? '' : ` (${texts.join('; ')})`;
}

const PLOTTED: readonly GaugeKey[] = ['smActive', 'tensorActive', 'dramActive', 'power'];
const FALLBACKS: readonly GaugeKey[] = ['engineActive', 'gpuUtil'];

function gaugeLines(figures: JobFigures): string[] {
  const byKey = new Map(figures.gauges.map((gauge) => [gauge.key, gauge]));
  const shown = PLOTTED.filter((key) => byKey.has(key));
  if (!byKey.has('smActive')) shown.unshift(...FALLBACKS.filter((key) => byKey.has(key)).slice(0, 1));
  const rows = shown.map((key) => {
    const { mean, min, p50, p95, max, series } = byKey.get(key)!;
    const top = GAUGES[key].unit === 'ratio' ? 1 : max.value;
    return [GAUGE_LABELS[key], ...[mean, min, p50, p95, max].map(formatQuantity), '', sparkline(series, top)];
  });
  if (rows.length === 0) return [];
  return tableText(
    [['', 'mean', 'min', 'p50', 'p95', 'max', '', ''], ...rows],
    ['left', 'right', 'right', 'right', 'right', 'right', 'left', 'left'],
  );
}

function factLines(figures: JobFigures, width: number): string[] {
  const byKey = new Map(figures.gauges.map((gauge) => [gauge.key, gauge]));
  const lines: string[] = [];
  lines.push(...useLines(figures, width));
  const energy = energyText(figures);
  if (energy !== undefined) lines.push(`  energy ${energy}`);
  lines.push(...dividedLines(figures, width), ...jobCostLines(figures, width));
  const peak = peakOf(figures.devices);
  if (peak !== undefined) {
    const of = peak.memoryBytes === undefined ? '' : ` of ${formatMemory(peak.memoryBytes)}`;
    lines.push(`  memory peak ${formatQuantity(peak.gauges.memoryUsed!.max)}${of} (${deviceName(peak)})`);
  }
  const links = [
    linkText('PCIe', byKey.get('pcieSent'), byKey.get('pcieReceived')),
    linkText('NVLink', byKey.get('nvlinkSent'), byKey.get('nvlinkReceived')),
  ].filter((text) => text !== undefined);
  if (links.length > 0) lines.push(`  ${links.join(' · ')} (mean of a GPU, both ways)`);
  lines.push(...hostLines(figures.host, width));
  lines.push(...boundsLines(figures.bounds, width), ...analysisLines(figures.analysis, width));
  return lines;
}

/** What was made of the time, by which pipes, and where it was idle for longest. */
function useLines(figures: JobFigures, width: number): string[] {
  const { used, attributedUs, smShares } = figures.all;
  const texts: string[] = [];
  if (used !== undefined) {
    const { value, knownUs } = used;
    const part =
      knownUs < KNOWN_RATIO_MIN * attributedUs
        ? `, over ${formatCoverage(knownUs / attributedUs)} of the time`
        : '';
    const wasted = formatGpuHours(knownUs - value);
    texts.push(`used ${formatGpuHours(value)}, wasted ${wasted} (SM activity x time, and the rest${part})`);
  }
  const shares = PIPE_KEYS.filter((key) => smShares[key] !== undefined);
  if (shares.length > 0)
    texts.push(
      `of SM activity: ${shares.map((key) => `${PIPE_LABELS[key]} ${formatQuantity(smShares[key])}`).join(' · ')}`,
    );
  const longest = longestIdleOf(figures);
  if (longest !== undefined && longest.stretch.lengthUs >= IDLE_STRETCH_US_MIN) {
    const { device, stretch } = longest;
    const length = `${stretch.isAtLeast ? 'at least ' : ''}${formatSpan(stretch.lengthUs)}`;
    texts.push(`longest idle ${length} from ${formatMoment(stretch.fromUs!)} (${deviceName(device)})`);
    texts.push(`idle: ${idleText(figures.idleLimits)}`);
  }
  return texts.flatMap((text) => wrap(text, width, '  ', '    '));
}

/** The one that is shown, of how many devices it is the counter's, and over how much of the time it is known. */
export function energyText({ all, devices }: JobFigures): string | undefined {
  const { counter, power, best } = all.energy;
  if (best === undefined) return undefined;
  const known = devices.filter(({ energy }) => energy.best !== undefined);
  const counted = known.filter(({ energy }) => energy.best?.value === energy.counter?.value);
  const wholeUs = Math.max(best.knownUs, all.attributedUs);
  const part =
    best.knownUs < KNOWN_RATIO_MIN * wholeUs
      ? `, over ${formatCoverage(best.knownUs / wholeUs)} of the time`
      : '';
  if (counted.length === 0) {
    const why = counter === undefined ? 'no energy counter' : 'the energy counter stood still';
    return `${formatQuantity(best)} (power integral${part}; ${why})`;
  }
  if (counted.length < known.length)
    return (
      `${formatQuantity(best)} (counter of ${formatCount(counted.length, 'GPU')}, power integral of the other` +
      ` ${known.length - counted.length}${part})`
    );
  const check = power === undefined ? '' : `; power integral ${formatQuantity(power)}`;
  return `${formatQuantity(best)} (counter${part}${check})`;
}

/** What of the energy is a part of the GPUs', and the power that this was on the mean. */
function dividedLines({ all: { energy }, devices }: JobFigures, width: number): string[] {
  const { divided } = energy;
  const lines: string[] = [];
  if (divided !== undefined) {
    const instanceUs = devices.reduce(
      (sum, { energy: own, sliceRatio = 1 }) => sum + (own.divided?.knownUs ?? 0) / sliceRatio,
      0,
    );
    const watts = divided.value / (instanceUs / 1e6);
    const power = formatQuantity({ value: watts, unit: 'watts', knownUs: instanceUs });
    lines.push(
      `÷ ${formatQuantity(divided)} is its part of GPUs that are cut into MIG instances, by slices and activity: ${power} an instance on the mean`,
    );
  }
  const unknown = devices.filter(({ sliceRatio }) => sliceRatio === undefined);
  if (unknown.length > 0)
    lines.push(
      `${deviceNames(unknown)}: the slices are not known, so it counts as a GPU and has no part of the energy`,
    );
  return lines.flatMap((line) => wrap(line, width, '  ', '    '));
}

function peakOf(devices: readonly JobDevice[]): JobDevice | undefined {
  const peakBytes = ({ gauges }: JobDevice): number => gauges.memoryUsed?.max.value ?? -1;
  return devices
    .filter(({ gauges }) => gauges.memoryUsed !== undefined)
    .reduce<JobDevice | undefined>(
      (best, next) => (best === undefined || peakBytes(next) > peakBytes(best) ? next : best),
      undefined,
    );
}

/** Both ways together; a way that no lane records is left out, one that is recorded and not known leaves nothing. */
function linkText(name: string, ...ways: readonly (JobGauge | undefined)[]): string | undefined {
  const means = ways.filter((way) => way !== undefined).map(({ mean }) => mean);
  if (means.length === 0 || means.includes(undefined)) return undefined;
  return `${name} ${formatRate(means.reduce((sum, mean) => sum + mean!.value, 0))}`;
}

/** Events of whole nodes: gaps, restarts, clock steps. */
function nodeEventLines({ nodeEvents }: JobFigures): string[] {
  const shown = nodeEvents.slice(0, 3).map((event) => `  ${event.node}: ${eventText(event)}: ${event.text}`);
  return nodeEvents.length <= 3
    ? shown
    : [...shown, `  … and ${nodeEvents.length - 3} more events of its nodes (--json)`];
}

const SILENT_WITHOUT: readonly GaugeKey[] = ['engineActive', 'gpuUtil'];

function notMeasuredLines({ notMeasured }: JobFigures, width: number): string[] {
  return notMeasured.flatMap(({ keys, why }) => {
    const names = keys.filter((key) => !SILENT_WITHOUT.includes(key)).map((key) => GAUGE_LABELS[key]);
    return names.length === 0
      ? []
      : wrap(`not measured: ${names.join(', ')} (${NOT_MEASURED_REASONS[why]})`, width, '  ', '    ');
  });
}

function partlyKnownLines({ gauges, all: { sampledUs } }: JobFigures, width: number): string[] {
  const texts = gauges
    .filter(({ key, max }) => PLOTTED.includes(key) && max.knownUs < KNOWN_RATIO_MIN * sampledUs)
    .map(({ key, max }) => `${GAUGE_LABELS[key]} ${formatRatio(max.knownUs / sampledUs)}`);
  return texts.length === 0
    ? []
    : wrap(`had values for a part of the time only: ${texts.join(', ')}`, width, '  ', '    ');
}
