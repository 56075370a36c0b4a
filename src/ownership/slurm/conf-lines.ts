/**
 * The grammar that Slurm's configuration files share, as its own parser (`parse_config.c`) reads it: `Key=value` words, of
 * which a value with blanks is quoted; `#` begins a comment, also within quotes; `\` at the end of a line continues it;
 * `\` before any other character lets that character stand for itself; `Include FILE`, only at the very start of a line.
 */

export interface ConfWord {
  /** In lower case: Slurm takes `GRESTYPES` for `GresTypes`. */
  readonly key: string;
  readonly value: string;
}

/** A line, continued ones joined, with the number of its first one, from 1. */
export type ConfStatement =
  | { readonly kind: 'words'; readonly line: number; readonly words: readonly ConfWord[] }
  | { readonly kind: 'include'; readonly line: number; readonly path: string }
  /** Slurm itself refuses to start with such a line. */
  | { readonly kind: 'fault'; readonly line: number; readonly rest: string };

/** What C calls a space; JavaScript's `\s` knows more of them. */
const BLANK = '[ \\t\\n\\v\\f\\r]';
const WORD = new RegExp(
  `${BLANK}*([A-Za-z0-9_.]+)${BLANK}*[-*+/]?=${BLANK}*(?:"([^"]*)"|([^ \\t\\n\\v\\f\\r]+))(?=${BLANK}|$)`,
  'y',
);
const INCLUDE = new RegExp(`^include${BLANK}+([^ \\t\\n\\v\\f\\r]+)(.*)$`, 'is');
const IS_BLANK = new RegExp(`^${BLANK}*$`);

/** Reads the text of one file. Files that it includes are the caller's. */
export function* parseConf(text: string): Generator<ConfStatement> {
  for (const { line, joined } of joinedLines(text)) {
    const bare = joined.replaceAll(/\\(.?)/gs, '$1');
    if (IS_BLANK.test(bare)) continue;
    const include = INCLUDE.exec(bare);
    if (include === null) yield statementOf(bare, line);
    else if (IS_BLANK.test(include[2]!)) yield { kind: 'include', line, path: include[1]! };
    else yield { kind: 'fault', line, rest: trimmed(include[2]!) };
  }
}

function statementOf(bare: string, line: number): ConfStatement {
  const words: ConfWord[] = [];
  let end = 0;
  for (;;) {
    WORD.lastIndex = end;
    const match = WORD.exec(bare);
    if (match === null) break;
    words.push({ key: match[1]!.toLowerCase(), value: match[2] ?? match[3]! });
    end = WORD.lastIndex;
  }
  const rest = bare.slice(end);
  return IS_BLANK.test(rest) ? { kind: 'words', line, words } : { kind: 'fault', line, rest: trimmed(rest) };
}

function trimmed(text: string): string {
  return text.replace(new RegExp(`^${BLANK}+|${BLANK}+$`, 'g'), '');
}

function* joinedLines(text: string): Generator<{ readonly line: number; readonly joined: string }> {
  let joined = '';
  let first = 1;
  let next = 1;
  for (const physical of text.split('\n')) {
    next += 1;
    const bare = withoutComment(physical);
    const end = continuationOf(bare);
    joined += end === undefined ? bare : bare.slice(0, end);
    if (end !== undefined) continue;
    yield { line: first, joined };
    joined = '';
    first = next;
  }
  // A backslash on the last line continues it with nothing.
  if (joined !== '') yield { line: first, joined };
}

function withoutComment(line: string): string {
  let backslashes = 0;
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === '#' && backslashes % 2 === 0) return line.slice(0, at);
    backslashes = line[at] === '\\' ? backslashes + 1 : 0;
  }
  return line;
}

/** Where a line ends that the next one continues: at its last backslash, if their number is odd. Blanks may follow it. */
function continuationOf(line: string): number | undefined {
  let end = line.length;
  while (end > 0 && ' \t\v\f\r'.includes(line[end - 1]!)) end -= 1;
  let backslashes = 0;
  while (backslashes < end && line[end - 1 - backslashes] === '\\') backslashes += 1;
  return backslashes % 2 === 1 ? end - 1 : undefined;
}
