import {
  isOwned,
  type CapacityFigures,
  type CapacityRow,
  type CapacitySums,
} from '../figures/capacity/figures.ts';
import {
  calendarDate,
  clockTime,
  formatCount,
  formatCoverage,
  formatEnergies,
  formatGpuHours,
  formatGrouped,
  formatQuantity,
  formatRatio,
  hourDecimals,
  NOT_KNOWN,
} from './text/format-quantity.ts';
import { cellText, finishLines, reportWidth, type RenderOptions } from './text/report-text.ts';
import { pack, tableText, wrap } from './text/table-text.ts';
import { rollupText, WAYS_TO_SHARE } from './text/wording.ts';

const HOUR_US = 3.6e9;

/** The account of the fleet for people. */
export function renderCapacityReport(figures: CapacityFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const lines = pack(titleOf(figures), ' · ', width, '', '  ');
  const bold = new Set(options.isColored ? lines.slice(0, 1) : []);
  if (figures.samples === 0) {
    lines.push('  no data: nothing was sampled in this window. Was a collector running?');
    return finishLines(lines, options, bold);
  }
  const all = { ...figures.all, idle: figures.allocatedIdle, unownedUs: undefined, kind: 'all' } as const;
  const shown: Shown[] = [...figures.rows, all];
  const columns = columnsOf(figures, shown);
  const header = ['', ...columns.map(({ title }) => title)];
  const rows = shown.map((row, index) => [
    cellText(nameOf(row, shown), options, 32),
    ...columns.map(({ cells }) => cells[index]!),
  ]);
  lines.push(...tableText([header, ...rows], ['left']), ...noteLines(figures, width));
  return finishLines(lines, options, bold);
}

function titleOf(figures: CapacityFigures): string[] {
  const { cluster, nodes, knownUs, sampledUs, isSynthetic } = figures;
  const seen = sampledUs === 0 ? 'nothing seen' : `seen ${formatCoverage(sampledUs / knownUs)}`;
  return [
    cluster === undefined ? 'Capacity' : `Capacity of cluster ${cluster}`,
    windowText(figures),
    `${formatCount(nodes, 'node')}, ${devicesText(figures)}, ${formatGpuHours(knownUs)}`,
    seen,
    ...(isSynthetic ? ['synthetic'] : []),
  ];
}

function devicesText({ devices, migInstances }: CapacityFigures): string {
  const whole = devices - migInstances;
  return [
    ...(whole > 0 || migInstances === 0 ? [formatCount(whole, 'GPU')] : []),
    ...(migInstances > 0 ? [formatCount(migInstances, 'MIG instance')] : []),
  ].join(' and ');
}

/** Days where the window has whole ones, times where not. */
function windowText({ fromUs, toUs }: CapacityFigures): string {
  const isWholeDays = clockTime(fromUs) === '00:00:00' && clockTime(toUs) === '00:00:00';
  if (isWholeDays) return `${calendarDate(fromUs)} to ${calendarDate(toUs)} UTC`;
  const end = calendarDate(fromUs) === calendarDate(toUs) ? '' : `${calendarDate(toUs)} `;
  return `${calendarDate(fromUs)} ${clockTime(fromUs).slice(0, 5)} → ${end}${clockTime(toUs).slice(0, 5)} UTC`;
}

type Shown = CapacitySums & {
  readonly kind: CapacityRow['kind'] | 'all';
  readonly name?: string | undefined;
  readonly cluster?: string | undefined;
  readonly unownedUs: number | undefined;
  readonly jobs: number;
};

interface Column {
  readonly title: string;
  /** One per row. */
  readonly cells: readonly string[];
}

function columnsOf(figures: CapacityFigures, rows: readonly Shown[]): readonly Column[] {
  const decimals = hourDecimals(figures.sampledUs / HOUR_US);
  const hours = (us: number): string => formatGrouped(us / HOUR_US, decimals);
  const column = (title: string, show: (row: Shown) => string): Column => ({ title, cells: rows.map(show) });
  return [
    column('GPU-hours', (row) => hours(row.attributedUs)),
    ...(rows.some(({ unownedUs }) => unownedUs !== undefined)
      ? [column('unowned', (row) => unownedText(row, hours))]
      : []),
    column('share', (row) => formatRatio(row.attributedUs / figures.sampledUs)),
    ...(figures.hasActivity ? activityColumns(column, hours) : []),
    { title: 'energy', cells: formatEnergies(rows.map(({ energy }) => energy.best)) },
    column('jobs', ({ kind, jobs }) =>
      kind === 'group' || kind === 'all' ? formatGrouped(jobs, 0) : NOT_KNOWN,
    ),
  ];
}

/** Of a node or model: what nobody owned, and which part of all its time that is. */
function unownedText({ unownedUs, attributedUs }: Shown, hours: (us: number) => string): string {
  if (unownedUs === undefined) return NOT_KNOWN;
  return `${hours(unownedUs)} (${formatRatio(unownedUs / (unownedUs + attributedUs))})`;
}

/** Idleness of allocated time, in hours and as a part of it; activity pooled over the devices' time. */
function activityColumns(
  column: (title: string, show: (row: Shown) => string) => Column,
  hours: (us: number) => string,
): readonly Column[] {
  return [
    column('allocated-idle', ({ kind, idle, attributedUs }) => {
      if (idle === undefined || !(kind === 'all' || isOwned(kind))) return NOT_KNOWN;
      if (kind === 'all') return hours(idle.value);
      const part = attributedUs > 0 ? formatRatio(idle.value / attributedUs) : NOT_KNOWN;
      return `${hours(idle.value)} (${part})`;
    }),
    column('SM active', ({ kind, smActive }) =>
      kind === 'all' || isOwned(kind) ? formatQuantity(smActive) : NOT_KNOWN,
    ),
  ];
}

/** A node is named with its cluster only where two clusters have one of its name. */
function nameOf({ kind, name, cluster }: Shown, all: readonly Shown[]): string {
  const isAmbiguous = all.filter((row) => row.kind === kind && row.name === name).length > 1;
  switch (kind) {
    case 'group': {
      const plain = name ?? '(not told)';
      return isAmbiguous && cluster !== undefined ? `${cluster}/${plain}` : plain;
    }
    case 'unattributed':
      return 'free shares';
    case 'cut':
      return 'cut GPUs';
    case 'all':
    case 'unresolved':
    case 'unowned':
      return kind;
  }
}

/** `0.5 GPU-hours by stated shares`, … */
function sharingTexts({ sharedUs }: CapacityFigures): string[] {
  return (['stated', 'measured', 'equal'] as const)
    .filter((way) => sharedUs[way] > 0)
    .map((way) => `${formatGpuHours(sharedUs[way])} ${WAYS_TO_SHARE[way]}`);
}

function noteLines(figures: CapacityFigures, width: number): string[] {
  const notes: string[] = [];
  const { askedFromUs, askedToUs, fromUs, toUs, roundedTo, isAged, rows, all } = figures;
  if (fromUs !== askedFromUs || toUs !== askedToUs)
    notes.push(
      `The window is rounded outward to whole ${roundedTo}s${isAged ? ', since shorter buckets of that time have aged out' : ''}.`,
    );
  if (rows.some(({ kind, name }) => kind === 'group' && name === undefined))
    notes.push(
      `(not told): nobody has told the ${figures.by} of these ${figures.by === 'model' || figures.by === 'cluster' ? 'GPUs' : 'jobs'}.`,
    );
  if (figures.reusedIdsLeft > 0)
    notes.push(
      `${formatCount(figures.reusedIdsLeft, 'more id')} had several jobs in this window: their time is with one of them each.`,
    );
  if (rows.some(({ kind }) => kind === 'unresolved'))
    notes.push('unresolved: a job owned the GPU, but not beyond doubt which.');
  if (rows.some(({ kind }) => kind === 'unattributed'))
    notes.push('free shares: what is left of GPUs whose jobs own only parts of them.');
  if (rows.some(({ kind }) => kind === 'cut'))
    notes.push('cut GPUs: those of the MIG instances, whose energy is known of the whole GPU only.');
  const ways = sharingTexts(figures);
  if (ways.length > 0) notes.push(`Shared GPUs are divided: ${ways.join(', ')}.`);
  if (figures.areSharesScaled)
    notes.push('The stated shares of some GPUs add up to more than the GPU: made smaller in proportion.');
  if (figures.sharesKnownFromUs !== undefined) {
    const from = `${calendarDate(figures.sharesKnownFromUs)} ${clockTime(figures.sharesKnownFromUs)} UTC`;
    notes.push(
      `Shared GPUs are divided from ${from} on; the samples before have aged out and are in free shares.`,
    );
  }
  for (const rollup of figures.invalidRollups)
    notes.push(
      `The server has stopped updating ${rollupText(rollup)}: later changes are missing. Mend it: gpuledger schema apply`,
    );
  if (!figures.hasActivity)
    notes.push('SM activity is in no lane of the configuration: no idle time, no mean.');
  if (all.energy.counter === undefined && all.energy.power !== undefined)
    notes.push('Energy is the integral of power: no energy counter was sampled.');
  return notes.flatMap((note) => wrap(note, width, '  ', '  '));
}
