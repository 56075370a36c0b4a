/**
 * Generates docs/api.md: what the package exports, from the declarations and comments of src/handler.ts and of the types
 * that these name. With `--check` it writes nothing and fails when the file is not what it would write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import ts from 'typescript';

const ENTRY = fileURLToPath(new URL('../src/handler.ts', import.meta.url));
const output = new URL('../docs/api.md', import.meta.url);

type Declaration = ts.FunctionDeclaration | ts.InterfaceDeclaration | ts.TypeAliasDeclaration;

const program = ts.createProgram([ENTRY], {
  target: ts.ScriptTarget.ES2024,
  module: ts.ModuleKind.NodeNext,
  strict: true,
  noEmit: true,
  noErrorTruncation: true,
  allowImportingTsExtensions: true,
});
const checker = program.getTypeChecker();

/** The declarations of the package's exports, and after them those of ours that they name, each once. */
function declarations(): Declaration[] {
  const entry = checker.getSymbolAtLocation(program.getSourceFile(ENTRY)!)!;
  const found = new Set<Declaration>();
  const add = (symbol: ts.Symbol): void => {
    const aim = (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
    for (const declaration of aim.declarations ?? []) {
      if (isOurs(declaration)) found.add(declaration);
    }
  };
  checker.getExportsOfModule(entry).forEach(add);
  // A set is walked in the order of its growth: what a declaration names comes after it.
  for (const declaration of found) namesIn(declaration, add);
  return [...found];
}

function isOurs(node: ts.Declaration): node is Declaration {
  const isKnown =
    ts.isFunctionDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
  return isKnown && !node.getSourceFile().fileName.includes('node_modules');
}

/** Types that a reader of the declaration meets; not what a function does inside. */
function namesIn(declaration: Declaration, add: (symbol: ts.Symbol) => void): void {
  // Of an alias the values are printed, so that there is no name left.
  if (ts.isTypeAliasDeclaration(declaration)) return;
  const body = ts.isFunctionDeclaration(declaration) ? declaration.body : undefined;
  const visit = (node: ts.Node): void => {
    if (node === body) return;
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : undefined;
    const symbol = name === undefined ? undefined : checker.getSymbolAtLocation(name);
    if (symbol !== undefined) add(symbol);
    ts.forEachChild(node, visit);
  };
  visit(declaration);
}

/** The declaration with its comment, as it is written, without the body of a function. */
function textOf(declaration: Declaration): string {
  const source = declaration.getSourceFile();
  const end =
    ts.isFunctionDeclaration(declaration) && declaration.body !== undefined
      ? declaration.body.getStart()
      : declaration.end;
  const comment = ts.getJSDocCommentsAndTags(declaration).at(-1)?.getText(source);
  const code = source.text.slice(declaration.getStart(), end).replace(/^export (async )?/, '');
  return [comment, ts.isTypeAliasDeclaration(declaration) ? aliasText(declaration) : code.trim()]
    .filter((part) => part !== undefined)
    .join('\n');
}

function aliasText(declaration: ts.TypeAliasDeclaration): string {
  const type = checker.getTypeAtLocation(declaration);
  return `type ${declaration.name.text} = ${checker.typeToString(type, undefined, ts.TypeFormatFlags.InTypeAlias)};`;
}

function page(): string {
  return [
    '# The package',
    '',
    "`import { handler } from 'gpuledger';` [drain.md](drain.md#as-a-function) says what it is for, and what the event may hold.",
    'This file is made by `npm run generate` from the source.',
    '',
    ...declarations().flatMap((declaration) => [
      `## ${declaration.name!.text}`,
      '',
      '```ts',
      textOf(declaration),
      '```',
      '',
    ]),
  ].join('\n');
}

const text = await format(page(), { parser: 'markdown', printWidth: 110, singleQuote: true });
if (!process.argv.includes('--check')) writeFileSync(output, text);
else if (readFileSync(output, 'utf8') !== text) {
  process.stderr.write('docs/api.md is not what the source says: run npm run generate\n');
  process.exitCode = 1;
}
