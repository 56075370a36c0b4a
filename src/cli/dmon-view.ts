import type { Device } from '../core/devices/device.ts';
import type { Field } from '../core/fields/field.ts';
import {
  formatMemory,
  formatNumber,
  formatRate,
  formatRatio,
  formatWatts,
} from '../report/text/format-quantity.ts';
import { sparkline } from '../report/text/sparkline.ts';
import { rowText, tableText } from '../report/text/table-text.ts';

export interface DmonRow {
  readonly device: Device;
  readonly tsUs: number;
  /** In base units, one a field; NaN is no value. */
  readonly values: readonly number[];
}

/** What to print for new rows. */
export type DmonView = (rows: readonly DmonRow[]) => string;

const REPEAT_HEADER_EVERY = 40;
/** Characters of a time and, at least, of a number in plain lines. */
const TIME_WIDTH = 24;
const NUMBER_WIDTH = 10;
/** Characters of a sparkline, as many as the terminal has room for. */
const HISTORY_MAX = 16;
const HISTORY_MIN = 4;
const DEFAULT_WIDTH = 200;
const VALUE_WIDTH = 8;
/** Two blanks between columns, of which each field has two. */
const GAPS_WIDTH = 4;

/** Lines for a pipe: a header with a `#`, then time, device and one number a field; the same width from line to line. */
export function createPlainLines(
  fields: readonly Field[],
  devices: readonly Device[],
  description: string,
): DmonView {
  const widths = [
    TIME_WIDTH,
    Math.max(...devices.map(({ uuid }) => uuid.length)),
    ...fields.map(({ column }) => Math.max(column.length, NUMBER_WIDTH)),
  ];
  const line = (indent: string, cells: readonly string[]): string =>
    `${rowText(cells, widths, ['left', 'left'], indent)}\n`;
  const header = line('# ', ['time', 'device', ...fields.map(({ column }) => column)]);
  let lines = 0;
  return (rows) => {
    let text = lines === 0 ? `# ${description}\n` : '';
    for (const { device, tsUs, values } of rows) {
      if (lines % REPEAT_HEADER_EVERY === 0) text += header;
      lines += 1;
      const numbers = values.map((value) => (Number.isNaN(value) ? '-' : plainNumber(value)));
      text += line('  ', [new Date(tsUs / 1000).toISOString(), device.uuid, ...numbers]);
    }
    return text;
  };
}

function plainNumber(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 4 : 2);
}

/** A table that is drawn over itself: per device and field the newest value and how it went. */
export function createLiveTable(
  fields: readonly Field[],
  devices: readonly Device[],
  description: string,
  terminalWidth = DEFAULT_WIDTH,
): DmonView {
  const taken = fields.map((field) => Math.max(VALUE_WIDTH, titleOf(field).length) + GAPS_WIDTH);
  const nameWidth = Math.max(...devices.map((device) => deviceName(device).length));
  const room = terminalWidth - nameWidth - taken.reduce((sum, width) => sum + width, 0);
  const historyLength = Math.max(HISTORY_MIN, Math.min(HISTORY_MAX, Math.floor(room / fields.length)));
  const histories = new Map(devices.map(({ uuid }) => [uuid, fields.map((): (number | null)[] => [])]));
  const newest = new Map<string, DmonRow>();
  let drawnLines = 0;
  return (rows) => {
    for (const row of rows) {
      newest.set(row.device.uuid, row);
      for (const [k, history] of (histories.get(row.device.uuid) ?? []).entries()) {
        history.push(Number.isNaN(row.values[k]!) ? null : row.values[k]!);
        if (history.length > historyLength) history.shift();
      }
    }
    const tops = fields.map(({ unit }, k) => {
      const known = [...histories.values()].flatMap((each) => each[k]!).filter((value) => value !== null);
      return unit === 'ratio' ? 1 : Math.max(0, ...known);
    });
    const lines = tableText(
      [
        ['', ...fields.flatMap(({ column, unit }) => [titleOf({ column, unit }), ''])],
        ...devices.map((device) => [
          deviceName(device),
          ...fields.flatMap((field, k) => [
            cellText(field, newest.get(device.uuid)?.values[k] ?? NaN),
            sparkline(histories.get(device.uuid)![k]!, tops[k]!).padStart(historyLength),
          ]),
        ]),
      ],
      ['left', ...fields.flatMap((): ['right', 'left'] => ['right', 'left'])],
      '',
    );
    const time = new Date(Math.max(...[...newest.values()].map(({ tsUs }) => tsUs)) / 1000);
    const text = [`${description} · ${time.toISOString().slice(11, 21)} UTC`, ...lines];
    const up = drawnLines === 0 ? '' : `\u001b[${drawnLines}A\u001b[J`;
    drawnLines = text.length;
    return `${up}${text.join('\n')}\n`;
  };
}

/** The unit stands in the cells. */
function titleOf({ column, unit }: Pick<Field, 'column' | 'unit'>): string {
  return column.replace(new RegExp(`_${unit}$`), '');
}

function deviceName({ index, migProfile, gpuInstanceId }: Device): string {
  return gpuInstanceId === undefined ? `gpu ${index}` : `gpu ${index} ${migProfile ?? ''} #${gpuInstanceId}`;
}

function cellText({ unit }: Field, value: number): string {
  if (Number.isNaN(value)) return '-';
  switch (unit) {
    case 'ratio':
      return formatRatio(value);
    case 'watts':
      return formatWatts(value);
    case 'bytes':
      return formatMemory(value);
    case 'bytes_per_second':
      return formatRate(value);
    case 'celsius':
      return `${value.toFixed(0)} °C`;
    case 'hertz':
      return `${(value / 1e6).toFixed(0)} MHz`;
    default:
      return formatNumber(value, 6);
  }
}
