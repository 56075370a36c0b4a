import type { Difference, Json } from './differences.ts';
import { coverageWrong, energyWrong, hoursWrong, isPrinted, ratioWrong, type Wrong } from './printed.ts';

/** The text of a capacity report against its JSON: every line is read, and one that cannot be read is a difference. */

interface Row {
  readonly kind: string;
  readonly name?: string;
  readonly cluster?: string;
  readonly attributedUs: number;
  readonly idleUs?: number;
  readonly wastedUs?: number;
  readonly smActiveMean?: number;
  readonly smKnownUs: number;
  readonly counterJoules?: number;
  readonly powerJoules?: number;
  readonly bestJoules?: number;
  readonly bestUs: number;
  readonly unownedUs?: number;
  readonly jobs: number;
}

interface Report {
  readonly by: string;
  readonly cluster?: string;
  readonly askedFromUs: number;
  readonly askedToUs: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly roundedTo: string;
  readonly devices: number;
  readonly migInstances: number;
  readonly nodes: number;
  readonly knownUs: number;
  readonly samples: number;
  readonly sampledUs: number;
  readonly rows: readonly Row[];
  readonly all: Row;
  readonly sharedUs: Readonly<Record<string, number>>;
  readonly areSharesScaled?: boolean;
  readonly lastSigns?: readonly { readonly gpu: string; readonly node: string; readonly lastUs: number }[];
}

const NAMES: Readonly<Record<string, string>> = {
  unattributed: 'free shares',
  cut: 'cut GPUs',
  all: 'all',
  unresolved: 'unresolved',
  unowned: 'unowned',
};

/** What a cell of this column must say of a row. */
type Column = (cell: string, row: Row, report: Report) => Wrong;

const hours = (cell: string, us: number): Wrong =>
  isPrinted(cell, us / 3.6e9) ? undefined : `${us / 3.6e9} h`;

/** `0.58 (39 %)`. */
function hoursAndPart(cell: string, us: number, ofUs: number): Wrong {
  const [, number = '', part = ''] = /^(\S+) \((.+)\)$/.exec(cell) ?? [];
  if (ofUs === 0) return hours(number, us) ?? (part === '–' ? undefined : '(–)');
  return hours(number, us) ?? ratioWrong(part, us / ofUs);
}

const isOwned = ({ kind }: Row): boolean => ['group', 'unresolved', 'all'].includes(kind);

const COLUMNS: Readonly<Record<string, Column>> = {
  'GPU-hours': (cell, { attributedUs }) => hours(cell, attributedUs),
  unowned: (cell, { unownedUs, attributedUs }) =>
    unownedUs === undefined ? dash(cell) : hoursAndPart(cell, unownedUs, unownedUs + attributedUs),
  share: (cell, { attributedUs }, { sampledUs }) => ratioWrong(cell, attributedUs / sampledUs),
  'allocated-idle': (cell, row) => {
    if (row.idleUs === undefined || !isOwned(row)) return dash(cell);
    return hoursAndPart(cell, row.idleUs, row.smKnownUs);
  },
  'SM active': (cell, row) =>
    row.smActiveMean === undefined || !isOwned(row) ? dash(cell) : ratioWrong(cell, row.smActiveMean),
  wasted: (cell, row) =>
    row.wastedUs === undefined || !isOwned(row) ? dash(cell) : hours(cell, row.wastedUs),
  energy: (cell, { bestJoules }) => energyWrong(cell, bestJoules),
  jobs: (cell, { kind, jobs }) =>
    kind === 'group' || kind === 'all'
      ? cell === jobs.toLocaleString('en-US')
        ? undefined
        : String(jobs)
      : dash(cell),
};

function dash(cell: string): Wrong {
  return cell === '–' ? undefined : '–';
}

export function capacityTextDifferences(text: string, json: Json): Difference[] {
  const report = json as unknown as Report;
  const lines = text.trimEnd().split('\n');
  const headAt = lines.findIndex((line) => line.includes('GPU-hours  '));
  const differences: Difference[] = [];
  const wrong = (path: string, expected: Wrong, got: string): void => {
    if (expected !== undefined) differences.push({ path: `text: ${path}`, expected, got });
  };
  const noDataAt = lines.findIndex((line) => line.startsWith('  no data: '));
  const title = lines
    .slice(0, headAt === -1 ? noDataAt : headAt)
    .map((line) => line.trim())
    .join(' ');
  wrong('title', titleWrong(title, report), title);
  if (headAt === -1) {
    wrong('lines', report.samples === 0 && noDataAt > 0 ? undefined : 'a table', text);
    return differences;
  }
  const titles = lines[headAt]!.trim().split(/\s{2,}/);
  const all: Row & { idleUs?: number; wastedUs?: number } = { ...report.all, kind: 'all' };
  delete all.idleUs;
  delete all.wastedUs;
  Object.assign(all, allIdle(report));
  const rows: Row[] = [...report.rows, all];
  for (const [index, row] of rows.entries()) {
    const line = lines[headAt + 1 + index] ?? '';
    const [name = '', ...cells] = line.trim().split(/\s{2,}/);
    wrong(`row ${index}`, nameWrong(name, row), name);
    wrong(`row ${index}`, cells.length === titles.length ? undefined : `${titles.length} cells`, line);
    for (const [column, of] of titles.entries()) {
      const read = COLUMNS[of];
      const got = cells[column] ?? '';
      wrong(
        `${name}.${of}`,
        read === undefined ? 'a column that is known here' : read(got, row, report),
        got,
      );
    }
  }
  const notes = lines
    .slice(headAt + 1 + rows.length)
    .map((line) => line.trim())
    .join(' ');
  differences.push(...noteDifferences(notes, report));
  return differences;
}

/** Of `all` idleness and waste are those of the owned time alone. */
function allIdle({ rows }: Report): Pick<Row, 'idleUs' | 'wastedUs' | 'smKnownUs'> {
  const owned = rows.filter((row) => isOwned(row) && row.idleUs !== undefined);
  const sum = (of: (row: Row) => number): number => owned.reduce((total, row) => total + of(row), 0);
  const smKnownUs = sum((row) => row.smKnownUs);
  if (owned.length === 0) return { smKnownUs };
  return { idleUs: sum(({ idleUs }) => idleUs!), wastedUs: sum(({ wastedUs }) => wastedUs!), smKnownUs };
}

function nameWrong(got: string, { kind, name, cluster }: Row): Wrong {
  const plain = kind === 'group' ? (name ?? '(not told)') : NAMES[kind]!;
  return got === plain || (cluster !== undefined && got === `${cluster}/${plain}`) ? undefined : plain;
}

function titleWrong(title: string, report: Report): Wrong {
  const { nodes, devices, migInstances, knownUs, sampledUs, cluster } = report;
  const [, of, window = '', nodeCount, what = '', gpuHours = '', seen = ''] =
    /^Capacity(?: of cluster (\S+))? · (.+) UTC · (\d+) nodes?, (.+), (\S+ GPU-hours) · (.+)$/.exec(title) ??
    [];
  const gpus = Number(/(\d+) GPUs?/.exec(what)?.[1] ?? 0);
  const instances = Number(/(\d+) MIG instances?/.exec(what)?.[1] ?? 0);
  if (of !== cluster) return `cluster ${cluster ?? 'none'}`;
  if (Number(nodeCount) !== nodes) return `${nodes} nodes`;
  if (gpus !== devices - migInstances || instances !== migInstances)
    return `${devices - migInstances} GPUs and ${migInstances} MIG instances`;
  const seenWrong =
    sampledUs === 0 ? undefined : coverageWrong(seen.replace('seen ', ''), sampledUs / knownUs);
  return windowWrong(window, report) ?? hoursWrong(gpuHours, knownUs) ?? seenWrong;
}

function windowWrong(window: string, { fromUs, toUs }: Report): Wrong {
  const [from = '', to = ''] = window.split(/ (?:→|to) /);
  const isDays = window.includes(' to ');
  if (isDays && (fromUs % 86_400e6 !== 0 || toUs % 86_400e6 !== 0)) return 'times, for it is no whole days';
  const [fullFrom, fullTo] = [fromUs, toUs].map((us) => new Date(us / 1000).toISOString().replace('T', ' '));
  const isFrom = fullFrom!.startsWith(from) && fromUs % 60e6 === 0;
  const isTo = fullTo!.slice(0, 16).endsWith(to) || fullTo!.startsWith(to);
  return isFrom && isTo ? undefined : `${fullFrom} to ${fullTo}`;
}

const PARTLY = 'is known of part of the time: .+?\\.(?=\\s|$)';

/** Less than this is told. */
function isPartly({ attributedUs }: Row, knownUs: number): boolean {
  return attributedUs > 0 && knownUs < 0.99 * attributedUs;
}

/** Each sentence that may stand below the table: whether it must, and whether what it says is so. */
function noteDifferences(notes: string, report: Report): Difference[] {
  const { fromUs, toUs, askedFromUs, askedToUs, roundedTo, rows, sharedUs, all } = report;
  const has = (kind: string): boolean => rows.some((row) => row.kind === kind);
  const isNotTold = rows.some(({ kind, name }) => kind === 'group' && name === undefined);
  const what = ['model', 'cluster'].includes(report.by) ? 'GPUs' : 'jobs';
  const divided = (['stated', 'measured', 'equal'] as const).filter((way) => sharedUs[way]! > 0);
  const ways = { stated: 'by stated shares', measured: 'by measured use', equal: 'in equal parts' };
  const sharing = divided.map((way) => `(\\S+ GPU-hours) ${ways[way]}`).join(', ');
  const sentences: readonly (readonly [boolean, string])[] = [
    [
      fromUs !== askedFromUs || toUs !== askedToUs,
      `The window is rounded outward to whole ${roundedTo}s(?:, since shorter buckets of that time have aged out)?\\.`,
    ],
    [
      report.sampledUs < report.knownUs,
      'seen: the sampled part of the time from the first to the last sign of life of each GPU\\.',
    ],
    [isNotTold, `\\(not told\\): nobody has told the ${report.by} of these ${what}\\.`],
    [has('unresolved'), 'unresolved: a job owned the GPU, but not beyond doubt which\\.'],
    [has('unattributed'), 'free shares: what is left of GPUs whose jobs own only parts of them\\.'],
    [
      rows.some(({ kind, bestJoules }) => kind === 'unowned' && bestJoules !== undefined),
      'Energy of unowned is what the GPUs drew while no job owned them\\.',
    ],
    [
      rows.some(({ idleUs }) => idleUs !== undefined),
      'wasted: owned GPU-hours less SM activity\\. In all, allocated-idle and wasted are of owned time only\\.',
    ],
    [rows.some((row) => isPartly(row, isOwned(row) ? row.smKnownUs : Infinity)), `SM activity ${PARTLY}`],
    [rows.some((row) => isPartly(row, row.bestUs)), `Energy ${PARTLY}`],
    [has('cut'), 'cut GPUs: those of the MIG instances, whose energy is known of the whole GPU only\\.'],
    [divided.length > 0, `Shared GPUs are divided: ${sharing}\\.`],
    [
      report.areSharesScaled === true,
      'The stated shares of some GPUs add up to more than the GPU: made smaller in proportion\\.',
    ],
    [
      (report.lastSigns?.length ?? 0) > 0,
      "Last seen before the window's end, and counted until then: .+?\\.(?=\\s|$)",
    ],
    [
      all.counterJoules === undefined && all.powerJoules !== undefined,
      'Energy is the integral of power: no energy counter was sampled\\.',
    ],
  ];
  let left = notes;
  const differences: Difference[] = [];
  for (const [isDue, pattern] of sentences) {
    const found = new RegExp(`^${pattern}\\s*`).exec(left);
    if (isDue && found === null) differences.push({ path: 'text: note', expected: pattern, got: left });
    if (!isDue || found === null) continue;
    left = left.slice(found[0].length);
    for (const [index, way] of pattern.startsWith('Shared') ? divided.entries() : []) {
      const expected = hoursWrong(found[index + 1]!, sharedUs[way]!);
      if (expected !== undefined)
        differences.push({ path: `text: note ${way}`, expected, got: found[index + 1]! });
    }
  }
  if (left !== '') differences.push({ path: 'text: note', expected: 'nothing more', got: left });
  return differences;
}
