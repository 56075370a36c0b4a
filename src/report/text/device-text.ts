import { HOUR_US } from '../../core/base/hour.ts';
import { deviceNumber } from './device-name.ts';
import { eventsText } from './event-text.ts';
import {
  energyTexts,
  formatCoverage,
  formatHours,
  formatQuantity,
  hourDecimals,
  NOT_KNOWN,
} from './format-quantity.ts';
import type { GaugeKey } from '../../figures/gauges.ts';
import type { JobDevice, JobFigures } from '../../figures/job/figures.ts';
import { foldedTables, stacked, type Side } from './table-text.ts';

/** More devices than this are cut to the first and the most telling ones. */
const DEVICE_ROWS_MAX = 8;
/** Below this, how much was seen of each device is worth a column. */
const SEEN_RATIO_MIN = 0.99;

export interface Column {
  readonly title: string;
  readonly side: Side;
  /** One per device. */
  readonly cells: readonly string[];
}

const MEANS: readonly (readonly [GaugeKey, string])[] = [
  ['smActive', 'SM'],
  ['tensorActive', 'tensor'],
  ['dramActive', 'DRAM'],
  ['power', 'power'],
];

/** The table of the job's devices: all of them, or the first and the most telling ones. */
export function deviceLines({ devices }: JobFigures, isWhole: boolean, width: number): string[] {
  const rows = shownDevices(devices, isWhole);
  const left = devices.length - rows.length;
  return [
    ...tableLines(columnsOf(devices), rows, width),
    ...(left === 0 ? [] : [`  … and ${left} more GPUs like these (--all)`]),
  ];
}

/** What is told of each of the job's devices: its place first. A column in which nobody has anything to say is left out. */
export function deviceColumns({ devices }: Pick<JobFigures, 'devices'>): readonly Column[] {
  return tellingOf(columnsOf(devices));
}

/** The tables of their use and the spread of their levels, of the same devices. */
export function spreadLines({ devices }: JobFigures, isWhole: boolean, width: number): string[] {
  const rows = shownDevices(devices, isWhole);
  return spreadColumns(devices).flatMap((columns) => ['', ...tableLines(columns, rows, width)]);
}

/** Node and number. */
const KEY_COLUMNS = 2;

function tableLines(columns: readonly Column[], rows: readonly number[], width: number): string[] {
  const telling = tellingOf(columns);
  const cells = [
    telling.map(({ title }) => title),
    ...rows.map((index) => telling.map((column) => column.cells[index]!)),
  ];
  const sides = telling.map(({ side }) => side);
  return stacked(foldedTables(cells, sides, KEY_COLUMNS, width));
}

function tellingOf(columns: readonly Column[]): readonly Column[] {
  return columns.filter(({ cells }) => cells.some((cell) => cell !== NOT_KNOWN && cell !== ''));
}

function columnOf(
  devices: readonly JobDevice[],
  title: string,
  side: Side,
  show: (device: JobDevice) => string,
): Column {
  return { title, side, cells: devices.map(show) };
}

/**
 * What was made of each device's time, and how its levels are spread, in tables of their own that are not too wide. Of one device the
 * figures of all say it.
 */
function spreadColumns(devices: readonly JobDevice[]): readonly (readonly Column[])[] {
  if (devices.length < 2) return [];
  const names = [
    columnOf(devices, 'node', 'left', ({ node }) => node),
    columnOf(devices, 'gpu', 'left', deviceNumber),
  ];
  const largestUs = Math.max(...devices.map(({ used }) => used?.knownUs ?? 0));
  const hours = (us: number | undefined): string =>
    us === undefined ? NOT_KNOWN : `${formatHours(us, hourDecimals(largestUs / HOUR_US))} h`;
  const spread = ([key, title]: readonly [GaugeKey, string]): Column[] => [
    columnOf(devices, `${title} min`, 'right', ({ gauges }) => formatQuantity(gauges[key]?.min)),
    columnOf(devices, 'p50', 'right', ({ gauges }) => formatQuantity(gauges[key]?.p50)),
    columnOf(devices, 'p95', 'right', ({ gauges }) => formatQuantity(gauges[key]?.p95)),
  ];
  const [sm, tensor, dram, power] = MEANS.map(spread) as [Column[], Column[], Column[], Column[]];
  const use = [
    columnOf(devices, 'used', 'right', ({ used }) => hours(used?.value)),
    columnOf(devices, 'wasted', 'right', ({ used }) => hours(used && used.knownUs - used.value)),
  ];
  return [
    [...use, ...sm, ...power],
    [...tensor, ...dram],
  ]
    .filter((columns) => columns.some(({ cells }) => cells.some((cell) => cell !== NOT_KNOWN)))
    .map((columns) => [...names, ...columns]);
}

function columnsOf(devices: readonly JobDevice[]): readonly Column[] {
  const column = (title: string, side: Side, show: (device: JobDevice) => string): Column =>
    columnOf(devices, title, side, show);
  const mean = (key: GaugeKey, title: string): Column =>
    column(title, 'right', ({ gauges }) => formatQuantity(gauges[key]?.mean));
  const hasSm = devices.some(({ gauges }) => gauges.smActive !== undefined);
  const isPartial = devices.some((device) => device.sampledUs < SEEN_RATIO_MIN * device.ownedUs);
  return [
    column('node', 'left', ({ node }) => node),
    column('gpu', 'left', deviceNumber),
    ...(isPartial ? [column('seen', 'right', seenText)] : []),
    ...(hasSm ? [] : [mean('gpuUtil', 'busy')]),
    ...MEANS.map(([key, title]) => mean(key, title)),
    {
      title: 'energy',
      side: 'right',
      cells: energyTexts(devices.map(({ energy }) => energy)),
    },
    column('mem peak', 'right', ({ gauges }) => formatQuantity(gauges.memoryUsed?.max)),
    column('events', 'left', ({ events }) => eventsText(events)),
  ];
}

function seenText({ coverage }: JobDevice): string {
  return coverage === undefined ? 'no data' : formatCoverage(coverage.value);
}

/** Ascending. */
function shownDevices(devices: readonly JobDevice[], isWhole: boolean): readonly number[] {
  const shown = isWhole ? new Set(devices.keys()) : tellingDevices(devices);
  return [...devices.keys()].filter((index) => shown.has(index));
}

/** First and last of each node are boring; the ones with events or the lowest activity are not. */
function tellingDevices(devices: readonly JobDevice[]): Set<number> {
  if (devices.length <= DEVICE_ROWS_MAX) return new Set(devices.keys());
  const shown = new Set([0, 1]);
  const sm = (index: number): number => devices[index]!.gauges.smActive?.mean?.value ?? -1;
  const bySm = [...devices.keys()].sort((a, b) => sm(a) - sm(b));
  const eventful = [...devices.keys()].filter((index) => eventsText(devices[index]!.events) !== '');
  for (const index of [...eventful, ...bySm]) {
    if (shown.size >= DEVICE_ROWS_MAX - 2) break;
    shown.add(index);
  }
  return shown;
}
