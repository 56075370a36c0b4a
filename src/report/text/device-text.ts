import { deviceNumber } from './device-name.ts';
import { eventsText } from './event-text.ts';
import { formatCoverage, formatEnergies, formatMemory, formatRatio, formatWatts } from './format-quantity.ts';
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

const MEANS: readonly (readonly [GaugeKey, string, (value: number) => string])[] = [
  ['smActive', 'SM', formatRatio],
  ['tensorActive', 'tensor', formatRatio],
  ['dramActive', 'DRAM', formatRatio],
  ['power', 'power', formatWatts],
];

/** The table of the job's devices: all of them, or the first and the most telling ones. */
export function deviceLines({ devices }: JobFigures, isWhole: boolean): string[] {
  const shown = isWhole ? new Set(devices.keys()) : tellingDevices(devices);
  // A column in which nobody has anything to say is left out.
  const columns = columnsOf(devices).filter(({ cells }) =>
    cells.some((cell) => cell !== NOTHING && cell !== ''),
  );
  const rows = [...devices.keys()].filter((index) => shown.has(index));
  const lines = tableText(
    [columns.map(({ title }) => title), ...rows.map((index) => columns.map(({ cells }) => cells[index]!))],
    columns.map(({ side }) => side),
  );
  const left = devices.length - shown.size;
  return left === 0 ? lines : [...lines, `  … and ${left} more GPUs like these (--all)`];
}

const NOTHING = '–';

function columnsOf(devices: readonly JobDevice[]): readonly Column[] {
  const column = (title: string, side: Side, show: (device: JobDevice) => string): Column => ({
    title,
    side,
    cells: devices.map(show),
  });
  const mean = (key: GaugeKey, title: string, show: (value: number) => string): Column =>
    column(title, 'right', ({ gauges }) => {
      const value = gauges[key]?.mean ?? NaN;
      return Number.isNaN(value) ? NOTHING : show(value);
    });
  const hasSm = devices.some(({ gauges }) => gauges.smActive !== undefined);
  const isPartial = devices.some((device) => device.sampledUs < SEEN_RATIO_MIN * device.ownedUs);
  return [
    column('node', 'left', ({ node }) => node),
    column('gpu', 'left', deviceNumber),
    ...(isPartial ? [column('seen', 'right', seenText)] : []),
    ...(hasSm ? [] : [mean('gpuUtil', 'busy', formatRatio)]),
    ...MEANS.map(([key, title, show]) => mean(key, title, show)),
    {
      title: 'energy',
      side: 'right',
      cells: formatEnergies(devices.map(({ energy }) => energy.counterJoules ?? energy.powerJoules)),
    },
    column('mem peak', 'right', ({ gauges }) =>
      gauges.memoryUsed === undefined ? NOTHING : formatMemory(gauges.memoryUsed.max),
    ),
    column('events', 'left', ({ events }) => eventsText(events)),
  ];
}

function seenText(device: JobDevice): string {
  return device.samples === 0 ? 'no data' : formatCoverage(device.sampledUs / device.ownedUs);
}

/** First and last of each node are boring; the ones with events or the lowest activity are not. */
function tellingDevices(devices: readonly JobDevice[]): Set<number> {
  if (devices.length <= DEVICE_ROWS_MAX) return new Set(devices.keys());
  const shown = new Set([0, 1]);
  const bySm = [...devices.keys()].sort(
    (a, b) => (devices[a]!.gauges.smActive?.mean ?? -1) - (devices[b]!.gauges.smActive?.mean ?? -1),
  );
  const eventful = [...devices.keys()].filter((index) => eventsText(devices[index]!.events) !== '');
  for (const index of [...eventful, ...bySm]) {
    if (shown.size >= DEVICE_ROWS_MAX - 2) break;
    shown.add(index);
  }
  return shown;
}
