import { createRequire } from 'node:module';

/** Side of a column on which its texts are flush; numbers right, names left. */
export type Side = 'left' | 'right';

/**
 * Lays cells out in columns, two spaces apart, each as wide as its widest cell; no trailing spaces.
 * @param sides one per column, missing ones are right; or one for all of them.
 */
export function tableText(
  rows: readonly (readonly string[])[],
  sides: readonly Side[] | Side,
  indent = '  ',
): string[] {
  const shown = rows.map((row) => row.map(harmless));
  const widths = widthsOf(shown);
  return shown.map((row) => rowText(row, widths, sides, indent));
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const columnCount = Math.max(0, ...rows.map((row) => row.length));
  return Array.from({ length: columnCount }, (_, column) =>
    Math.max(0, ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
}

/** A column of free text at the end may be cut down to this, which shows that there is more. */
const ELASTIC_WIDTH_MIN = 16;

/**
 * The same in as many tables below each other as it takes, so that no column falls off the terminal: each begins with the first
 * `keyCount` columns, which tell whose row it is.
 * @param sides one per column; a last one that is flush left is free text, which may be cut
 */
export function foldedTables(
  rows: readonly (readonly string[])[],
  sides: readonly Side[],
  keyCount: number,
  width: number,
  indent = '  ',
): string[][] {
  const widths = widthsOf(rows.map((row) => row.map(harmless)));
  const last = widths.length - 1;
  if (sides[last] === 'left' && last >= keyCount)
    widths[last] = Math.min(widths[last]!, Math.max(ELASTIC_WIDTH_MIN, widthOf(rows[0]?.[last] ?? '')));
  const keys = widths.map((_, column) => column).slice(0, keyCount);
  const spanOf = (columns: readonly number[]): number =>
    widthOf(indent) + columns.reduce((sum, column) => sum + widths[column]! + 2, -2);
  const tables = [[...keys]];
  for (let column = keyCount; column <= last; column += 1) {
    const current = tables.at(-1)!;
    if (current.length > keyCount && spanOf([...current, column]) > width) tables.push([...keys, column]);
    else current.push(column);
  }
  return tables.map((columns) =>
    tableText(
      rows.map((row) => columns.map((column) => row[column] ?? '')),
      columns.map((column) => sides[column] ?? 'right'),
      indent,
    ),
  );
}

/** Tables below each other, a blank line between. */
export function stacked(tables: readonly (readonly string[])[]): string[] {
  return tables.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
}

/** One line of a table whose columns have these widths. */
export function rowText(
  cells: readonly string[],
  widths: readonly number[],
  sides: readonly Side[] | Side,
  indent: string,
): string {
  const padded = widths.map((width, column) => {
    const cell = cells[column] ?? '';
    const padding = ' '.repeat(Math.max(0, width - widthOf(cell)));
    const side = typeof sides === 'string' ? sides : (sides[column] ?? 'right');
    return side === 'left' ? cell + padding : padding + cell;
  });
  return (indent + padded.join('  ')).trimEnd();
}

/** Letters of Latin alphabets and what tables are drawn with: one column each. */
const ONE_COLUMN_EACH =
  /^[\u0020-\u007e\u00a0-\u00ac\u00ae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u259f\ufffd]*$/;

/** Columns of a terminal that a text takes: a Chinese character takes two, a combining mark none. */
export function widthOf(text: string): number {
  return ONE_COLUMN_EACH.test(text) ? text.length : loadStringWidth()(text);
}

type StringWidth = typeof import('string-width').default;

let stringWidth: StringWidth | undefined;

/** Loaded when a text needs it: the tables of Unicode take 20 ms, and most commands print Latin letters only. */
function loadStringWidth(): StringWidth {
  const require = createRequire(import.meta.url);
  stringWidth ??= (require('string-width') as typeof import('string-width')).default;
  return stringWidth;
}

/** Cuts a text that would not fit, never through a character and its marks, and shows that it was cut. */
export function clip(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let left = width - 1;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    left -= widthOf(segment);
    if (left < 0) break;
    kept += segment;
  }
  return `${kept}…`;
}

/**
 * Breaks a sentence at spaces, never between a number and its unit.
 * @param first before the first line; `hanging` before the others.
 */
export function wrap(text: string, width: number, first: string, hanging: string): string[] {
  return pack(wordsOf(text), ' ', width, first, hanging);
}

/** Puts as many parts on a line as fit, `between` between them; a separator at a line's end loses its spaces. */
export function pack(
  parts: readonly string[],
  between: string,
  width: number,
  first: string,
  hanging: string,
): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const part of parts) {
    if (!isEmpty && widthOf(line) + widthOf(between) + widthOf(part) > width) {
      lines.push((line + between).trimEnd());
      line = hanging + part;
    } else line += isEmpty ? part : between + part;
    isEmpty = false;
  }
  return [...lines, line];
}

const NUMBER = /^[<±(]*[\d.,]+$/;
const UNIT = /^(%|W|GiB|kWh|Wh|d|h|min|s|ms|GPU-hours|GPUs?)[.,;:)]*$/;

function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const word of text.split(' ')) {
    const last = words.at(-1)?.split(' ').at(-1);
    if (last !== undefined && NUMBER.test(last) && UNIT.test(word))
      words[words.length - 1] = `${words.at(-1)!} ${word}`;
    else words.push(word);
  }
  return words;
}

/**
 * Free text (a job's name) could hold newlines, a terminal's control sequences, or characters that nobody sees and that turn
 * around what stands beside them: those are shown, not obeyed.
 */
export function harmless(text: string): string {
  return MAY_HARM.test(text) ? shownFormats(text).replaceAll(/\p{Cc}/gu, pictureOf) : text;
}

/** The same of text of several lines. */
export function harmlessLines(text: string): string {
  return text.split('\n').map(harmless).join('\n');
}

/** Format characters alone, as `<U+202E>`: bidirectional ones, joiners, marks of byte order, line ends of Unicode, tags. */
export function shownFormats(text: string): string {
  return text.replaceAll(FORMATS, codePointOf);
}

/** One that joins parts of an emoji is seen as that. */
const FORMATS =
  /(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)\u200d|(?!\u200d)[\p{Cf}\u0080-\u009f\u2028\u2029]/gu;
const MAY_HARM = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

function codePointOf(character: string): string {
  return `<U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** Unicode has a picture of each: `␛`. */
function pictureOf(control: string): string {
  return control === '\x7f' ? '␡' : String.fromCharCode(0x2400 + control.charCodeAt(0));
}
