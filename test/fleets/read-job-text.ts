import type { Difference, Json } from './differences.ts';
import { spreadDifferences, useDifferences, type UseDevice, type UseReport } from './read-job-use.ts';
import {
  coverageWrong,
  energyWrong,
  hoursWrong,
  memoryWrong,
  ratioWrong,
  spanWrong,
  wattsWrong,
  type Wrong,
} from './printed.ts';

/** The text of a job report against its JSON: every line is read, and one that cannot be read is a difference. */

interface Energy {
  readonly counterJoules?: number;
  readonly counterUs: number;
  readonly powerJoules?: number;
  readonly powerUs: number;
  readonly bestJoules?: number;
  readonly bestUs: number;
}

interface Gauge {
  readonly mean: number | null;
  readonly min?: number;
  readonly max: number;
  readonly knownUs: number;
  readonly p50?: number;
  readonly p95?: number;
}

interface JobGauge extends Gauge {
  readonly key: string;
  readonly barWidth?: number;
  readonly series: readonly (number | null)[];
}

interface Device extends UseDevice {
  readonly gpu: string;
  readonly node: string;
  readonly index: number;
  readonly model: string;
  readonly memoryBytes: number;
  readonly migProfile?: string;
  readonly ownedUs: number;
  readonly sampledUs: number;
  readonly samples: number;
  readonly gauges: Readonly<Record<string, Gauge | undefined>>;
  readonly energy: Energy;
}

interface Report extends UseReport {
  readonly jobId: string;
  readonly run: number;
  readonly otherRuns: readonly number[];
  readonly otherJobs: readonly {
    readonly command: string;
    readonly user?: string;
    readonly state?: string;
  }[];
  readonly cluster?: string;
  readonly name?: string;
  readonly user?: string;
  readonly account?: string;
  readonly partition?: string;
  readonly state?: string;
  readonly exitCode?: number;
  readonly startUs: number;
  readonly endUs: number;
  readonly boundaryUs: number;
  readonly sharing: string;
  readonly areSharesScaled?: boolean;
  readonly ownedUs: number;
  readonly sampledUs: number;
  readonly attributedUs: number;
  readonly samples: number;
  readonly coverageRatio?: number;
  readonly gapCount: number;
  readonly gapUs: number;
  readonly unplacedGaps?: { readonly us: number };
  readonly isFromRollups?: boolean;
  readonly oldestSampleUs?: number;
  readonly mixedUs?: number;
  readonly devices: readonly Device[];
  readonly gauges: readonly JobGauge[];
  readonly energy: Energy;
  readonly notMeasured: readonly { readonly keys: readonly string[]; readonly reason: string }[];
  readonly findings: readonly { readonly text: string }[];
}

/** Takes lines one by one; each wrong one is noted. */
interface Reading {
  readonly report: Report;
  readonly lines: string[];
  readonly differences: Difference[];
}

export function jobTextDifferences(text: string, json: Json): Difference[] {
  const reading: Reading = {
    report: json as unknown as Report,
    // What was broken at a width hangs.
    lines: text
      .trimEnd()
      .replaceAll(/\n {4}(?! )(?!gpuledger)/g, ' ')
      .split('\n'),
    differences: [],
  };
  readHead(reading);
  if (reading.report.samples > 0) {
    readGauges(reading);
    readFacts(reading);
    readDevices(reading);
    readLeftOut(reading);
  }
  readFindings(reading);
  for (const line of reading.lines) note(reading, 'line', 'no such line', line);
  return reading.differences;
}

function note({ differences }: Reading, what: string, expected: Wrong, got: string): void {
  if (expected !== undefined) differences.push({ path: `text: ${what}`, expected, got });
}

/** The next line must be just so. */
function takeExactly(reading: Reading, what: string, expected: string): void {
  const line = reading.lines.shift() ?? '';
  note(reading, what, line === expected ? undefined : expected, line);
}

/** The next line must match; its groups. */
function takeMatch(reading: Reading, what: string, pattern: RegExp): readonly (string | undefined)[] {
  const line = reading.lines.shift() ?? '';
  const found = pattern.exec(line);
  note(reading, what, found === null ? String(pattern) : undefined, line);
  return found ?? [];
}

function readHead(reading: Reading): void {
  const { report } = reading;
  const {
    jobId,
    name,
    state = 'ended',
    exitCode,
    user,
    account,
    partition,
    cluster,
    run,
    otherRuns,
  } = report;
  const exit = exitCode === undefined ? '' : ` (exit ${exitCode})`;
  takeExactly(reading, 'title', [`Job ${jobId}`, name, `${state}${exit}`].filter(Boolean).join(' · '));
  const [, who = '', nodes, models = ''] = takeMatch(reading, 'who', /^ {2}(?:(.+) · )?(\d+) nodes?, (.+)$/);
  for (const word of [user, account, partition, cluster])
    note(reading, 'who', word === undefined || who.includes(word) ? undefined : word, who);
  const nodeCount = new Set(report.devices.map(({ node }) => node)).size;
  note(reading, 'nodes', Number(nodes) === nodeCount ? undefined : String(nodeCount), nodes ?? '');
  note(reading, 'models', modelsWrong(models, report.devices), models);
  const [, from = '', to = '', length = ''] = takeMatch(reading, 'period', /^ {2}(.+) → (.+) UTC \((.+)\)$/);
  note(reading, 'start', timeWrong(from, report.startUs), from);
  note(reading, 'end', timeWrong(to, report.endUs), to);
  note(reading, 'length', spanWrong(length, report.endUs - report.startUs), length);
  readCoverage(reading);
  readOrigin(reading);
  if (report.sharing !== 'whole') {
    const ways: Record<string, string> = {
      stated: 'by stated shares',
      measured: 'by measured use',
      equal: 'in equal parts',
    };
    const [, way] = takeMatch(
      reading,
      'sharing',
      /^ {2}shares its GPUs: hours and energy.* are divided (.+)$/,
    );
    note(reading, 'sharing', way === ways[report.sharing] ? undefined : ways[report.sharing], way ?? '');
  }
  if (report.areSharesScaled === true)
    takeExactly(
      reading,
      'scaled',
      '  the stated shares add up to more than a GPU: made smaller in proportion',
    );
  if (otherRuns.length > 0)
    takeExactly(reading, 'runs', `  run ${run} of this job id; others: ${otherRuns.join(', ')} (--run N)`);
  const { otherJobs } = report;
  if (otherJobs.length === 0) return;
  takeMatch(
    reading,
    'others',
    new RegExp(`^ {2}not the only job with this id; ${otherJobs.length} others?:$`),
  );
  for (const { command, user: theirs = '', state: ended = '' } of otherJobs) {
    const line = reading.lines.shift() ?? '';
    const isRight = line.startsWith(`    ${command}  `) && line.includes(theirs) && line.includes(ended);
    note(reading, 'other', isRight ? undefined : `${command} ${theirs} ${ended}`, line);
  }
}

function readCoverage(reading: Reading): void {
  const { coverageRatio, ownedUs, gapCount, gapUs, attributedUs, sharing, boundaryUs } = reading.report;
  if (coverageRatio === undefined) {
    const [, hours = ''] = takeMatch(reading, 'seen', /^ {2}no data for its (.+)$/);
    note(reading, 'owned', hoursWrong(hours, ownedUs), hours);
    return;
  }
  const [, seen = '', owned = '', gaps, gapTime = '', missing, part, boundary = ''] = takeMatch(
    reading,
    'seen',
    /^ {2}seen (.+ %) of (\S+ GPU-hours)(?: \((?:(\d+) gaps?, (.+?) of GPU time)?(?:; )?(?:(.+) missing here and there)?\))?(?: · its part (\S+ GPU-hours))? · boundaries ± (.+)$/,
  );
  note(reading, 'seen', coverageWrong(seen, coverageRatio), seen);
  note(reading, 'owned', hoursWrong(owned, ownedUs), owned);
  note(reading, 'gaps', Number(gaps ?? 0) === gapCount ? undefined : String(gapCount), gaps ?? 'none');
  if (gapCount > 0) note(reading, 'gap time', spanWrong(gapTime, gapUs), gapTime);
  const { unplacedGaps } = reading.report;
  if (unplacedGaps !== undefined)
    note(reading, 'unplaced', spanWrong(missing ?? '', unplacedGaps.us), missing ?? 'nothing');
  if (sharing !== 'whole') note(reading, 'part', hoursWrong(part ?? '', attributedUs), part ?? '');
  note(reading, 'boundary', spanWrong(boundary, boundaryUs), boundary);
}

/** What has aged out, by what ranks are told, and what is left out. */
function readOrigin(reading: Reading): void {
  const { isFromRollups, oldestSampleUs, gauges, mixedUs } = reading.report;
  if (isFromRollups === true) {
    const [, since] = takeMatch(
      reading,
      'aged',
      /^ {2}its samples(?: before (.+) UTC)? have aged out: sums are from the rollups, dips of less than a minute are not seen$/,
    );
    const wrong = oldestSampleUs === undefined ? undefined : timeWrong(since ?? '', oldestSampleUs);
    note(reading, 'aged', wrong, since ?? '');
  }
  const barred = gauges.filter(({ barWidth }) => barWidth !== undefined);
  if (barred.length > 0) {
    const [, list = ''] = takeMatch(reading, 'bars', /^ {2}p50 and p95 are the middles of bars: (.+)$/);
    const wanted = barred.map(({ key }) => `${LABELS[key]!} ± ${key === 'power' ? '2.5 W' : '0.5 %'}`);
    note(reading, 'bars', list === wanted.join(', ') ? undefined : wanted.join(', '), list);
  }
  if (mixedUs !== undefined) {
    const [, hours = ''] = takeMatch(
      reading,
      'mixed',
      /^ {2}(\S+ GPU-hours) are left out: another run had the GPU within the same hour, and the samples have aged out$/,
    );
    note(reading, 'mixed', hoursWrong(hours, mixedUs), hours);
  }
}

/** `2 x H100 80 GiB, 1 x A30 2g.12gb 12 GiB`. */
function modelsWrong(text: string, devices: readonly Device[]): Wrong {
  const counts = new Map<string, number>();
  for (const { model, migProfile, memoryBytes } of devices) {
    const name = [model.replace('NVIDIA ', ''), migProfile, `${Math.round(memoryBytes / 2 ** 30)} GiB`];
    const key = name.filter(Boolean).join(' ');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const wanted = [...counts].map(([name, count]) => `${count} x ${name}`);
  return wanted.toSorted().join() === text.split(', ').toSorted().join() ? undefined : wanted.join(', ');
}

/** With its date, or, of an end on the same day, without. */
function timeWrong(text: string, us: number): Wrong {
  const iso = new Date(Math.floor(us / 1000)).toISOString();
  const full = `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
  return text === full || text === full.slice(11) ? undefined : full;
}

const LABELS: Readonly<Record<string, string>> = {
  smActive: 'SM active',
  tensorActive: 'tensor active',
  dramActive: 'DRAM active',
  engineActive: 'engine active',
  gpuUtil: 'any kernel ran',
  power: 'power',
  memoryUsed: 'memory',
  pcieSent: 'PCIe sent',
  pcieReceived: 'PCIe received',
  nvlinkSent: 'NVLink sent',
  nvlinkReceived: 'NVLink received',
};
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
  takeExactly(reading, 'blank', '');
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
  const peaks = devices.flatMap(({ gauges }) => gauges.memoryUsed?.max ?? []);
  if (peaks.length === 0) return;
  const [, peak = ''] = takeMatch(reading, 'peak', /^ {2}memory peak (\S+ GiB) of \S+ GiB \(.+\)$/);
  note(reading, 'peak', memoryWrong(peak, Math.max(...peaks)), peak);
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

const DEVICE_COLUMNS: Readonly<Record<string, (cell: string, device: Device) => Wrong>> = {
  node: (cell, { node }) => (cell === node ? undefined : node),
  gpu: (cell, { index, migProfile, gpu }) => {
    const name = migProfile === undefined ? String(index) : `${index}/${migProfile}·${gpu.slice(-4)}`;
    return cell === name ? undefined : name;
  },
  seen: (cell, { samples, sampledUs, ownedUs }) =>
    samples === 0 ? (cell === 'no data' ? undefined : 'no data') : coverageWrong(cell, sampledUs / ownedUs),
  busy: (cell, { gauges }) => valueWrong('gpuUtil', cell, gauges.gpuUtil?.mean),
  SM: (cell, { gauges }) => valueWrong('smActive', cell, gauges.smActive?.mean),
  tensor: (cell, { gauges }) => valueWrong('tensorActive', cell, gauges.tensorActive?.mean),
  DRAM: (cell, { gauges }) => valueWrong('dramActive', cell, gauges.dramActive?.mean),
  power: (cell, { gauges }) => valueWrong('power', cell, gauges.power?.mean),
  energy: (cell, { energy }) => energyWrong(cell, energy.bestJoules),
  'mem peak': (cell, { gauges }) => valueWrong('memoryUsed', cell, gauges.memoryUsed?.max),
};

function readDevices(reading: Reading): void {
  takeExactly(reading, 'blank', '');
  const titles = (reading.lines.shift() ?? '').trim().split(/\s{2,}/);
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

function readFindings(reading: Reading): void {
  const { findings } = reading.report;
  if (findings.length === 0) return;
  takeExactly(reading, 'blank', '');
  takeExactly(reading, 'findings', '  What stands out');
  for (const { text } of findings) takeExactly(reading, 'finding', `  · ${text}`);
}
