import type { Difference } from '../differences.ts';
import { limitsText, type ToldLimits } from './idle-limits.ts';
import {
  coverageWrong,
  hoursWrong,
  isPrinted,
  ratioWrong,
  spanWrong,
  wattsWrong,
  type Wrong,
} from './printed.ts';

/** What a job report says of the use of its time, and of each device's levels, against its JSON. Lines that are read are taken away. */

interface Used {
  readonly usedUs?: number;
  readonly wastedUs?: number;
  readonly idleKnownUs: number;
}

interface Stretch {
  readonly lengthUs: number;
  readonly fromUs?: number;
  readonly isAtLeast?: boolean;
}

interface SpreadGauge {
  readonly min?: number;
  readonly p50?: number;
  readonly p95?: number;
}

export interface UseDevice extends Used {
  readonly gpu: string;
  readonly node: string;
  readonly index: number;
  readonly gauges: Readonly<Record<string, SpreadGauge | undefined>>;
}

export interface UseReport extends Used {
  readonly attributedUs: number;
  readonly smShares?: Readonly<Record<string, { readonly ratio: number }>>;
  readonly idleLimits: ToldLimits;
  readonly longestIdle?: Stretch & { readonly gpu: string };
  readonly devices: readonly UseDevice[];
}

const PIPES: readonly (readonly [key: string, label: string])[] = [
  ['tensor', 'tensor'],
  ['fp64', 'FP64'],
  ['fp32', 'FP32'],
  ['fp16', 'FP16'],
];

function difference(what: string, wrong: Wrong, got: string): Difference[] {
  return wrong === undefined ? [] : [{ path: `text: ${what}`, expected: wrong, got }];
}

export function useDifferences(lines: string[], report: UseReport): Difference[] {
  return [
    ...usedDifferences(lines, report),
    ...shareDifferences(lines, report),
    ...idleDifferences(lines, report),
  ];
}

function usedDifferences(lines: string[], report: UseReport): Difference[] {
  const { usedUs, wastedUs, idleKnownUs, attributedUs } = report;
  if (usedUs === undefined) return [];
  const line = lines.shift() ?? '';
  const [, used = '', wasted = '', part] =
    /^ {2}used (\S+ GPU-hours), wasted (\S+ GPU-hours) \(SM activity x time, and the rest(?:, over (.+ %) of the time)?\)$/.exec(
      line,
    ) ?? [];
  const isPartly = idleKnownUs < 0.99 * attributedUs;
  return [
    ...difference('used', hoursWrong(used, usedUs), line),
    ...difference('wasted', hoursWrong(wasted, wastedUs!), line),
    ...difference(
      'used, of the time',
      isPartly
        ? coverageWrong(part ?? '', idleKnownUs / attributedUs)
        : part === undefined
          ? undefined
          : 'all of the time',
      line,
    ),
  ];
}

function shareDifferences(lines: string[], { smShares }: UseReport): Difference[] {
  if (smShares === undefined) return [];
  const line = lines.shift() ?? '';
  const [, list = ''] = /^ {2}of SM activity: (.+)$/.exec(line) ?? [];
  const told = list.split(' · ');
  const wanted = PIPES.filter(([key]) => smShares[key] !== undefined);
  if (told.length !== wanted.length) return difference('pipes', `${wanted.length} of them`, line);
  return wanted.flatMap(([key, label], at) => {
    const cell = told[at]!;
    const isNamed = cell.startsWith(`${label} `);
    return difference(
      'pipes',
      isNamed ? ratioWrong(cell.slice(label.length + 1), smShares[key]!.ratio) : label,
      cell,
    );
  });
}

function idleDifferences(lines: string[], { longestIdle, devices, idleLimits }: UseReport): Difference[] {
  if (longestIdle === undefined || longestIdle.lengthUs < 60e6) return [];
  const line = lines.shift() ?? '';
  const [, least, length = '', from = '', device = ''] =
    /^ {2}longest idle (at least )?(.+) from (.+) UTC \((.+)\)$/.exec(line) ?? [];
  const legend = lines.shift() ?? '';
  const wanted = `  idle: ${limitsText(idleLimits)}`;
  const { fromUs = NaN, isAtLeast = false, lengthUs, gpu } = longestIdle;
  const iso = new Date(Math.floor(fromUs / 1000)).toISOString();
  const { node, index } = devices.find((one) => one.gpu === gpu)!;
  return [
    ...difference('idle', legend === wanted ? undefined : wanted, legend),
    ...difference('longest idle', (least !== undefined) === isAtLeast ? undefined : 'at least', line),
    ...difference('longest idle', spanWrong(length, lengthUs), line),
    ...difference(
      'longest idle',
      from === `${iso.slice(0, 10)} ${iso.slice(11, 19)}` ? undefined : iso,
      line,
    ),
    ...difference('longest idle', device.startsWith(`${node} gpu ${index}`) ? undefined : gpu, line),
  ];
}

/** What follows the table of the devices: their use and the spread of their levels, where there are several. */
export function spreadDifferences(
  lines: string[],
  devices: readonly UseDevice[],
  nameWrong: (cell: string, device: UseDevice) => Wrong,
): Difference[] {
  const found: Difference[] = [];
  const has = (of: (device: UseDevice) => unknown): boolean =>
    devices.some((device) => of(device) !== undefined);
  const tables = [
    [...USE_COLUMNS, ...spreadColumns('smActive', 'SM'), ...spreadColumns('power', 'power')],
    [...spreadColumns('tensorActive', 'tensor'), ...spreadColumns('dramActive', 'DRAM')],
  ];
  for (const columns of devices.length < 2 ? [] : tables) {
    const shown = columns.filter(({ value }) => has(value));
    if (shown.length === 0) continue;
    found.push(...difference('blank', lines[0] === '' ? undefined : 'a blank line', lines.shift() ?? ''));
    const titles = (lines.shift() ?? '').trim().split(/\s{2,}/);
    const wanted = ['node', 'gpu', ...shown.map(({ title }) => title)];
    found.push(
      ...difference('titles', titles.join() === wanted.join() ? undefined : wanted.join(), titles.join()),
    );
    for (const device of devices) {
      const line = lines.shift() ?? '';
      const [node = '', gpu = '', ...cells] = line.trim().split(/\s{2,}/);
      found.push(...difference('node', node === device.node ? undefined : device.node, line));
      found.push(...difference('gpu', nameWrong(gpu, device), line));
      for (const [at, { title, value, wrong }] of shown.entries())
        found.push(...difference(`${device.gpu} ${title}`, wrong(cells[at] ?? '', value(device)), line));
    }
  }
  return found;
}

interface SpreadColumn {
  readonly title: string;
  readonly value: (device: UseDevice) => number | undefined;
  readonly wrong: (cell: string, value: number | undefined) => Wrong;
}

const USE_COLUMNS: readonly SpreadColumn[] = [
  { title: 'used', value: ({ usedUs }) => usedUs, wrong: cellHoursWrong },
  { title: 'wasted', value: ({ wastedUs }) => wastedUs, wrong: cellHoursWrong },
];

function spreadColumns(key: string, title: string): readonly SpreadColumn[] {
  const wrong = (cell: string, value: number | undefined): Wrong => {
    if (value === undefined) return cell === '–' ? undefined : '–';
    return key === 'power' ? wattsWrong(cell, value) : ratioWrong(cell, value);
  };
  return [
    { title: `${title} min`, value: ({ gauges }) => gauges[key]?.min, wrong },
    { title: 'p50', value: ({ gauges }) => gauges[key]?.p50, wrong },
    { title: 'p95', value: ({ gauges }) => gauges[key]?.p95, wrong },
  ];
}

function cellHoursWrong(cell: string, us: number | undefined): Wrong {
  if (us === undefined) return cell === '–' ? undefined : '–';
  const [, digits = ''] = /^(<?[\d,]+\.\d{1,3}) h$/.exec(cell) ?? [];
  return isPrinted(digits, us / 3.6e9) ? undefined : `${us / 3.6e9} h`;
}
