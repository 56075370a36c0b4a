import type { Difference, Json } from '../differences.ts';
import { coverageWrong, hoursWrong, isPrinted, ratioWrong, type Wrong, energyWrong } from './printed.ts';
import { installedWrong } from './installed-text.ts';
import { limitsText, type ToldLimits } from './idle-limits.ts';
import { markedEnergyWrong } from './mig-text.ts';

/** The text of a capacity report against its JSON: every line is read, and one that cannot be read is a difference. */

interface Row {
  readonly kind: string;
  readonly name?: string;
  readonly cluster?: string;
  readonly period?: string;
  readonly attributedUs: number;
  readonly idleUs?: number;
  readonly idleKnownUs: number;
  readonly wastedUs?: number;
  readonly smActiveMean?: number;
  readonly smKnownUs: number;
  readonly counterJoules?: number;
  readonly powerJoules?: number;
  readonly bestJoules?: number;
  readonly bestUs: number;
  readonly dividedJoules?: number;
  readonly instanceUs?: number;
  readonly unownedUs?: number;
  readonly jobs: number;
}

interface Report {
  readonly by: string;
  readonly every?: string;
  readonly cluster?: string;
  readonly askedFromUs: number;
  readonly askedToUs: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly roundedTo: string;
  readonly isAged?: boolean;
  readonly devices: number;
  readonly migInstances: number;
  readonly nodes: number;
  readonly knownUs: number;
  readonly samples: number;
  readonly sampledUs: number;
  readonly rows: readonly Row[];
  readonly all: Row;
  readonly installed: { readonly all: Readonly<Record<string, number>> };
  readonly sharedUs: Readonly<Record<string, number>>;
  readonly areSharesScaled?: boolean;
  readonly unknownSlicesUs?: number;
  readonly closeIdsLeft?: number;
  readonly billing: Billing;
  readonly idleLimits: ToldLimits;
  readonly lastSigns?: readonly { readonly gpu: string; readonly node: string; readonly lastUs: number }[];
}

interface Billing {
  readonly compared: number;
  readonly unbilled: number;
  readonly unrecorded: number;
  readonly differences: readonly {
    readonly jobId: string;
    readonly ownedUs: number;
    readonly billedUs: number;
  }[];
}

const NAMES: Readonly<Record<string, string>> = {
  unattributed: 'free shares',
  unallocated: 'unallocated slices',
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
  return hours(number, us) ?? partWrong(part, us, ofUs);
}

/** Of no time nothing is a part. */
function partWrong(cell: string, us: number, ofUs: number): Wrong {
  return ofUs === 0 ? dash(cell) : ratioWrong(cell, us / ofUs);
}

const isOwned = ({ kind }: Row): boolean => ['group', 'unresolved', 'all'].includes(kind);

const COLUMNS: Readonly<Record<string, Column>> = {
  'GPU-hours': (cell, { attributedUs }) => hours(cell, attributedUs),
  unowned: (cell, { unownedUs, attributedUs }) =>
    unownedUs === undefined ? dash(cell) : hoursAndPart(cell, unownedUs, unownedUs + attributedUs),
  share: (cell, { attributedUs }, { sampledUs }) => partWrong(cell, attributedUs, sampledUs),
  'allocated-idle': (cell, row) => {
    if (row.idleUs === undefined || !isOwned(row)) return dash(cell);
    return hoursAndPart(cell, row.idleUs, row.idleKnownUs);
  },
  'SM active': (cell, row) =>
    row.smActiveMean === undefined || !isOwned(row) ? dash(cell) : ratioWrong(cell, row.smActiveMean),
  wasted: (cell, row) =>
    row.wastedUs === undefined || !isOwned(row) ? dash(cell) : hours(cell, row.wastedUs),
  energy: (cell, row) => markedEnergyWrong(cell, row),
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
  const noDataAt = lines.indexOf('  no data: nothing was sampled in this window. Was a collector running?');
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
  if (report.every !== undefined) {
    const title = titles.shift() ?? '';
    wrong('period', title === report.every ? undefined : report.every, title);
  }
  const columns = ['GPU-hours', 'unowned', 'share', 'allocated-idle', 'SM active', 'wasted', 'energy', 'jobs']
    .filter((title) => title !== 'unowned' || report.rows.some(({ unownedUs }) => unownedUs !== undefined))
    .join();
  wrong('columns', titles.join() === columns ? undefined : columns, titles.join());
  const all: Row = { ...report.all, kind: 'all' };
  const rows: Row[] = [...report.rows, all];
  for (const [index, row] of rows.entries()) {
    const line = lines[headAt + 1 + index] ?? '';
    const [name = '', ...cells] = line.trim().split(/\s{2,}/);
    wrong(`row ${index}`, nameWrong(name, row, report), name);
    const period = row.period === undefined ? undefined : cells.shift();
    wrong(`row ${index}`, period === row.period ? undefined : row.period, period ?? '');
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
  const below = lines.slice(headAt + 1 + rows.length);
  const hasInstalled = below[1] === '  Where the time of the GPUs went';
  const isDue = Object.keys(report.installed.all).length > 0;
  wrong('where the time went', hasInstalled === isDue ? undefined : 'a table', below[1] ?? '');
  const read = hasInstalled
    ? installedWrong(below.slice(2), report.installed.all)
    : { wrong: undefined, count: -2 };
  wrong('where the time went', read.wrong, below.slice(0, read.count + 2).join('\n'));
  const notes = below
    .slice(2 + read.count)
    .map((line) => line.trim())
    .join(' ');
  differences.push(...noteDifferences(notes, report));
  return differences;
}

/** A node is named with its cluster where another cluster has one of that name. */
function nameWrong(got: string, { kind, name, cluster }: Row, { rows }: Report): Wrong {
  const plain = kind === 'group' ? (name ?? '(not told)') : NAMES[kind]!;
  const others = rows.filter((row) => row.kind === 'group' && row.name === name && row.cluster !== cluster);
  const isOfCluster = kind === 'group' && cluster !== undefined && others.length > 0;
  const wanted = isOfCluster ? `${cluster}/${plain}` : plain;
  return got === wanted ? undefined : wanted;
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
    sampledUs === 0
      ? seen === 'nothing seen'
        ? undefined
        : 'nothing seen'
      : coverageWrong(seen.replace('seen ', ''), sampledUs / knownUs);
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

/** A sentence that may stand below the table. */
interface Sentence {
  readonly isDue: boolean;
  readonly pattern: string;
  /** Says what is wrong with what stands in its groups. */
  readonly check?: (groups: readonly string[]) => Wrong;
}

/** Each sentence that may stand below the table: whether it must, and whether what it says is so. */
function noteDifferences(notes: string, report: Report): Difference[] {
  let left = notes;
  const differences: Difference[] = [];
  for (const { isDue, pattern, check } of sentencesOf(report)) {
    if (!isDue) continue;
    const found = new RegExp(`^${pattern}(?:\\s+|$)`).exec(left);
    if (found === null) {
      differences.push({ path: 'text: note', expected: pattern, got: left });
      continue;
    }
    left = left.slice(found[0].length);
    const wrong = check?.(found.slice(1));
    if (wrong !== undefined) differences.push({ path: 'text: note', expected: wrong, got: found[0] });
  }
  if (left !== '') differences.push({ path: 'text: note', expected: 'nothing more', got: left });
  return differences;
}

function sentencesOf(report: Report): readonly Sentence[] {
  const { fromUs, toUs, askedFromUs, askedToUs, roundedTo, isAged = false, rows, all } = report;
  const { lastSigns = [], unknownSlicesUs = 0, closeIdsLeft = 0, idleLimits } = report;
  const has = (kind: string): boolean => rows.some((row) => row.kind === kind);
  const isNotTold = rows.some(({ kind, name }) => kind === 'group' && name === undefined);
  const what = ['model', 'cluster'].includes(report.by) ? 'GPUs' : 'jobs';
  const instances =
    (us: number) =>
    ([text = '']: readonly string[]) =>
      hoursWrong(text, us, 'instance');
  return [
    {
      isDue: fromUs !== askedFromUs || toUs !== askedToUs,
      pattern: `The window is rounded outward to whole ${roundedTo}s${isAged ? ', since shorter buckets of that time have aged out' : ''}\\.`,
    },
    {
      isDue: report.sampledUs < report.knownUs,
      pattern: 'seen: the sampled part of the time from the first to the last sign of life of each GPU\\.',
    },
    {
      isDue: isNotTold,
      pattern: `\\(not told\\): nobody has told the ${report.by === 'qos' ? 'QOS' : report.by} of these ${what}\\.`,
    },
    {
      isDue: closeIdsLeft > 0,
      pattern: `${closeIdsLeft} ids? had a job soon after another: the day, hour or minute in which the later one began is with that one\\.`,
    },
    { isDue: has('unresolved'), pattern: 'unresolved: a job owned the GPU, but not beyond doubt which\\.' },
    {
      isDue: has('unattributed'),
      pattern: 'free shares: what is left of GPUs whose jobs own only parts of them\\.',
    },
    {
      isDue: rows.some(({ kind, bestJoules }) => kind === 'unowned' && bestJoules !== undefined),
      pattern:
        'Energy of unowned is what the GPUs drew while no job owned them: (.+?Wh)(?:, (.+?%) of all energy)?\\.',
      check: ([energy = '', ratio = '']) => {
        const joules = rows
          .filter(({ kind }) => kind === 'unowned')
          .reduce((sum, { bestJoules = 0 }) => sum + bestJoules, 0);
        const allJoules = all.bestJoules ?? 0;
        return (
          energyWrong(energy, joules, 3) ??
          (allJoules > 0 ? ratioWrong(ratio, joules / allJoules) : undefined)
        );
      },
    },
    {
      isDue: rows.some(({ idleUs }) => idleUs !== undefined),
      pattern: `allocated-idle: ${limitsText(idleLimits).replaceAll(/[.()]/g, String.raw`\$&`)}\\. wasted: owned GPU-hours less SM activity\\. In all, allocated-idle and wasted are of owned time only\\.`,
    },
    partlySentence(report, 'SM activity', (row) => (isOwned(row) ? row.smKnownUs : undefined)),
    partlySentence(report, 'Energy', ({ bestUs }) => bestUs),
    {
      isDue: has('cut'),
      pattern:
        'cut GPUs: cut into MIG instances of which the slices are not known, so not divided among them\\.',
    },
    { isDue: has('unallocated'), pattern: 'unallocated slices: what MIG instances leave of their GPUs\\.' },
    {
      isDue: (all.instanceUs ?? 0) > 0,
      pattern: 'MIG instances count by their slices: (\\S+ instance-hours) of them\\.',
      check: instances(all.instanceUs ?? 0),
    },
    {
      isDue: all.dividedJoules !== undefined,
      pattern:
        '÷: in part the energy of GPUs that are cut into MIG instances, divided by slices and activity\\.',
    },
    {
      isDue: unknownSlicesUs > 0,
      pattern:
        '(\\S+ instance-hours) of MIG instances are in no group: it is not known how many slices they have\\.',
      check: instances(unknownSlicesUs),
    },
    sharingSentence(report),
    {
      isDue: report.areSharesScaled === true,
      pattern: 'The stated shares of some GPUs add up to more than the GPU: made smaller in proportion\\.',
    },
    billingSentence(report.billing),
    {
      isDue: lastSigns.length > 0,
      pattern: "Last seen before the window's end, and counted until then: (.+? UTC(?:, and \\d+ more)?)\\.",
      check: ([list = '']) => listWrong(list, lastSigns.map(lastSignText), 'and'),
    },
    {
      isDue: all.counterJoules === undefined && all.powerJoules !== undefined,
      pattern: 'Energy is the integral of power: no energy counter was sampled\\.',
    },
  ];
}

const LISTED_MAX = 4;

/** The first ones of a list, and how many more there are. */
function listWrong(list: string, items: readonly string[], more: 'and' | 'and of'): Wrong {
  const left = items.length - LISTED_MAX;
  const wanted = [...items.slice(0, LISTED_MAX), ...(left > 0 ? [`${more} ${left} more`] : [])].join(', ');
  return list === wanted ? undefined : wanted;
}

function lastSignText({ gpu, node, lastUs }: { gpu: string; node: string; lastUs: number }): string {
  const at = new Date(Math.floor(lastUs / 1000)).toISOString();
  return `${node} ${gpu.length > 12 ? `…${gpu.slice(-8)}` : gpu} at ${at.slice(0, 10)} ${at.slice(11, 19)} UTC`;
}

/** Of less than 99 % of a row's time is told of how much. */
const count = (number: number, what: string): string =>
  `${number.toLocaleString('en-US')} ${what}${number === 1 ? '' : 's'}`;

/** Where owned time is not what the scheduler counted. */
function billingSentence({ compared, unbilled, unrecorded, differences }: Billing): Sentence {
  const isDue = compared + unrecorded > 0;
  const untold = [
    ...(unbilled > 0 ? [`of ${count(unbilled, 'job id')} nobody told what it counted`] : []),
    ...(unrecorded > 0 ? [`of ${count(unrecorded, 'job id')} that it gave GPUs none was recorded here`] : []),
  ].join(', ');
  const end = untold === '' ? '\\.' : `; ${untold}\\.`;
  if (compared === 0) return { isDue, pattern: `Owned time and the scheduler's GPUs × time: ${untold}\\.` };
  const ids = count(compared, 'job id');
  if (differences.length === 0)
    return {
      isDue,
      pattern: `Owned time of ${ids} is the scheduler's GPUs × time, within a minute a GPU${end}`,
    };
  const listed = differences.slice(0, 4);
  const hours = listed.map(({ jobId }) => `job ${jobId} (\\S+) of (\\S+\\sGPU-hours)`).join(', ');
  const more = differences.length > 4 ? `, and ${differences.length - 4} more` : '';
  return {
    isDue,
    pattern: `Of ${ids} owned time is not the scheduler's GPUs × time in ${count(differences.length, 'run')}: ${hours}${more}${end}`,
    check: (groups) =>
      listed
        .map(({ ownedUs, billedUs }, index) => {
          const [owned = '', billed = ''] = groups.slice(2 * index);
          return hoursWrong(`${owned} GPU-hours`, ownedUs) ?? hoursWrong(billed, billedUs);
        })
        .find((wrong) => wrong !== undefined),
  };
}

function partlySentence(report: Report, what: string, knownUsOf: (row: Row) => number | undefined): Sentence {
  const { rows } = report;
  const partly = rows.flatMap((row) => {
    const knownUs = knownUsOf(row);
    const isPartly = row.attributedUs > 0 && knownUs !== undefined && knownUs < 0.99 * row.attributedUs;
    return isPartly ? [{ row, ratio: knownUs / row.attributedUs }] : [];
  });
  return {
    isDue: partly.length > 0,
    pattern: `${what} is known of part of the time: ((?:.+? %, )*?.+? %(?:, and of \\d+ more)?)\\.`,
    check: ([list = '']) => {
      const left = partly.length - LISTED_MAX;
      const more = left > 0 ? `, and of ${left} more` : '';
      if (!list.endsWith(more)) return more;
      const items = list.slice(0, list.length - more.length).split(', ');
      if (items.length !== Math.min(partly.length, LISTED_MAX)) return `${partly.length} rows`;
      return items
        .map((item, at): Wrong => {
          const { row, ratio } = partly[at]!;
          const [, label = '', percent = ''] = /^(.+?) ((?:< ?)?[\d.]+ %)$/.exec(item) ?? [];
          const when = row.period === undefined ? '' : ` ${row.period}`;
          if (!label.endsWith(when)) return when;
          return (
            nameWrong(label.slice(0, label.length - when.length), row, report) ?? ratioWrong(percent, ratio)
          );
        })
        .find((wrong) => wrong !== undefined);
    },
  };
}

function sharingSentence({ sharedUs }: Report): Sentence {
  const divided = (['stated', 'measured', 'equal'] as const).filter((way) => sharedUs[way]! > 0);
  const ways = { stated: 'by stated shares', measured: 'by measured use', equal: 'in equal parts' };
  return {
    isDue: divided.length > 0,
    pattern: `Shared GPUs are divided: ${divided.map((way) => `(\\S+ GPU-hours) ${ways[way]}`).join(', ')}\\.`,
    check: (groups) =>
      divided.map((way, at) => hoursWrong(groups[at]!, sharedUs[way]!)).find((wrong) => wrong !== undefined),
  };
}
