import { deviceNumber } from './device-name.ts';
import { eventsText } from './event-text.ts';
import { formatCoverage, formatEnergies, formatMemory, formatRatio, formatWatts } from './format-quantity.ts';
import type { GaugeKey } from './gauges.ts';
import type { JobDevice, JobFigures } from './job-figures.ts';
import { clip, tableText } from './table-text.ts';

/** More devices than this are cut to the first and the most telling ones. */
const DEVICE_ROWS_MAX = 8;

const DEVICE_COLUMNS: readonly { key: GaugeKey; title: string; show: (device: JobDevice) => string }[] = [
  { key: 'smActive', title: 'SM', show: meanText('smActive', formatRatio) },
  { key: 'tensorActive', title: 'tensor', show: meanText('tensorActive', formatRatio) },
  { key: 'dramActive', title: 'DRAM', show: meanText('dramActive', formatRatio) },
  { key: 'power', title: 'power', show: meanText('power', formatWatts) },
];

function meanText(key: GaugeKey, show: (value: number) => string): (device: JobDevice) => string {
  return ({ gauges }) => {
    const mean = gauges[key]?.mean ?? NaN;
    return Number.isNaN(mean) ? '–' : show(mean);
  };
}

/** The table of the job's devices: all of them, or the first and the most telling ones. */
export function deviceLines(figures: JobFigures, width: number, isWhole: boolean): string[] {
  const { devices } = figures;
  const keys = new Set(figures.gauges.map((gauge) => gauge.key));
  const columns = DEVICE_COLUMNS.filter(({ key }) => keys.has(key));
  if (!keys.has('smActive') && keys.has('gpuUtil'))
    columns.unshift({ key: 'gpuUtil', title: 'busy', show: meanText('gpuUtil', formatRatio) });
  const shown = isWhole ? new Set(devices.keys()) : tellingDevices(devices);
  const isPartial = devices.some((device) => device.sampledUs < 0.99 * device.ownedUs);
  const energies = formatEnergies(devices.map(({ energy }) => energy.counterJoules ?? energy.powerJoules));
  const header = [
    'node',
    'gpu',
    ...(isPartial ? ['seen'] : []),
    ...columns.map(({ title }) => title),
    'energy',
    'mem peak',
    'events',
  ];
  const cells = devices.map((device, index) => [
    device.node,
    deviceNumber(device),
    ...(isPartial
      ? [device.samples === 0 ? 'no data' : formatCoverage(device.sampledUs / device.ownedUs)]
      : []),
    ...columns.map(({ show }) => show(device)),
    energies[index]!,
    device.gauges.memoryUsed === undefined ? '–' : formatMemory(device.gauges.memoryUsed.max),
    eventsText(device.events),
  ]);
  const rows = tableText(
    [header, ...cells.filter((_, index) => shown.has(index))],
    ['left', 'left', ...Array<'right'>(header.length - 3).fill('right'), 'left'],
  ).map((line) => clip(line, width));
  const left = devices.length - shown.size;
  return left === 0 ? rows : [...rows, `  … and ${left} more GPUs like these (--all)`];
}

/** First and last of each node are boring; the ones with events or the lowest activity are not. */
function tellingDevices(devices: readonly JobDevice[]): Set<number> {
  if (devices.length <= DEVICE_ROWS_MAX) return new Set(devices.keys());
  const shown = new Set([0, 1]);
  const bySm = [...devices.keys()].sort(
    (a, b) => (devices[a]!.gauges.smActive?.mean ?? -1) - (devices[b]!.gauges.smActive?.mean ?? -1),
  );
  const eventful = [...devices.keys()].filter((index) => devices[index]!.events.length > 0);
  for (const index of [...eventful, ...bySm]) {
    if (shown.size >= DEVICE_ROWS_MAX - 2) break;
    shown.add(index);
  }
  return shown;
}
