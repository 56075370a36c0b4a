import { globSync, readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

/**
 * The levels of the house: a file imports from its own level or a lower one. Read from every import of every file:
 * static, type-only, re-exported, dynamic, in a type, and the files that workers are started from.
 */

/** Longest matching prefix wins. */
const LEVELS: Readonly<Record<string, number>> = {
  'src/core/': 0,
  'schemas/': 1,
  'native/': 1,
  'src/source/': 2,
  'src/sampler/': 2,
  'src/ownership/': 2,
  'src/questdb/': 2,
  'src/server/': 2,
  'src/disk/': 2,
  'src/config/': 2,
  'src/delivery/': 3,
  'src/job-map/': 3,
  'src/collector/': 3,
  'src/drain/': 3,
  'src/figures/': 3,
  'src/queries/': 3,
  'src/report/': 3,
  'src/idle-watch/': 4,
  'src/site-command/': 4,
  'src/fleet-page/': 4,
  'src/digest/': 4,
  'src/doctor/': 4,
  'jobs/': 4,
  'src/serve/': 5,
  'src/exporter/': 5,
  'src/cli/': 5,
  'src/handler.ts': 5,
};

const LINES_MAX = 450;
/** Lines of a function itself: those of functions inside it count for them. */
const OWN_LINES_MAX = 70;
/** Lines of a function with all that is inside it. */
const FUNCTION_LINES_MAX = 150;
/** Files in one folder. */
const FILES_MAX = 22;
/** Written by a generator, as data. */
const GENERATED = new Set(['src/core/fields/field-catalogue.ts']);

interface Import {
  /** As written; for a computed one, the source text of the expression. */
  readonly what: string;
  readonly isComputed: boolean;
  /** `new URL(…, import.meta.url)`: code if a worker is started from it, a data file otherwise. */
  readonly isUrl: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

function levelOf(path: string): number | undefined {
  const prefix = Object.keys(LEVELS)
    .filter((one) => path.startsWith(one))
    .sort((a, b) => b.length - a.length)[0];
  return prefix === undefined ? undefined : LEVELS[prefix];
}

function parse(path: string, text: string): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
  return { path, text, tree, imports: importsOf(tree) };
}

function importsOf(tree: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const note = (expression: ts.Node, isUrl = false): void => {
    found.push(
      ts.isStringLiteralLike(expression)
        ? { what: expression.text, isComputed: false, isUrl }
        : { what: expression.getText(tree), isComputed: true, isUrl },
    );
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) note(node.moduleSpecifier);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) note(node.moduleSpecifier);
    else if (ts.isImportEqualsDeclaration(node)) note(node.moduleReference);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) note(node.argument.literal);
    else if (ts.isCallExpression(node) && isLoad(node)) note(node.arguments[0]!);
    else if (isUrlBesideThisFile(node)) note(node.arguments![0]!, true);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** `import(…)`, `require(…)`. */
function isLoad(node: ts.CallExpression): boolean {
  const isRequire = ts.isIdentifier(node.expression) && node.expression.text === 'require';
  return node.arguments.length > 0 && (isRequire || node.expression.kind === ts.SyntaxKind.ImportKeyword);
}

/** `codeUrl(…, import.meta.url)` and `new URL(…, import.meta.url)`: how workers, programs and data files are named. */
function isUrlBesideThisFile(node: ts.Node): node is ts.NewExpression | ts.CallExpression {
  const isUrl = ts.isNewExpression(node) && node.expression.getText() === 'URL';
  const isCodeUrl = ts.isCallExpression(node) && node.expression.getText() === 'codeUrl';
  return (isUrl || isCodeUrl) && node.arguments?.[1]?.getText() === 'import.meta.url';
}

/** The places where `name` is used as `name.member` (or `name` alone when no member is given). */
function usesOf(file: SourceFile, name: string, member?: string): number {
  let uses = 0;
  const visit = (node: ts.Node): void => {
    if (
      ts.isPropertyAccessExpression(node) &&
      ts.isIdentifier(node.expression) &&
      node.expression.text === name
    ) {
      if (member === undefined || node.name.text === member) uses += 1;
    }
    ts.forEachChild(node, visit);
  };
  visit(file.tree);
  return uses;
}

interface LongFunction {
  readonly name: string;
  readonly ownLines: number;
  readonly lines: number;
}

function longFunctions(tree: ts.SourceFile): LongFunction[] {
  const found: LongFunction[] = [];
  const lineAt = (position: number): number => tree.getLineAndCharacterOfPosition(position).line;
  /** @returns lines of the outermost functions in `node`, itself included */
  const visit = (node: ts.Node): number => {
    let inside = 0;
    ts.forEachChild(node, (child) => {
      inside += visit(child);
    });
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return inside;
    const lines = lineAt(node.end) - lineAt(node.getStart(tree)) + 1;
    const ownLines = lines - inside;
    if (ownLines > OWN_LINES_MAX || lines > FUNCTION_LINES_MAX)
      found.push({ name: node.name?.getText(tree) ?? `in line ${lineAt(node.pos) + 1}`, ownLines, lines });
    return lines;
  };
  visit(tree);
  return found;
}

/** The file in the project that a relative import means; a built ending stands for its source. */
function targetOf(file: SourceFile, what: string): string {
  return posix.join(dirname(file.path), what).replace(/\.js$/, '.ts');
}

const paths = globSync(['src/**/*.ts', 'schemas/**/*.ts', 'native/**/*.ts', 'jobs/**/*.ts']).sort();
const files = paths.map((path) => parse(path, readFileSync(path, 'utf8')));

/** One line for each file that breaks a rule; the test shows them all at once. */
function breaches(rule: (file: SourceFile) => readonly string[]): string[] {
  return files.flatMap((file) => rule(file).map((text) => `${file.path}: ${text}`));
}

function levelBreaches(file: SourceFile): string[] {
  const own = levelOf(file.path);
  if (own === undefined) return ['stands on no level'];
  const startsWorkers = file.imports.some(({ what }) => what === 'node:worker_threads');
  return file.imports.flatMap(({ what, isComputed, isUrl }) => {
    if (isComputed && isUrl && !startsWorkers) return [];
    if (isComputed) return [`imports ${what}, which cannot be checked`];
    if (!what.startsWith('.')) return [];
    const target = targetOf(file, what);
    if (target.startsWith('..')) return [`reaches out of the project: ${what}`];
    // Files that are no modules (package.json, data) are on no level, and code never comes from outside of one.
    if (!/\.[cm]?[jt]sx?$/.test(target)) return [];
    const level = levelOf(target);
    if (level === undefined) return [`imports ${what}, which is on no level`];
    return level > own ? [`level ${own} imports ${what} of level ${level}`] : [];
  });
}

/** Files of the project that this one imports. Workers and processes that it starts are not: they may import it. */
function targetsOf(file: SourceFile): string[] {
  return file.imports
    .filter(({ what, isComputed, isUrl }) => !isComputed && !isUrl && what.startsWith('.'))
    .map(({ what }) => targetOf(file, what));
}

function packagesOf(file: SourceFile): string[] {
  return file.imports
    .filter(({ what, isComputed }) => !isComputed && !/^\.|^file:/.test(what))
    .map(({ what }) => what);
}

test('there are files to read on every level', () => {
  const levels = new Set(paths.map(levelOf));
  expect([...levels].sort()).toEqual([0, 1, 2, 3, 4, 5]);
});

describe('the house', () => {
  test('imports go down', () => {
    expect(breaches(levelBreaches)).toEqual([]);
  });

  test('what is loose in src/ is an entry, and a folder can be taken in at a glance', () => {
    const loose = paths.filter((path) => /^src\/[^/]+$/.test(path));
    expect(loose).toEqual(['src/handler.ts']);
    const counts = Map.groupBy(paths, (path) => posix.dirname(path));
    const crowded = [...counts].filter(([, inside]) => inside.length > FILES_MAX);
    expect(crowded.map(([folder, inside]) => `${folder}: ${inside.length} files`)).toEqual([]);
  });

  test('no file imports itself by way of others', () => {
    const importsOf = new Map(files.map((file) => [file.path, targetsOf(file)]));
    const reached = (from: string): Set<string> => {
      const seen = new Set<string>();
      const next = [...importsOf.get(from)!];
      for (let path = next.pop(); path !== undefined; path = next.pop()) {
        if (seen.has(path)) continue;
        seen.add(path);
        next.push(...(importsOf.get(path) ?? []));
      }
      return seen;
    };
    expect(paths.filter((path) => reached(path).has(path))).toEqual([]);
  });

  test('figures are made below the reports: only commands, messages and pages served import what shows them', () => {
    const outside = (file: SourceFile): string[] =>
      /^src\/(report|serve|cli|idle-watch|site-command|fleet-page|digest|doctor)\//.test(file.path)
        ? []
        : targetsOf(file).filter((target) => target.startsWith('src/report/'));
    expect(breaches(outside)).toEqual([]);
  });

  test('src/core imports no package and nothing of node', () => {
    const inCore = (file: SourceFile): string[] =>
      file.path.startsWith('src/core/') ? packagesOf(file) : [];
    expect(breaches(inCore)).toEqual([]);
  });

  test('src/core has no clock, no randomness and no environment', () => {
    const inCore = (file: SourceFile): string[] => {
      if (!file.path.startsWith('src/core/')) return [];
      const forbidden = [
        ['Date', 'now'],
        ['performance'],
        ['Math', 'random'],
        ['crypto'],
        ['process'],
        ['globalThis'],
      ] as const;
      const used = forbidden
        .filter(([name, member]) => usesOf(file, name, member) > 0)
        .map((one) => one.join('.'));
      return /\bnew Date\(\)/.test(file.text) ? [...used, 'new Date()'] : used;
    };
    expect(breaches(inCore)).toEqual([]);
  });

  test('koffi is known in native/ only', () => {
    const outside = (file: SourceFile): string[] =>
      file.path.startsWith('native/') ? [] : packagesOf(file).filter((name) => /^koffi(\/|$)/.test(name));
    expect(breaches(outside)).toEqual([]);
  });

  test('only src/cli ends the process, hears signals and prints', () => {
    const outside = (file: SourceFile): string[] => {
      if (file.path.startsWith('src/cli/')) return [];
      const forbidden = [
        ['process', 'exit'],
        ['process', 'exitCode'],
        ['process', 'on'],
        ['process', 'once'],
        ['process', 'stdout'],
        ['process', 'stderr'],
        ['console'],
      ] as const;
      return forbidden.filter(([name, member]) => usesOf(file, name, member) > 0).map((one) => one.join('.'));
    };
    expect(breaches(outside)).toEqual([]);
  });

  test('packages are declared, and development tools are not used at run time', () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const undeclared = (file: SourceFile): string[] =>
      packagesOf(file)
        .filter((name) => !name.startsWith('node:'))
        .filter(
          (name) => !(name.split('/', name.startsWith('@') ? 2 : 1).join('/') in manifest.dependencies),
        );
    expect(breaches(undeclared)).toEqual([]);
  });

  test('a file has one subject: it is short, named for a thing, and no list of re-exports', () => {
    const sizes = breaches(({ path, text }) => {
      const lines = text.split('\n').length - 1;
      return lines > LINES_MAX && !GENERATED.has(path) ? [`${lines} lines`] : [];
    });
    const names = breaches(({ path }) =>
      /(^|\/)(utils?|helpers?|common|misc|types|constants?|index)\.ts$/.test(path)
        ? ['is named for nothing']
        : [],
    );
    const barrels = breaches(({ tree }) =>
      tree.statements.every(isPassedOn) ? ['only passes things on'] : [],
    );
    expect([...sizes, ...names, ...barrels]).toEqual([]);
  });
});

test('a function can be read in one go', () => {
  const scripts = globSync('scripts/**/*.ts').map((path) => parse(path, readFileSync(path, 'utf8')));
  const long = [...files, ...scripts].flatMap(({ path, tree }) =>
    longFunctions(tree).map(
      ({ name, ownLines, lines }) => `${path} ${name}: ${ownLines} of its own, ${lines} in all`,
    ),
  );
  expect(long).toEqual([]);
});

function isPassedOn(statement: ts.Statement): boolean {
  return ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement);
}

describe('this test reads', () => {
  const seen = (text: string): readonly string[] =>
    parse('src/core/x.ts', text).imports.map(({ what }) => what);

  test.each([
    ["import { a } from '../questdb/a.ts';", '../questdb/a.ts'],
    ["import type { A } from '../questdb/a.ts';", '../questdb/a.ts'],
    ["import '../questdb/a.ts';", '../questdb/a.ts'],
    ["export { a } from '../questdb/a.ts';", '../questdb/a.ts'],
    ["export * from '../questdb/a.ts';", '../questdb/a.ts'],
    ["const a = await import('../questdb/a.ts');", '../questdb/a.ts'],
    ["type A = import('../questdb/a.ts').A;", '../questdb/a.ts'],
    ["const a = require('../questdb/a.ts');", '../questdb/a.ts'],
    ["new Worker(new URL('../questdb/a.ts', import.meta.url));", '../questdb/a.ts'],
    ['const a = await import(`../${folder}/a.ts`);', '`../${folder}/a.ts`'],
  ])('%s', (text, what) => {
    expect(seen(text)).toEqual([what]);
    expect(levelBreaches(parse('src/core/x.ts', text))).toHaveLength(1);
  });

  test('a worker whose file is computed as a breach', () => {
    const worker = (url: string): string[] =>
      levelBreaches(parse('src/source/x.ts', `import 'node:worker_threads'; ${url};`));
    expect(worker('new URL(path, import.meta.url)')).toHaveLength(1);
    expect(worker('codeUrl(path, import.meta.url)')).toHaveLength(1);
    expect(worker('codeUrl(`../${folder}/x.ts`, import.meta.url)')).toHaveLength(1);
    expect(worker("codeUrl('../delivery/x-worker.ts', import.meta.url)")).toHaveLength(1);
    expect(worker("codeUrl('./x-worker.ts', import.meta.url)")).toEqual([]);
    expect(levelBreaches(parse('src/source/x.ts', 'new URL(path, import.meta.url);'))).toEqual([]);
  });

  test('a long function, and counts what is inside it apart', () => {
    const body = (lines: number): string => 'a;\n'.repeat(lines);
    const inner = `const g = () => {\n${body(68)}};\n`;
    const long = (text: string): LongFunction[] => longFunctions(parse('src/core/x.ts', text).tree);
    expect(long(`function f() {\n${body(68)}}`)).toEqual([]);
    expect(long(`function f() {\n${body(69)}}`)).toEqual([{ name: 'f', ownLines: 71, lines: 71 }]);
    expect(long(`function f() {\n${inner}${body(68)}}`)).toEqual([]);
    expect(long(`function f() {\n${inner}${inner}${body(9)}}`)).toEqual([
      { name: 'f', ownLines: 11, lines: 151 },
    ]);
  });

  test('and lets what goes down or stays on its level pass', () => {
    expect(
      levelBreaches(parse('src/questdb/x.ts', "import '../core/a.ts'; import './b.ts'; import 'node:fs';")),
    ).toEqual([]);
    expect(
      levelBreaches(parse('src/cli/x.ts', "import '../../jobs/a.ts'; import '../collector/a.ts';")),
    ).toEqual([]);
    expect(levelBreaches(parse('src/collector/collector.ts', "import '../jobs/a.ts';"))).toHaveLength(1);
    expect(levelBreaches(parse('native/x.ts', "import '../src/source/a.ts';"))).toHaveLength(1);
  });
});
