import { deviceNumber } from './device-name.ts';
import { eventsText } from './event-text.ts';
import { energyTexts, formatCoverage, formatQuantity, NOT_KNOWN } from './format-quantity.ts';
import type { GaugeKey } from '../../figures/gauges.ts';
import type { JobDevice, JobFigures } from '../../figures/job/figures.ts';
import { tableText, type Side } from './table-text.ts';

/** More devices than this are cut to the first and the most telling ones. */
const DEVICE_ROWS_MAX = 8;
/** Below this, how much was seen of each device is worth a column. */
const SEEN_RATIO_MIN = 0.99;

interface Column {
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
export function deviceLines({ devices }: JobFigures, isWhole: boolean): string[] {
  const shown = isWhole ? new Set(devices.keys()) : tellingDevices(devices);
  // A column in which nobody has anything to say is left out.
  const columns = columnsOf(devices).filter(({ cells }) =>
    cells.some((cell) => cell !== NOT_KNOWN && cell !== ''),
  );
  const rows = [...devices.keys()].filter((index) => shown.has(index));
  const lines = tableText(
    [columns.map(({ title }) => title), ...rows.map((index) => columns.map(({ cells }) => cells[index]!))],
    columns.map(({ side }) => side),
  );
  const left = devices.length - shown.size;
  return left === 0 ? lines : [...lines, `  … and ${left} more GPUs like these (--all)`];
}

function columnsOf(devices: readonly JobDevice[]): readonly Column[] {
  const column = (title: string, side: Side, show: (device: JobDevice) => string): Column => ({
    title,
    side,
    cells: devices.map(show),
  });
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
