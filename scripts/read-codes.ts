/** Reads from the source which codes are told and thrown: for `docs/codes.md` and its test. */
import { globSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { EXIT_CODES, type ExitName } from '../src/core/base/errors.ts';

/** What the places that name a code say beside it. */
export interface CodeUse {
  /** Levels at which it is told. */
  readonly levels: ReadonlySet<string>;
  /** Exits of the errors that have it. */
  readonly exits: ReadonlySet<ExitName>;
}

interface Uses {
  readonly levels: Set<string>;
  readonly exits: Set<ExitName>;
}

const TABLES = ['src/core/base/notice-codes.ts', 'src/core/base/error-codes.ts'];
/** A code is two words and a dot; a file name is one too, but stands beside no level and no exit. */
const CODE = /^[a-z_]+\.[a-z_]+$/;

/** Every literal of the source that is spelled like a code and stands in an object as its `code`. */
export function codesInSource(): Map<string, CodeUse> {
  const codes = new Map<string, Uses>();
  for (const path of globSync([
    'src/**/*.ts',
    'schemas/**/*.ts',
    'native/**/*.ts',
    'jobs/**/*.ts',
    'scripts/**/*.ts',
  ])) {
    if (TABLES.includes(path)) continue;
    readFile(path, codes);
  }
  return codes;
}

function readFile(path: string, codes: Map<string, Uses>): void {
  const tree = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const visit = (node: ts.Node): void => {
    if (ts.isObjectLiteralExpression(node)) noteObject(node, codes);
    ts.forEachChild(node, visit);
  };
  visit(tree);
}

function noteObject(object: ts.ObjectLiteralExpression, codes: Map<string, Uses>): void {
  for (const code of literalsOf(object, 'code').filter((text) => CODE.test(text))) {
    const uses = codes.get(code) ?? { levels: new Set(), exits: new Set() };
    codes.set(code, uses);
    for (const level of literalsOf(object, 'level')) uses.levels.add(level);
    const exits = literalsOf(object, 'exit');
    if (isOfFileError(object) && !exits.includes('config'))
      for (const exit of FILE_EXITS) uses.exits.add(exit);
    for (const exit of exits) if (exit in EXIT_CODES) uses.exits.add(exit as ExitName);
  }
}

/** What `fileError` makes of an error depends on what the system says. */
const FILE_EXITS: readonly ExitName[] = ['temporary', 'permission', 'config'];

function isOfFileError({ parent }: ts.ObjectLiteralExpression): boolean {
  return ts.isCallExpression(parent) && parent.expression.getText() === 'fileError';
}

/** The string literals that the member may be: of `a ? 'x.y' : 'x.z'` both. */
function literalsOf(object: ts.ObjectLiteralExpression, name: string): string[] {
  return object.properties.flatMap((property) => {
    if (!ts.isPropertyAssignment(property) || property.name.getText() !== name) return [];
    const found: string[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isConditionalExpression(node)) {
        visit(node.whenTrue);
        visit(node.whenFalse);
      } else if (ts.isStringLiteral(node)) found.push(node.text);
    };
    visit(property.initializer);
    return found;
  });
}
