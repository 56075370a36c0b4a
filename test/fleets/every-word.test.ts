/**
 * Goal: nothing is printed that the oracle does not read. Method: all that `src/report` can print is taken from its source (keys of
 * JSON, columns of CSV, pieces of text), and must be named in the source of the truth's expectations and readers, or below with
 * the reason. What a drawn fleet prints beyond that is a difference anyhow; this finds what no drawn fleet prints.
 */
import { globSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, test } from 'vitest';

const FIGURES = ['src/figures/job/figures.ts', 'src/figures/capacity/figures.ts'];
const JSON_FILES = ['src/report/json.ts', 'src/report/causes-json.ts', 'src/report/finding-json.ts'];
/** Interfaces that go into the JSON as they are. */
const PASSED = [
  'JobIdentity',
  'OtherJob',
  'Gap',
  'UnplacedGaps',
  'LastSign',
  'BillingCheck',
  'BillingDifference',
];

const OUTSIDE = {
  events: 'no events are drawn (XIDs, throttles, pauses): test/figures/truth.test.ts has them',
  arrays: 'no arrays and steps are drawn: test/report/golden.test.ts has them',
  open: 'all drawn jobs have ended: test/report/golden.test.ts has running ones',
  kept: 'no figures are kept of drawn jobs: test/report/golden.test.ts has them',
  old: 'no rollups of before owner sets are drawn, and none that the server does not update any more',
  lanes: 'every drawn lane records activity, and none records links',
  inventory: 'all drawn devices are in the inventory, and all drawn jobs have devices',
  long: 'no drawn list is so long that it is cut',
  synthetic: 'no drawn GPU is synthetic: test/figures/truth.test.ts has those',
  jobs: 'no table of many jobs is asked for: test/figures/jobs.test.ts has them',
  history: 'no drawn job is asked for beside its earlier runs: test/figures/job-history.test.ts has them',
  host: 'no cgroups are read of drawn jobs: test/figures/host-figures.test.ts has them',
  wide: 'no drawn fleet is looked at on a wide terminal: test/report/heat-text.test.ts is',
  narrowed: 'the command line tells everybody of everything: test/serve/api.test.ts has others',
  chosen:
    'all rows of one name are asked for, and months of UTC: test/figures/capacity-groups.test.ts asks for more names, and for months of zones',
  nodes:
    'nobody tells how drawn nodes are, and of no drawn job it is kept where its time went: test/figures/capacity-groups.test.ts has both, and capacity-fragmented.test.ts those who wait',
  sizes: 'of no drawn fleet a what-if is asked: test/figures/right-size has some',
  costs: 'no costs are configured: test/figures/job-costs.test.ts and capacity-costs.test.ts have them',
} as const;

type Why = keyof typeof OUTSIDE;

/** Keys of JSON that no truth covers. */
const LEFT_KEYS: Readonly<Partial<Record<Why, readonly string[]>>> = {
  events: ['event', 'othersSmRatio'],
  arrays: ['askedStep', 'runCount', 'sluid', 'task', 'taskCount', 'tasks'],
  kept: ['isFromKeptFigures', 'isKept', 'rulesKept'],
  old: ['undividedUs'],
  long: ['reusedIdsLeft'],
  jobs: ['typedId', 'lostUs'],
  history: ['history'],
  narrowed: ['isNarrowed'],
  chosen: ['also', 'timeZone', 'top', 'where'],
  sizes: ['whatIfs'],
  costs: ['costRates', 'costs'],
};
/** Columns of CSV. */
const LEFT_COLUMNS: Readonly<Partial<Record<Why, readonly string[]>>> = {
  arrays: ['exit_code', 'of', 'state', 'task'],
  jobs: [
    'account',
    'energy_kwh',
    'findings',
    'gpu_hours',
    'job',
    'lost_us',
    'nodes',
    'partition',
    'qos',
    'user',
  ],
};
/** Pieces of text. */
const LEFT_TEXTS: Readonly<Partial<Record<Why, readonly string[]>>> = {
  wide: ['SM activity over time', 'a column is', 'a full block 100', 'more: --html FILE draws all'],
  events: [
    'ECC error',
    'row remapped',
    'no values of',
    'values again of',
    'ran at',
    "of the others' SM activity while throttled",
    'the power limit held down the clocks of',
    'nothing that the job can change',
    'the job waits for its slowest GPU',
    'more events of its nodes (--json',
  ],
  arrays: [
    'steps are not kept apart, this is the whole job',
    'of array',
    'of heterogeneous job',
    'Heterogeneous job',
    'raw id',
    'more (--all',
  ],
  open: [
    'all GPUs have been idle since',
    'still running',
    'so far',
    'no progress since',
    'Processes that wait for each other',
    'running, all GPUs idle since',
    'running, at work',
    'running, last active at',
    'running, no progress since',
    'running, not seen since',
  ],
  host: [
    'CPU cores busy',
    'CPU cores of a node busy',
    'While it worked',
    'its processes',
    'its processes hardly ran, and hardly waited for storage',
    'of a node',
    'waited for storage',
    'waits for storage',
  ],
  synthetic: ['synthetic GPUs'],
  kept: [
    'its samples have aged out: from the figures kept of it, without percentiles, course, gaps and dips',
    'stood out while its samples were there',
    'where the time went was told while the samples were there',
  ],
  old: [
    'Idleness by this limit',
    "are in no figure: nobody recorded which part of the GPU was the job's",
    'while samples are left: gpuledger schema apply',
    'in free shares several jobs owned the GPU, and nobody recorded which parts: rollups of before owner sets',
    'The server has stopped updating',
    'later changes are missing. Mend it: gpuledger schema apply',
    'no reason told',
  ],
  lanes: [
    'a card that is not well seated, or a bad riser',
    'never did more than',
    'the PCIe link of',
    'mean of a GPU, both ways',
    'SM activity is in no lane of the configuration: no idle time, no mean',
  ],
  narrowed: ['others: all whose names you may not see'],
  chosen: ['Months are those of', 'others: all but the', 'with most GPU time'],
  nodes: [
    'free in too small pieces',
    'free in too small pieces: a job waited that asked for no more GPUs than were free, and they lay on more nodes than it can use',
    'free: nobody asked who waited, so it is not known what of it lay in too small pieces',
    'free: what of it lay in too small pieces is told of windows of up to 31 days',
    'node down',
    'node drained',
    'owned: effective',
    'owned: idle at the beginning',
    'owned: idle at the end',
    'owned: low use',
    'owned: waiting, no progress',
  ],
  history: ['failed soon', 'runs one after the other'],
  inventory: [
    'GPU of unknown model',
    'it had no GPUs, or nobody recorded which',
    'which GPUs it had is not known: none goes by the name that was told',
    'gpuledger devices lists those of a node',
  ],
  long: [
    'more (--json',
    'more GPUs like these (--all',
    'more id',
    'had several jobs in this window: their time is with one of them each',
    'one of them',
    'Owned time was not compared with what the scheduler counted: the window is longer than 100 days',
  ],
};

/**
 * What windows of a job tell, of which no truth is drawn (test/report/analysis-text.test.ts, test/figures/job-analysis.test.ts), and
 * the table of many jobs (test/figures/jobs.test.ts), what is told where costs are configured, and of earlier runs
 * (test/figures/job-history.test.ts).
 */
const LEFT_FILES = [
  'src/report/analysis-text.ts',
  'src/report/costs-text.ts',
  'src/report/history/history-text.ts',
  // What will be has no truth in a drawn fleet: test/figures/forecast.test.ts has it.
  'src/report/forecast/*.ts',
  // Nothing breaks in a drawn fleet: test/figures/reliability.test.ts has it.
  'src/report/reliability/*.ts',
  'src/report/jobs-text.ts',
  // No drawn fleet has a queue: test/figures/queue has some.
  'src/report/queue/*.ts',
  // No fleet is drawn of which a user is told: test/figures/user.test.ts has it.
  'src/report/user/amount-lines.ts',
  'src/report/user/rule-advice.ts',
  'src/report/user/user-text.ts',
  // Nor one of which a bill is: test/figures/bill has it.
  'src/report/bill/*.ts',
  // Nor a digest of a month: test/digest has it.
  'src/report/digest/*.ts',
  // Nor is any told which sizes would have done: test/figures/right-size has them.
  'src/report/right-size/*.ts',
  // What runs now is no report of a window: test/figures/idle-watch.test.ts has it.
  'src/report/idle-watch-text.ts',
  // Pages are looked at in a browser: test/pages.
  'src/report/page/**/*.ts',
  // No report: test/queries has what is said of named queries.
  'src/report/query-text.ts',
];

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => {
    visit(child, see);
  });
}

/** Names of the properties of all objects that a file makes. */
function keysIn(path: string): Set<string> {
  const keys = new Set<string>();
  visit(parse(path), (node) => {
    if (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node))
      if (ts.isIdentifier(node.name) || ts.isStringLiteral(node.name)) keys.add(node.name.text);
  });
  return keys;
}

function propertiesOf(path: string, interfaces: readonly string[]): string[] {
  const names: string[] = [];
  visit(parse(path), (node) => {
    if (!ts.isInterfaceDeclaration(node) || !interfaces.includes(node.name.text)) return;
    for (const member of node.members)
      if (ts.isPropertySignature(member) && ts.isIdentifier(member.name)) names.push(member.name.text);
  });
  return names;
}

/** Pieces of text between what is filled in, as far as they hold words. */
function piecesIn(path: string): Set<string> {
  const pieces = new Set<string>();
  visit(parse(path), (node) => {
    const isText =
      ts.isStringLiteral(node) ||
      ts.isNoSubstitutionTemplateLiteral(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddle(node) ||
      ts.isTemplateTail(node);
    if (!isText || ts.isImportDeclaration(node.parent) || ts.isLiteralTypeNode(node.parent)) return;
    // Readers put numbers and names beside it in their own way.
    const piece = node.text.replaceAll(/^\W+|\W+$/g, '');
    // Single words are codes, sides and units; those of columns are known to the readers, or the column is a difference.
    if (/[a-z]{2}.* .*[a-z]{2}/i.test(piece)) pieces.add(piece);
  });
  return pieces;
}

/** The source of the oracle without its comments, with what stands in patterns as it is printed. */
function oracleSource(names: string): string {
  return globSync(`test/fleets/${names}.ts`)
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n')
    .replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '')
    .replaceAll('(?:', '')
    .replaceAll(/\\+([^a-z\\])/g, '$1');
}

/** @param isCovered what the oracle knows @param left what it does not, with the reason */
function expectCovered(
  all: Iterable<string>,
  isCovered: (one: string) => boolean,
  left: Readonly<Partial<Record<Why, readonly string[]>>>,
): void {
  const unknown = [...all].filter((one) => !isCovered(one)).sort();
  expect(unknown).toEqual(Object.values(left).flat().sort());
}

test('keys of JSON', () => {
  const source = oracleSource('truth/*');
  const passed = FIGURES.flatMap((path) => propertiesOf(path, PASSED));
  const made = JSON_FILES.flatMap((path) => [...keysIn(path)]);
  const keys = new Set([...made, ...passed]);
  expectCovered(keys, (key) => new RegExp(`\\b${key}\\b`).test(source), LEFT_KEYS);
});

test('columns of CSV', () => {
  const source = oracleSource('read/csv');
  const files = ['src/report/csv.ts', 'src/report/capacity/capacity-csv.ts'];
  const columns = files
    .flatMap((path) => [...keysIn(path)])
    .filter((name) => !['columns', 'header', 'sums'].includes(name));
  expectCovered(columns, (name) => new RegExp(`\\b${name}\\b`).test(source), LEFT_COLUMNS);
});

test('pieces of text', () => {
  const source = oracleSource('{read/*,truth/expect-*}');
  const pieces = new Set(
    globSync('src/report/**/*.ts', { exclude: LEFT_FILES }).flatMap((path) => [...piecesIn(path)]),
  );
  expectCovered(pieces, (piece) => source.includes(piece), LEFT_TEXTS);
});

test('reasons are of something', () => {
  const used = [LEFT_KEYS, LEFT_COLUMNS, LEFT_TEXTS].flatMap((left) => Object.keys(left));
  expect(Object.keys(OUTSIDE).filter((why) => !used.includes(why))).toEqual([]);
});
