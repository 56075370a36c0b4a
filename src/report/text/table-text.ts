/** Side of a column on which its texts are flush; numbers right, names left. */
export type Side = 'left' | 'right';

/**
 * Lays cells out in columns, two spaces apart, each as wide as its widest cell; no trailing spaces.
 * @param sides one per column; missing ones are right.
 */
export function tableText(
  rows: readonly (readonly string[])[],
  sides: readonly Side[],
  indent = '  ',
): string[] {
  const columnCount = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columnCount }, (_, column) =>
    Math.max(0, ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  return rows.map((row) => {
    const cells = widths.map((width, column) => {
      const cell = row[column] ?? '';
      const padding = ' '.repeat(width - widthOf(cell));
      return (sides[column] ?? 'right') === 'left' ? cell + padding : padding + cell;
    });
    return (indent + cells.join('  ')).trimEnd();
  });
}

/** Code points: exact for what we print (Latin letters, bars, arrows), near enough for a job's name. */
export function widthOf(text: string): number {
  return Array.from(text).length;
}

/** Cuts a text that would not fit, and shows that it was cut. */
export function clip(text: string, width: number): string {
  const letters = Array.from(text);
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`;
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

/** Free text (a job's name) could hold newlines or a terminal's control sequences: those are shown, not obeyed. */
export function harmless(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '�');
}
