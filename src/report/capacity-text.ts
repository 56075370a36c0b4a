import { HOUR_US } from '../core/base/hour.ts';
import {
  isOwned,
  type CapacityFigures,
  type CapacityRow,
  type CapacitySums,
} from '../figures/capacity/figures.ts';
import { inPiecesTexts, installedLines } from './capacity/installed-text.ts';
import { amountColumns, capacityCostNotes } from './costs-text.ts';
import {
  calendarDate,
  clockTime,
  formatCount,
  formatCoverage,
  energyTexts,
  formatGpuHours,
  formatGrouped,
  formatHours,
  formatMoment,
  formatQuantity,
  formatRatio,
  hourDecimals,
  NOT_KNOWN,
} from './text/format-quantity.ts';
import { cellText, finishLines, lineWidth, reportWidth, type RenderOptions } from './text/report-text.ts';
import { foldedTables, pack, stacked, wrap, type Side } from './text/table-text.ts';
import { idleText, invalidRollupTexts, WAYS_TO_SHARE } from './text/wording.ts';

/** The account of the fleet for people. */
export function renderCapacityReport(figures: CapacityFigures, options: RenderOptions): string {
  const width = reportWidth(options);
  const lines = pack(capacityTitle(figures), ' · ', width, '', '  ');
  const bold = new Set(options.isColored ? lines.slice(0, 1) : []);
  if (figures.samples === 0) {
    lines.push('  no data: nothing was sampled in this window. Was a collector running?');
    return finishLines(lines, options, bold);
  }
  const { titles, rows } = capacityTable(figures);
  const cells = rows.map((row) =>
    row.map((cell, at) => (at <= figures.also.length ? cellText(cell, options, 32) : cell)),
  );
  const names = 1 + figures.also.length + (figures.every === undefined ? 0 : 1);
  const sides = Array.from({ length: names }, (): Side => 'left');
  lines.push(...stacked(foldedTables([titles, ...cells], sides, sides.length, lineWidth(options))));
  lines.push(...installedLines(figures.installed, lineWidth(options)));
  lines.push(...capacityNotes(figures).flatMap((note) => wrap(note, width, '  ', '  ')));
  return finishLines(lines, options, bold);
}

/** A row for each of the figures, and one of all, as cells: the name first. */
export function capacityTable(figures: CapacityFigures): {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
} {
  const { also, every } = figures;
  const shown: Shown[] = [...figures.rows, { ...figures.all, unownedUs: undefined, also: [], kind: 'all' }];
  const columns = columnsOf(figures, shown);
  const names = namesOf(shown);
  return {
    titles: ['', ...also, ...(every === undefined ? [] : [every]), ...columns.map(({ title }) => title)],
    rows: shown.map((row, index) => [
      names.get(row)!,
      ...also.map((_, at) => (row.kind === 'group' ? (row.also[at] ?? NOT_TOLD) : '')),
      ...(every === undefined ? [] : [row.period ?? '']),
      ...columns.map(({ cells }) => cells[index]!),
    ]),
  };
}

/** What people call the rows. */
export function capacityNames({ rows }: CapacityFigures): ReadonlyMap<CapacityRow, string> {
  return namesOf(rows);
}

/** What was asked about, how much of it there is, and how much was seen. */
export function capacityTitle(figures: CapacityFigures): string[] {
  const { cluster, where, nodes, knownUs, sampledUs, isSynthetic } = figures;
  const seen =
    sampledUs === 0
      ? 'nothing seen'
      : knownUs === undefined
        ? `${formatGpuHours(sampledUs)} seen`
        : `seen ${formatCoverage(sampledUs / knownUs)}`;
  return [
    cluster === undefined ? 'Capacity' : `Capacity of cluster ${cluster}`,
    ...where.map(({ by, names }) => `only ${by} ${names.join(' or ')}`),
    windowText(figures),
    // Of some jobs nobody is told on how many of the GPUs they were.
    ...(knownUs === undefined
      ? []
      : [`${formatCount(nodes, 'node')}, ${devicesText(figures)}, ${formatGpuHours(knownUs)}`]),
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
export function windowText({ fromUs, toUs }: Pick<CapacityFigures, 'fromUs' | 'toUs'>): string {
  const isWholeDays = clockTime(fromUs) === '00:00:00' && clockTime(toUs) === '00:00:00';
  if (isWholeDays) return `${calendarDate(fromUs)} to ${calendarDate(toUs)} UTC`;
  const end = calendarDate(fromUs) === calendarDate(toUs) ? '' : `${calendarDate(toUs)} `;
  return `${calendarDate(fromUs)} ${clockTime(fromUs).slice(0, 5)} → ${end}${clockTime(toUs).slice(0, 5)} UTC`;
}

type Shown = CapacitySums & {
  readonly kind: CapacityRow['kind'] | 'all';
  readonly name?: string | undefined;
  readonly also: readonly (string | undefined)[];
  readonly cluster?: string | undefined;
  readonly period?: string | undefined;
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
  const hours = (us: number): string => formatHours(us, decimals);
  const column = (title: string, show: (row: Shown) => string): Column => ({ title, cells: rows.map(show) });
  return [
    column('GPU-hours', (row) => hours(row.attributedUs)),
    ...(rows.some(({ unownedUs }) => unownedUs !== undefined)
      ? [column('unowned', (row) => unownedText(row, hours))]
      : []),
    column('share', (row) => partText(row.attributedUs, figures.sampledUs)),
    ...(figures.hasActivity ? activityColumns(column, hours) : []),
    { title: 'energy', cells: energyTexts(rows.map(({ energy }) => energy)) },
    ...amountColumns(figures.costBasis, rows),
    column('jobs', ({ kind, jobs }) =>
      kind === 'group' || kind === 'others' || kind === 'all' ? formatGrouped(jobs, 0) : NOT_KNOWN,
    ),
  ];
}

/** Of a node or model: what nobody owned, and which part of all its time that is. */
function unownedText({ unownedUs, attributedUs }: Shown, hours: (us: number) => string): string {
  if (unownedUs === undefined) return NOT_KNOWN;
  return `${hours(unownedUs)} (${partText(unownedUs, unownedUs + attributedUs)})`;
}

/** Samples that speak for no time are no part of anything. */
function partText(us: number, ofUs: number): string {
  return ofUs === 0 ? NOT_KNOWN : formatRatio(us / ofUs);
}

/** Idleness of owned time, in hours and as a part of the time in which activity was known; activity pooled over the devices' time. */
function activityColumns(
  column: (title: string, show: (row: Shown) => string) => Column,
  hours: (us: number) => string,
): readonly Column[] {
  const ofOwned = (show: (row: Shown) => string) => (row: Shown) =>
    row.kind === 'all' || isOwned(row.kind) ? show(row) : NOT_KNOWN;
  return [
    column(
      'allocated-idle',
      ofOwned(({ idle }) =>
        idle === undefined ? NOT_KNOWN : `${hours(idle.value)} (${formatRatio(idle.value / idle.knownUs)})`,
      ),
    ),
    column(
      'SM active',
      ofOwned(({ smActive }) => formatQuantity(smActive)),
    ),
    column(
      'wasted',
      ofOwned(({ wasted }) => (wasted === undefined ? NOT_KNOWN : hours(wasted.value))),
    ),
  ];
}

export const NOT_TOLD = '(not told)';

/** A node is named with its cluster only where two clusters have one of its name. */
function namesOf<Row extends Shown>(rows: readonly Row[]): ReadonlyMap<Row, string> {
  const clustersOf = new Map<string | undefined, Set<string | undefined>>();
  for (const { kind, name, cluster } of rows)
    if (kind === 'group') clustersOf.set(name, (clustersOf.get(name) ?? new Set()).add(cluster));
  return new Map(rows.map((row) => [row, nameOf(row, (clustersOf.get(row.name)?.size ?? 0) > 1)]));
}

function nameOf({ kind, name, cluster }: Shown, isAmbiguous: boolean): string {
  switch (kind) {
    case 'group': {
      const plain = name ?? NOT_TOLD;
      return isAmbiguous && cluster !== undefined ? `${cluster}/${plain}` : plain;
    }
    case 'unattributed':
      return 'free shares';
    case 'unallocated':
      return 'unallocated slices';
    case 'cut':
      return 'cut GPUs';
    case 'all':
    case 'others':
    case 'unresolved':
    case 'unowned':
      return kind;
  }
}

/** What is known of less of a row's time is told. */
const KNOWN_RATIO_MIN = 0.99;
const LISTED_MAX = 4;

/** Of which rows something is known of part of the time only. */
function partlyKnownTexts({ rows, hasActivity }: CapacityFigures): string[] {
  const timed = rows.filter(({ attributedUs }) => attributedUs > 0);
  const names = namesOf(rows);
  const partly = (what: string, knownUsOf: (row: CapacityRow) => number | undefined): string[] => {
    const texts = timed.flatMap((row) => {
      const knownUs = knownUsOf(row);
      if (knownUs === undefined || knownUs >= KNOWN_RATIO_MIN * row.attributedUs) return [];
      const when = row.period === undefined ? '' : ` ${row.period}`;
      const further = row.also.map((name) => ` ${name ?? NOT_TOLD}`).join('');
      return [`${names.get(row)!}${further}${when} ${formatRatio(knownUs / row.attributedUs)}`];
    });
    if (texts.length === 0) return [];
    const more = texts.length > LISTED_MAX ? `, and of ${texts.length - LISTED_MAX} more` : '';
    return [`${what} is known of part of the time: ${texts.slice(0, LISTED_MAX).join(', ')}${more}.`];
  };
  return [
    ...(hasActivity
      ? partly('SM activity', ({ kind, smActive }) => (isOwned(kind) ? (smActive?.knownUs ?? 0) : undefined))
      : []),
    // Rollups of before there were several limits tell of the usual one alone.
    ...partly('Idleness by this limit', ({ kind, idle, smActive }) =>
      isOwned(kind) && smActive !== undefined && (idle?.knownUs ?? 0) < KNOWN_RATIO_MIN * smActive.knownUs
        ? (idle?.knownUs ?? 0)
        : undefined,
    ),
    ...partly('Energy', ({ energy }) => energy.best?.knownUs ?? 0),
  ];
}

/** Devices that went silent before the window's end. */
function lastSignTexts({ lastSigns }: CapacityFigures): string[] {
  if (lastSigns.length === 0) return [];
  const texts = lastSigns
    .slice(0, LISTED_MAX)
    .map(
      ({ gpu, node, lastUs }) =>
        `${node} ${gpu.length > 12 ? `…${gpu.slice(-8)}` : gpu} at ${formatMoment(lastUs)}`,
    );
  const more = lastSigns.length > LISTED_MAX ? `, and ${lastSigns.length - LISTED_MAX} more` : '';
  return [`Last seen before the window's end, and counted until then: ${texts.join(', ')}${more}.`];
}

/** What the GPUs drew for nobody, and which part of all that is. */
function unownedEnergyTexts({ rows, all }: CapacityFigures): string[] {
  const known = rows.flatMap(({ kind, energy }) => (kind === 'unowned' ? (energy.best ?? []) : []));
  if (known.length === 0 || all.energy.best === undefined) return [];
  const joules = known.reduce((sum, { value }) => sum + value, 0);
  const part =
    all.energy.best.value > 0 ? `, ${formatRatio(joules / all.energy.best.value)} of all energy` : '';
  return [
    `Energy of unowned is what the GPUs drew while no job owned them: ${formatQuantity({ value: joules, unit: 'joules', knownUs: 0 })}${part}.`,
  ];
}

/** What the scheduler counted, where that is not what was owned. */
function billingTexts({ billing }: CapacityFigures): string[] {
  if (billing === undefined)
    return [
      'Owned time was not compared with what the scheduler counted: the window is longer than 100 days.',
    ];
  const { compared, unbilled, unrecorded, differences, isCut } = billing;
  const untold = [
    ...(unbilled > 0 ? [`of ${formatCount(unbilled, 'job id')} nobody told what it counted`] : []),
    ...(unrecorded > 0
      ? [`of ${formatCount(unrecorded, 'job id')} that it gave GPUs none was recorded here`]
      : []),
  ].join(', ');
  const notCompared = untold === '' ? '' : `; ${untold}`;
  // Nobody told of any: there is nothing to compare with.
  if (compared + unrecorded === 0) return [];
  if (compared === 0) return [`Owned time and the scheduler's GPUs × time: ${untold}.`];
  if (differences.length === 0)
    return [
      `Owned time of ${formatCount(compared, 'job id')} is the scheduler's GPUs × time, within a minute a GPU${notCompared}.`,
    ];
  const listed = differences
    .slice(0, LISTED_MAX)
    .map(
      ({ jobId, ownedUs, billedUs }) =>
        `job ${jobId} ${bareGpuHours(ownedUs)} of ${formatGpuHours(billedUs)}`,
    );
  const more =
    differences.length > LISTED_MAX
      ? `, and ${isCut ? 'more than ' : ''}${differences.length - LISTED_MAX} more`
      : '';
  return [
    `Of ${formatCount(compared, 'job id')} owned time is not the scheduler's GPUs × time in ${formatCount(differences.length, 'run')}: ${listed.join(', ')}${more}${notCompared}.`,
  ];
}

function bareGpuHours(us: number): string {
  return formatGpuHours(us).replace(/\s*GPU-hours$/, '');
}

/** `0.5 GPU-hours by stated shares`, … */
function sharingTexts({ sharedUs }: CapacityFigures): string[] {
  return (['stated', 'measured', 'equal'] as const)
    .filter((way) => sharedUs[way] > 0)
    .map((way) => `${formatGpuHours(sharedUs[way])} ${WAYS_TO_SHARE[way]}`);
}

/** Of which names of groups nobody told. */
function notToldTexts({ by, also, rows }: CapacityFigures): string[] {
  const groups = rows.filter(({ kind }) => kind === 'group');
  const untold = [by, ...also].filter((_, at) =>
    groups.some((row) => (at === 0 ? row.name : row.also[at - 1]) === undefined),
  );
  return untold.map(
    (name) =>
      `${NOT_TOLD}: nobody has told the ${name === 'qos' ? 'QOS' : name} of these ${name === 'model' || name === 'cluster' ? 'GPUs' : 'jobs'}.`,
  );
}

/** What the figures mean, and what of them is not known. */
export function capacityNotes(figures: CapacityFigures): string[] {
  const notes: string[] = [];
  const { askedFromUs, askedToUs, fromUs, toUs, roundedTo, isAged, rows, all } = figures;
  if (fromUs !== askedFromUs || toUs !== askedToUs)
    notes.push(
      `The window is rounded outward to whole ${roundedTo}s${isAged ? ', since shorter buckets of that time have aged out' : ''}.`,
    );
  if (figures.timeZone !== undefined) notes.push(`Months are those of ${figures.timeZone}.`);
  if (figures.knownUs !== undefined && figures.sampledUs < figures.knownUs)
    notes.push('seen: the sampled part of the time from the first to the last sign of life of each GPU.');
  notes.push(...notToldTexts(figures));
  if (figures.reusedIdsLeft > 0)
    notes.push(
      `${formatCount(figures.reusedIdsLeft, 'more id')} had several jobs in this window: their time is with one of them each.`,
    );
  if (figures.closeIdsLeft > 0)
    notes.push(
      `${formatCount(figures.closeIdsLeft, 'id')} had a job soon after another: the day, hour or minute in which the later one began is with that one.`,
    );
  if (rows.some(({ kind }) => kind === 'unresolved'))
    notes.push('unresolved: a job owned the GPU, but not beyond doubt which.');
  if (rows.some(({ kind }) => kind === 'unattributed'))
    notes.push('free shares: what is left of GPUs whose jobs own only parts of them.');
  notes.push(...inPiecesTexts(figures.installed), ...unownedEnergyTexts(figures));
  if (rows.some(({ idle }) => idle !== undefined))
    notes.push(
      `allocated-idle: ${idleText(figures.idleLimits)}. wasted: owned GPU-hours less SM activity. In all, allocated-idle and wasted are of owned time only.`,
    );
  notes.push(...partlyKnownTexts(figures), ...capacityCostNotes(figures));
  if (rows.some(({ kind }) => kind === 'cut'))
    notes.push(
      'cut GPUs: cut into MIG instances of which the slices are not known, so not divided among them.',
    );
  if (rows.some(({ kind }) => kind === 'unallocated'))
    notes.push('unallocated slices: what MIG instances leave of their GPUs.');
  if (all.instanceUs > 0)
    notes.push(
      `MIG instances count by their slices: ${formatGpuHours(all.instanceUs).replace('GPU', 'instance')} of them.`,
    );
  if (all.energy.divided !== undefined)
    notes.push(
      '÷: in part the energy of GPUs that are cut into MIG instances, divided by slices and activity.',
    );
  if (figures.unknownSlicesUs > 0)
    notes.push(
      `${formatGpuHours(figures.unknownSlicesUs).replace('GPU', 'instance')} of MIG instances are in no group: it is not known how many slices they have.`,
    );
  const ways = sharingTexts(figures);
  if (ways.length > 0) notes.push(`Shared GPUs are divided: ${ways.join(', ')}.`);
  if (figures.areSharesScaled)
    notes.push('The stated shares of some GPUs add up to more than the GPU: made smaller in proportion.');
  if (figures.undividedUs > 0)
    notes.push(
      `Of ${formatGpuHours(figures.undividedUs)} in free shares several jobs owned the GPU, and nobody recorded which parts: rollups of before owner sets.`,
    );
  if (figures.isNarrowed !== true) notes.push(...billingTexts(figures), ...lastSignTexts(figures));
  if (rows.some(({ kind }) => kind === 'others'))
    notes.push(
      figures.isNarrowed === true
        ? 'others: all whose names you may not see.'
        : `others: all but the ${figures.top ?? 0} with most GPU time.`,
    );
  notes.push(...invalidRollupTexts(figures.invalidRollups));
  if (!figures.hasActivity)
    notes.push('SM activity is in no lane of the configuration: no idle time, no mean.');
  if (all.energy.counter === undefined && all.energy.power !== undefined)
    notes.push('Energy is the integral of power: no energy counter was sampled.');
  return notes;
}
