import { deviceName } from './text/device-name.ts';
import { deviceLines } from './text/device-text.ts';
import { eventText } from './text/event-text.ts';
import {
  formatCoverage,
  formatEnergy,
  formatGpuHours,
  formatInterval,
  formatMemory,
  formatPeriod,
  formatRate,
  formatRatio,
  formatSpan,
  formatWatts,
} from './text/format-quantity.ts';
import { GAUGES, type GaugeKey } from '../figures/gauges.ts';
import type { Energy, JobDevice, JobFigures, JobGauge } from '../figures/job/figures.ts';
import { finishLines, reportWidth, type RenderOptions } from './text/report-text.ts';
import { sparkline } from './text/sparkline.ts';
import { standOut } from '../report/stand-out.ts';
import { harmless, tableText, wrap } from './text/table-text.ts';

const FINDINGS_HEADING = '  What stands out';

/** The account of one job for people. */
export function renderJobReport(figures: JobFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const lines = [titleOf(figures), ...headLines(figures, width)];
  if (figures.samples > 0) {
    lines.push('', ...gaugeLines(figures), ...factLines(figures), '');
    lines.push(...deviceLines(figures, options.isWhole ?? false), ...nodeEventLines(figures));
    lines.push(...partlyKnownLines(figures, width), ...notMeasuredLines(figures, width));
  }
  const findings = standOut(figures);
  if (findings.length > 0) lines.push('', FINDINGS_HEADING);
  for (const { text } of findings) lines.push(...wrap(harmless(text), width, '  · ', '    '));
  const bold = new Set([lines[0]!, FINDINGS_HEADING]);
  return finishLines(lines, width, options.isColored ? bold : new Set());
}

function titleOf({ jobId, name, state, exitCode, isSynthetic, isOpen }: JobFigures): string {
  const ending = exitCode === undefined ? '' : ` (exit ${exitCode})`;
  const parts = [
    `Job ${jobId}`,
    name,
    `${state ?? (isOpen ? 'running' : 'ended')}${isOpen ? '' : ending}`,
    isSynthetic ? 'synthetic' : undefined,
  ];
  return parts.filter((part) => part !== undefined).join(' · ');
}

function headLines(figures: JobFigures, width: number): string[] {
  const who = [
    figures.user,
    figures.account === undefined ? undefined : `account ${figures.account}`,
    figures.partition === undefined ? undefined : `partition ${figures.partition}`,
  ].filter((part) => part !== undefined);
  const nodes = new Set(figures.devices.map((device) => device.node)).size;
  const what = `${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${modelsText(figures.devices)}`;
  const length = formatSpan(figures.endUs - figures.startUs);
  const until = figures.isOpen ? `still running, ${length} so far` : length;
  const lines = [
    ...wrap(harmless([who.join(', '), what].filter((part) => part !== '').join(' · ')), width, '  ', '    '),
    `  ${formatPeriod(figures.startUs, figures.endUs)} (${until})`,
    `  ${coverageText(figures)}`,
  ];
  if (figures.devices.length === 0)
    lines.splice(
      0,
      lines.length,
      `  from ${formatPeriod(figures.startUs, figures.endUs)}`,
      '  no data: no GPU ownership was recorded for it',
    );
  if (figures.isFromKeptFigures)
    lines.push(
      ...wrap(
        'its samples have aged out: from the figures kept of it, without percentiles, course, gaps and dips',
        width,
        '  ',
        '    ',
      ),
    );
  if (figures.sharing === 'stated')
    lines.push('  shares its GPUs: hours and energy are its stated share of them');
  if (figures.sharing === 'equal')
    lines.push('  shares its GPUs; nobody told how, so hours and energy are equal parts among their owners');
  if (figures.otherRuns.length > 0)
    lines.push(`  run ${figures.run} of this job id; others: ${figures.otherRuns.join(', ')} (--run N)`);
  return lines;
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

function coverageText({
  samples,
  sampledUs,
  ownedUs,
  gapCount,
  gapUs,
  boundaryUs,
  attributedUs,
  sharing,
}: JobFigures): string {
  if (samples === 0) return `no data for its ${formatGpuHours(ownedUs)}`;
  const gaps =
    gapCount === 0
      ? ''
      : ` (${gapCount} ${gapCount === 1 ? 'gap' : 'gaps'}, ${formatSpan(gapUs)} of GPU time)`;
  const own = sharing === 'whole' ? '' : ` · its part ${formatGpuHours(attributedUs)}`;
  return `seen ${formatCoverage(sampledUs / ownedUs)} of ${formatGpuHours(ownedUs)}${gaps}${own} · boundaries ± ${formatInterval(boundaryUs)}`;
}

const PLOTTED: readonly GaugeKey[] = ['smActive', 'tensorActive', 'dramActive', 'power'];
const FALLBACKS: readonly GaugeKey[] = ['engineActive', 'gpuUtil'];

function gaugeLines(figures: JobFigures): string[] {
  const byKey = new Map(figures.gauges.map((gauge) => [gauge.key, gauge]));
  const shown = PLOTTED.filter((key) => byKey.has(key));
  if (!byKey.has('smActive')) shown.unshift(...FALLBACKS.filter((key) => byKey.has(key)).slice(0, 1));
  const rows = shown.map((key) => {
    const gauge = byKey.get(key)!;
    const show = GAUGES[key].unit === 'watts' ? formatWatts : formatRatio;
    const optional = (value: number | undefined): string => (value === undefined ? '–' : show(value));
    const top = GAUGES[key].unit === 'watts' ? gauge.max : 1;
    return [
      GAUGES[key].label,
      show(gauge.mean),
      optional(gauge.p50),
      optional(gauge.p95),
      show(gauge.max),
      '',
      sparkline(gauge.series, top),
    ];
  });
  return tableText(
    [['', 'mean', 'p50', 'p95', 'max', '', ''], ...rows],
    ['left', 'right', 'right', 'right', 'right', 'left', 'left'],
  );
}

function factLines(figures: JobFigures): string[] {
  const byKey = new Map(figures.gauges.map((gauge) => [gauge.key, gauge]));
  const lines: string[] = [];
  const energy = energyText(figures.energy);
  if (energy !== undefined) lines.push(`  energy ${energy}`);
  const peak = peakOf(figures.devices);
  if (peak !== undefined) {
    const of = peak.memoryBytes === undefined ? '' : ` of ${formatMemory(peak.memoryBytes)}`;
    lines.push(`  memory peak ${formatMemory(peak.gauges.memoryUsed!.max)}${of} (${deviceName(peak)})`);
  }
  const links = [
    linkText('PCIe', byKey.get('pcieSent'), byKey.get('pcieReceived')),
    linkText('NVLink', byKey.get('nvlinkSent'), byKey.get('nvlinkReceived')),
  ].filter((text) => text !== undefined);
  if (links.length > 0) lines.push(`  ${links.join(' · ')} (mean of a GPU, both ways)`);
  return lines;
}

function energyText({ counterJoules, powerJoules, counterUs, powerUs }: Energy): string | undefined {
  if (counterJoules === undefined)
    return powerJoules === undefined
      ? undefined
      : `${formatEnergy(powerJoules)} (power integral; no energy counter)`;
  const part = counterUs < 0.99 * powerUs ? `, over ${formatCoverage(counterUs / powerUs)} of the time` : '';
  const check = powerJoules === undefined ? '' : `; power integral ${formatEnergy(powerJoules)}`;
  return `${formatEnergy(counterJoules)} (counter${part}${check})`;
}

function peakOf(devices: readonly JobDevice[]): JobDevice | undefined {
  const used = devices.filter((device) => device.gauges.memoryUsed !== undefined);
  return used.reduce<JobDevice | undefined>(
    (best, next) =>
      best === undefined || next.gauges.memoryUsed!.max > best.gauges.memoryUsed!.max ? next : best,
    undefined,
  );
}

function linkText(
  name: string,
  sent: JobGauge | undefined,
  received: JobGauge | undefined,
): string | undefined {
  if (sent === undefined && received === undefined) return undefined;
  const mean = (sent?.mean ?? 0) + (received?.mean ?? 0);
  return Number.isNaN(mean) ? undefined : `${name} ${formatRate(mean)}`;
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
  return notMeasured.flatMap(({ keys, reason }) => {
    const names = keys.filter((key) => !SILENT_WITHOUT.includes(key)).map((key) => GAUGES[key].label);
    return names.length === 0
      ? []
      : wrap(`not measured: ${names.join(', ')} (${reason})`, width, '  ', '    ');
  });
}

/** A mean over a part of the time must not pass for one over all of it. */
const KNOWN_RATIO_MIN = 0.99;

function partlyKnownLines({ gauges, sampledUs }: JobFigures, width: number): string[] {
  const partly = gauges.filter(
    ({ key, knownUs }) => PLOTTED.includes(key) && knownUs < KNOWN_RATIO_MIN * sampledUs,
  );
  const texts = partly.map(({ key, knownUs }) => `${GAUGES[key].label} ${formatRatio(knownUs / sampledUs)}`);
  return texts.length === 0
    ? []
    : wrap(`had values for a part of the time only: ${texts.join(', ')}`, width, '  ', '    ');
}
