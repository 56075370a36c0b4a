import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import type { ConfigPath } from '../problem.ts';

/** A line of the file: its number, counted from 1, and its text without comment and indentation. */
interface YamlLine {
  readonly line: number;
  readonly text: string;
}

export interface ConfigYaml {
  /** Maps and lists; an empty file is an empty map. */
  readonly raw: unknown;
  /** What keeps the text from being YAML. */
  readonly problems: readonly (YamlLine & { readonly message: string })[];
  /** The line of the key or list entry at a path, or of the nearest one above that exists. */
  locate(path: ConfigPath): YamlLine | undefined;
  /** Whether the file itself has a value at this path. */
  has(path: ConfigPath): boolean;
}

const LINE_LENGTH_MAX = 80;
/** No key lies deeper than a few. */
const DEPTH_MAX = 16;

export function parseConfigYaml(text: string): ConfigYaml {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const lines = text.split('\n');
  const lineAt = (offset: number): YamlLine => {
    const { line } = counter.linePos(offset);
    return { line, text: shownLine(lines[line - 1] ?? '') };
  };
  const problems = document.errors.map((error) => ({
    ...lineAt(error.pos[0]),
    message: yamlSentence(error, lineAt(error.pos[0]).text),
  }));
  let raw: unknown = {};
  const refuse = (reason: string): void => {
    problems.push({ line: 1, text: '', message: `not a configuration: ${reason}` });
  };
  try {
    if (problems.length === 0) raw = (document.toJS() as unknown) ?? {};
  } catch (thrown) {
    // Aliases of aliases grow without end; an alias may name nothing.
    if (!(thrown instanceof ReferenceError)) throw thrown;
    refuse(thrown.message);
  }
  if (isDeeper(raw, DEPTH_MAX)) {
    // An anchor that holds itself has no end.
    refuse(`expected at most ${DEPTH_MAX} maps and lists within each other, found more`);
    raw = {};
  }
  return {
    raw,
    problems,
    locate(path) {
      const offset = findOffset(document, path).offset;
      return offset === undefined ? undefined : lineAt(offset);
    },
    has: (path) => findOffset(document, path).isWhole,
  };
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function yamlSentence(error: { readonly code: string; readonly message: string }, line: string): string {
  if (error.message.includes('call stack')) return 'not YAML: nested too deeply';
  // What stands there is not quoted: whatever is no YAML may be a secret that came to the wrong place.
  if (error.code !== 'DUPLICATE_KEY') return `not YAML: ${error.message.replace(/["'`].*/, '…')}`;
  return `key "${line.split(':')[0] ?? ''}" comes twice`;
}

/** Walks down as far as the path exists. */
function findOffset(document: Document, path: ConfigPath): { offset: number | undefined; isWhole: boolean } {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => String(isScalar(item.key) ? item.key.value : item.key) === String(key),
      );
      if (pair === undefined) return { offset, isWhole: false };
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(key)];
      if (item === undefined) return { offset, isWhole: false };
      offset = startOf(item) ?? offset;
      node = item;
    } else return { offset, isWhole: false };
  }
  return { offset, isWhole: node !== undefined && !(isScalar(node) && node.value === null) };
}

function startOf(node: unknown): number | undefined {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)
    ? (node.range[0] as number)
    : undefined;
}

/** A line as it may be printed: secrets masked, no comment, not longer than a line of a terminal. */
function shownLine(line: string): string {
  const bare = line
    .trim()
    .replace(/\s+#.*$/, '')
    .replace(/^- /, '');
  const masked = /client_conf(?!_file)/.test(bare)
    ? 'client_conf: ***'
    : bare.replace(/(password|token\w*)=[^;"']*/g, '$1=***').replace(/\/\/[^/\s]*@/g, '//***@');
  return masked.length > LINE_LENGTH_MAX ? `${masked.slice(0, LINE_LENGTH_MAX)}…` : masked;
}
