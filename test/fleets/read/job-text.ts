import type { Difference, Json } from '../differences.ts';
import { readCauses, readNoCauses } from './causes-text.ts';
import {
  LABELS,
  note,
  takeExactly,
  takeMatch,
  type Device,
  type JobGauge,
  type Reading,
  type Report,
} from './job-lines.ts';
import { coverageWrong, energyWrong, memoryWrong, ratioWrong, wattsWrong, type Wrong } from './printed.ts';
import { readFindings } from './job-findings.ts';
import { readHead } from './job-head.ts';
import { spreadDifferences, useDifferences, type UseDevice } from './job-use.ts';
import { readVerdict } from './job-verdict.ts';
import { dividedLineWrong, markedEnergyWrong, unknownSlicesWrong } from './mig-text.ts';

/** What windows of the job tell: test/figures/job-analysis.test.ts has its truth. */
const ANALYSIS_LINE =
  /^ {2}(bounds by activity: |steps of|no steps: |(first|last) active .* (after its start|before its end)$|the last second read every 30 s)/;

/** The text of a job report against its JSON: every line is read, and one that cannot be read is a difference. */

export function jobTextDifferences(text: string, json: Json): Difference[] {
  const reading: Reading = {
    report: json as unknown as Report,
    // What was broken at a width hangs.
    lines: text
      .trimEnd()
      .replaceAll(/\n {4}(?! )(?!gpuledger)/g, ' ')
      .split('\n')
      .filter((line) => !ANALYSIS_LINE.test(line)),
    differences: [],
  };
  readVerdict(reading);
  readHead(reading);
  if (reading.report.samples > 0) {
    takeExactly(reading, 'blank', '');
    const { length } = reading.lines;
    readGauges(reading);
    readFacts(reading);
    // Where nothing is told of all of them their table follows.
    if (reading.lines.length < length) takeExactly(reading, 'blank', '');
    readCauses(reading);
    readDevices(reading);
    readLeftOut(reading);
    readNoCauses(reading);
  }
  readFindings(reading);
  for (const line of reading.lines) note(reading, 'line', 'no such line', line);
  return reading.differences;
}

const PLOTTED = ['smActive', 'tensorActive', 'dramActive', 'power'];
const BARS = '▁▂▃▄▅▆▇█';

function valueWrong(key: string, text: string, value: number | null | undefined): Wrong {
  if (value === undefined || value === null) return text === '–' ? undefined : '–';
  if (key === 'power') return wattsWrong(text, value);
  return key === 'memoryUsed' ? memoryWrong(text, value) : ratioWrong(text, value);
}

function readGauges(reading: Reading): void {
  const { gauges } = reading.report;
  const known = new Map(gauges.map((gauge) => [gauge.key, gauge]));
  const shown = PLOTTED.filter((key) => known.has(key));
  if (!known.has('smActive'))
    shown.unshift(...['engineActive', 'gpuUtil'].filter((key) => known.has(key)).slice(0, 1));
  // A head without lines is not printed.
  if (shown.length === 0) return;
  takeMatch(reading, 'gauges', /^\s+mean\s+min\s+p50\s+p95\s+max$/);
  for (const key of shown) {
    const line = reading.lines.shift() ?? '';
    const gauge = known.get(key)!;
    const [, name, mean = '', min = '', p50 = '', p95 = '', max = '', plot = ''] =
      /^ {2}(\S.*?) {2,}(\S.*?) {2,}(\S.*?) {2,}(\S.*?) {2,}(\S.*?) {2,}(\S.*?)(?: {4}(.*))?$/.exec(line) ??
      [];
    note(reading, 'gauge', name === LABELS[key] ? undefined : LABELS[key], line);
    const cells = { mean, min, p50, p95, max };
    for (const [which, cell] of Object.entries(cells))
      note(reading, `${key} ${which}`, valueWrong(key, cell, gauge[which as keyof typeof cells]), cell);
    note(reading, `${key} plot`, plotWrong(plot, gauge, key === 'power' ? gauge.max : 1), plot);
  }
}

/** One character for each part: its height is the part's in eighths of the top. */
function plotWrong(plot: string, { series }: JobGauge, top: number): Wrong {
  const isRight = series.every((value, index) => {
    const bar = plot[index] ?? ' ';
    if (value === null) return bar === ' ';
    const eighth = Math.max(0, Math.min(8, (value / top) * 8));
    const at = BARS.indexOf(bar);
    return at <= eighth + 1e-9 && (at === 7 || eighth < at + 1 + 1e-9) && at >= 0;
  });
  return isRight && plot.length <= series.length ? undefined : JSON.stringify(series);
}

function readFacts(reading: Reading): void {
  const { energy, devices } = reading.report;
  reading.differences.push(...useDifferences(reading.lines, reading.report));
  if (energy.bestJoules !== undefined) readEnergy(reading);
  if (energy.dividedJoules !== undefined) {
    const line = reading.lines.shift() ?? '';
    note(reading, 'divided', dividedLineWrong(line, energy, devices), line);
  }
  const unknown = devices.filter(
    ({ migProfile, sliceRatio }) => migProfile !== undefined && sliceRatio === undefined,
  );
  if (unknown.length > 0) {
    const line = reading.lines.shift() ?? '';
    note(reading, 'slices', unknownSlicesWrong(line, unknown), line);
  }
  const most = Math.max(...devices.map(({ gauges }) => gauges.memoryUsed?.max ?? -1));
  if (most < 0) return;
  const [, peak = '', size = '', name = ''] = takeMatch(
    reading,
    'peak',
    /^ {2}memory peak (\S+ GiB) of (\S+ GiB) \((.+)\)$/,
  );
  const first = devices.find(({ gauges }) => gauges.memoryUsed?.max === most)!;
  note(
    reading,
    'peak',
    memoryWrong(peak, most) ?? memoryWrong(size, first.memoryBytes),
    `${peak} of ${size}`,
  );
  const wanted = `${first.node} gpu ${numberOf(first)}`;
  note(reading, 'peak', name === wanted ? undefined : wanted, name);
}

/** The energy that is shown, what it was told by, and over how much of the time. */
function readEnergy(reading: Reading): void {
  const { energy, devices, attributedUs } = reading.report;
  const { bestJoules, bestUs, counterJoules, powerJoules } = energy;
  const [, best = '', told = ''] = takeMatch(reading, 'energy', /^ {2}energy (.+?) \((.+)\)$/);
  note(reading, 'energy', energyWrong(best, bestJoules, 3), best);
  const known = devices.filter((device) => device.energy.bestJoules !== undefined);
  const counted = known.filter((device) => device.energy.bestJoules === device.energy.counterJoules).length;
  const wholeUs = Math.max(bestUs, attributedUs);
  const [, part] = /, over (.+? %) of the time/.exec(told) ?? [];
  if (bestUs < 0.99 * wholeUs)
    note(reading, 'energy time', coverageWrong(part ?? '', bestUs / wholeUs), told);
  else note(reading, 'energy time', part === undefined ? undefined : 'all of the time', told);
  const plain = told.replace(/, over .+? % of the time/, '');
  if (counted === 0) {
    const why = counterJoules === undefined ? 'no energy counter' : 'the energy counter stood still';
    note(reading, 'energy', plain === `power integral; ${why}` ? undefined : why, told);
  } else if (counted < known.length) {
    const gpus = `${counted} GPU${counted === 1 ? '' : 's'}`;
    const wanted = `counter of ${gpus}, power integral of the other ${known.length - counted}`;
    note(reading, 'energy', plain === wanted ? undefined : wanted, told);
  } else {
    const [, power] = /^counter(?:; power integral (.+))?$/.exec(plain) ?? [];
    note(reading, 'power integral', energyWrong(power ?? '–', powerJoules, 3), told);
  }
}

/** `0`, `0/3g.40gb·9f2c`. */
function numberOf({ index, migProfile, gpu }: Device): string {
  return migProfile === undefined ? String(index) : `${index}/${migProfile}·${gpu.slice(-4)}`;
}

const DEVICE_COLUMNS: Readonly<Record<string, (cell: string, device: Device) => Wrong>> = {
  node: (cell, { node }) => (cell === node ? undefined : node),
  gpu: (cell, device) => (cell === numberOf(device) ? undefined : numberOf(device)),
  seen: (cell, { samples, sampledUs, ownedUs }) =>
    samples === 0 ? (cell === 'no data' ? undefined : 'no data') : coverageWrong(cell, sampledUs / ownedUs),
  busy: (cell, { gauges }) => valueWrong('gpuUtil', cell, gauges.gpuUtil?.mean),
  SM: (cell, { gauges }) => valueWrong('smActive', cell, gauges.smActive?.mean),
  tensor: (cell, { gauges }) => valueWrong('tensorActive', cell, gauges.tensorActive?.mean),
  DRAM: (cell, { gauges }) => valueWrong('dramActive', cell, gauges.dramActive?.mean),
  power: (cell, { gauges }) => valueWrong('power', cell, gauges.power?.mean),
  energy: (cell, { energy }) => markedEnergyWrong(cell, energy),
  'mem peak': (cell, { gauges }) => valueWrong('memoryUsed', cell, gauges.memoryUsed?.max),
};

/** Columns of which some device has something to say. */
function columnsOf(devices: readonly Device[]): string[] {
  const isKnown = (key: string): boolean =>
    devices.some(({ gauges }) => (gauges[key]?.mean ?? null) !== null);
  const due: readonly (readonly [string, boolean])[] = [
    ['node', true],
    ['gpu', true],
    ['seen', devices.some(({ sampledUs, ownedUs }) => sampledUs < 0.99 * ownedUs)],
    ['busy', devices.every(({ gauges }) => gauges.smActive === undefined) && isKnown('gpuUtil')],
    ['SM', isKnown('smActive')],
    ['tensor', isKnown('tensorActive')],
    ['DRAM', isKnown('dramActive')],
    ['power', isKnown('power')],
    ['energy', devices.some(({ energy }) => energy.bestJoules !== undefined)],
    ['mem peak', devices.some(({ gauges }) => gauges.memoryUsed !== undefined)],
  ];
  return due.filter(([, isDue]) => isDue).map(([title]) => title);
}

function readDevices(reading: Reading): void {
  const titles = (reading.lines.shift() ?? '').trim().split(/\s{2,}/);
  const wanted = columnsOf(reading.report.devices);
  note(reading, 'columns', titles.join() === wanted.join() ? undefined : wanted.join(), titles.join());
  for (const device of reading.report.devices) {
    const line = reading.lines.shift() ?? '';
    const cells = line.trim().split(/\s{2,}/);
    note(reading, device.gpu, cells.length === titles.length ? undefined : `${titles.length} cells`, line);
    for (const [column, title] of titles.entries()) {
      const read = DEVICE_COLUMNS[title];
      const cell = cells[column] ?? '';
      note(
        reading,
        `${device.gpu} ${title}`,
        read === undefined ? 'a column known here' : read(cell, device),
        cell,
      );
    }
  }
  const { lines, report, differences } = reading;
  const nameWrong = DEVICE_COLUMNS['gpu'] as (cell: string, device: UseDevice) => Wrong;
  differences.push(...spreadDifferences(lines, report.devices, nameWrong));
}

function readLeftOut(reading: Reading): void {
  const { gauges, sampledUs, notMeasured } = reading.report;
  const partly = gauges.filter(({ key, knownUs }) => PLOTTED.includes(key) && knownUs < 0.99 * sampledUs);
  if (partly.length > 0) {
    const [, list = ''] = takeMatch(reading, 'partly', /^ {2}had values for a part of the time only: (.+)$/);
    const parts = list.split(', ');
    for (const [index, { key, knownUs }] of partly.entries()) {
      const cell = parts[index] ?? '';
      const isNamed = cell.startsWith(`${LABELS[key]!} `);
      const part = cell.slice(LABELS[key]!.length + 1);
      note(reading, 'partly', isNamed ? ratioWrong(part, knownUs / sampledUs) : LABELS[key], cell);
    }
  }
  for (const { keys, reason } of notMeasured) {
    const named = keys.filter((key) => key !== 'engineActive' && key !== 'gpuUtil').map((key) => LABELS[key]);
    if (named.length > 0) takeExactly(reading, 'left out', `  not measured: ${named.join(', ')} (${reason})`);
  }
}
