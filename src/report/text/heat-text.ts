import type { HeatRow } from '../../figures/job/timeline/figures.ts';
import type { JobFigures } from '../../figures/job/figures.ts';
import { deviceName } from './device-name.ts';
import { clockTime, formatSpan } from './format-quantity.ts';
import { sparkline } from './sparkline.ts';
import { clip, tableText } from './table-text.ts';

/** Narrower than this the rows would show less than the little plots above them. */
const WIDTH_MIN = 120;
/** More rows than a screen is high are for the page. */
const ROWS_MAX = 40;
const NAME_WIDTH_MAX = 24;

const HEAT_HEADING = '  SM activity over time';

/** Whether a terminal of this width shows how each device went. */
export function isWide(width: number): boolean {
  return width >= WIDTH_MIN && width < Infinity;
}

/** A row of blocks for each device, or each node where there are many; none on a narrow terminal, and in a pipe. */
export function heatLines(
  { timeline, devices, startUs, endUs }: Pick<JobFigures, 'timeline' | 'devices' | 'startUs' | 'endUs'>,
  width: number,
): string[] {
  const heatMap = timeline?.heatMap;
  if (heatMap === undefined || !isWide(width)) return [];
  const { rows, steps } = heatMap;
  const shown = rows.slice(0, ROWS_MAX);
  const byGpu = new Map(devices.map((device) => [device.gpu, device]));
  const names = shown.map(({ node, gpu }) => {
    const device = gpu === undefined ? undefined : byGpu.get(gpu);
    return clip(device === undefined ? node : deviceName(device), NAME_WIDTH_MAX);
  });
  const room = width - NAME_WIDTH_MAX - 4;
  const together = Math.ceil(steps.count / room);
  const columns = Math.ceil(steps.count / together);
  const plots = shown.map((row) => sparkline(pooled(row, together, columns), 1));
  const from = clockTime(startUs);
  const scale = `${from}${clockTime(endUs).padStart(Math.max(from.length + 2, columns - from.length))}`;
  const more = rows.length - shown.length;
  return [
    `${HEAT_HEADING} (a column is ${formatSpan(together * steps.stepUs)}, a full block 100 %)`,
    ...tableText([...names.map((name, at) => [name, plots[at]!]), ['', scale]], ['left', 'left']),
    ...(more > 0 ? [`  and ${more} more: --html FILE draws all`] : []),
    '',
  ];
}

/** Neighbouring steps as one: by the time that they speak for. */
function pooled({ means, knownUs }: HeatRow, together: number, columns: number): (number | null)[] {
  return Array.from({ length: columns }, (_, column) => {
    let [sum, us] = [0, 0];
    for (let at = column * together; at < Math.min(means.length, (column + 1) * together); at += 1) {
      if (!(knownUs[at]! > 0)) continue;
      sum += means[at]! * knownUs[at]!;
      us += knownUs[at]!;
    }
    return us > 0 ? sum / us : null;
  });
}
