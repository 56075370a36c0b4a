import { styleText } from 'node:util';
import type { CapacityFigures, CapacityRow, CapacitySums } from './capacity-figures.ts';
import {
  calendarDate,
  clockTime,
  formatCoverage,
  formatEnergy,
  formatGpuHours,
  formatGrouped,
  formatRatio,
} from './format-quantity.ts';
import type { RenderOptions } from './job-report.ts';
import { clip, harmless, tableText, wrap } from './table-text.ts';

/** The account of the fleet for people. */
export function renderCapacityReport(figures: CapacityFigures, options: RenderOptions): string {
  const width = Math.max(60, Math.min(options.width, 100));
  const title = titleOf(figures);
  const lines = wrap(title, width, '', '  ');
  if (options.isColored) lines[0] = styleText('bold', lines[0]!, { validateStream: false });
  if (figures.samples === 0) {
    lines.push('  no data: nothing was sampled in this window. Was a collector running?');
    return `${lines.join('\n')}\n`;
  }
  const columns = columnsOf(figures);
  const header = ['', ...columns.map(({ title: name }) => name)];
  const rows = figures.rows.map((row) => [nameOf(row), ...columns.map(({ show }) => show(row))]);
  const all = ['all', ...columns.map(({ show }) => show({ ...figures.all, kind: 'all' }))];
  lines.push(
    ...tableText([header, ...rows, all], ['left']).map((line) => clip(line, width)),
    ...noteLines(figures, width),
  );
  return `${lines.join('\n')}\n`;
}

function titleOf(figures: CapacityFigures): string {
  const { nodes, devices, knownUs, sampledUs, isSynthetic } = figures;
  const seen = sampledUs === 0 ? 'nothing seen' : `seen ${formatCoverage(sampledUs / knownUs)}`;
  const parts = [
    'Capacity',
    windowText(figures),
    `${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${devices} ${devices === 1 ? 'GPU' : 'GPUs'}, ${formatGpuHours(knownUs)}`,
    seen,
    ...(isSynthetic ? ['synthetic'] : []),
  ];
  return parts.join(' · ');
}

/** Days where the window has whole ones, times where not. */
function windowText({ fromUs, toUs }: CapacityFigures): string {
  const isWholeDays = clockTime(fromUs) === '00:00:00' && clockTime(toUs) === '00:00:00';
  if (isWholeDays) return `${calendarDate(fromUs)} to ${calendarDate(toUs)} UTC`;
  const end = calendarDate(fromUs) === calendarDate(toUs) ? '' : `${calendarDate(toUs)} `;
  return `${calendarDate(fromUs)} ${clockTime(fromUs).slice(0, 5)} → ${end}${clockTime(toUs).slice(0, 5)} UTC`;
}

type Shown = CapacitySums & { readonly jobs: number; readonly kind: CapacityRow['kind'] | 'all' };

interface Column {
  readonly title: string;
  readonly show: (row: Shown) => string;
}

function columnsOf(figures: CapacityFigures): readonly Column[] {
  const isOwned = ({ kind }: Shown): boolean => kind === 'group' || kind === 'unresolved';
  const activity: Column[] = [
    {
      title: 'allocated-idle',
      show: (row) =>
        isOwned(row) && row.idleUs !== undefined
          ? `${formatGrouped(row.idleUs / 3.6e9, 1)} (${formatRatio(row.idleUs / row.attributedUs)})`
          : '–',
    },
    {
      title: 'SM active',
      show: (row) =>
        (isOwned(row) || row.kind === 'all') && row.smActiveMean !== undefined
          ? formatRatio(row.smActiveMean)
          : '–',
    },
  ];
  return [
    { title: 'GPU-hours', show: (row) => formatGrouped(row.attributedUs / 3.6e9, 1) },
    { title: 'share', show: (row) => formatRatio(row.attributedUs / figures.sampledUs) },
    ...(figures.hasActivity ? activity : []),
    { title: 'energy', show: (row) => energyOf(row) },
    {
      title: 'jobs',
      show: (row) => (row.kind === 'group' || row.kind === 'all' ? formatGrouped(row.jobs, 0) : '–'),
    },
  ];
}

function energyOf({ counterJoules, powerJoules }: CapacitySums): string {
  const joules = counterJoules ?? powerJoules;
  return joules === undefined ? '–' : formatEnergy(joules);
}

function nameOf({ kind, name }: CapacityRow): string {
  switch (kind) {
    case 'group':
      return clip(harmless(name ?? '(not told)'), 32);
    case 'unattributed':
      return 'free shares';
    case 'unresolved':
    case 'unowned':
      return kind;
  }
}

function noteLines(figures: CapacityFigures, width: number): string[] {
  const notes: string[] = [];
  const { askedFromUs, askedToUs, fromUs, toUs, roundedTo, rows, all } = figures;
  if (fromUs !== askedFromUs || toUs !== askedToUs)
    notes.push(`The window is rounded outward to whole ${roundedTo}s.`);
  if (rows.some(({ kind, name }) => kind === 'group' && name === undefined))
    notes.push(`(not told): nobody has told the ${figures.by} of these jobs.`);
  if (rows.some(({ kind }) => kind === 'unresolved'))
    notes.push('unresolved: a job owned the GPU, but not beyond doubt which.');
  if (rows.some(({ kind }) => kind === 'unattributed'))
    notes.push('free shares: what is left of GPUs whose jobs own only parts of them.');
  if (!figures.hasActivity)
    notes.push('SM activity is in no lane of the configuration: no idle time, no mean.');
  if (all.counterJoules === undefined && all.powerJoules !== undefined)
    notes.push('Energy is the integral of power: no energy counter was sampled.');
  return notes.flatMap((note) => wrap(note, width, '  ', '  '));
}
