import { styleText } from 'node:util';
import { clip, harmless } from './table-text.ts';

export interface RenderOptions {
  /** Columns of the terminal, and nothing is printed wider; Infinity in a pipe, where nothing is cut. */
  readonly width: number;
  readonly isColored: boolean;
  /** Every device in the table, however many there are. */
  readonly isWhole?: boolean;
}

/** Narrower than this nothing can be told. */
const WIDTH_MIN = 60;
/** Nobody follows a sentence in a longer line. */
const SENTENCE_WIDTH_MAX = 100;

/** Columns at which sentences are broken. */
export function reportWidth({ width }: RenderOptions): number {
  return Math.max(WIDTH_MIN, Math.min(width, SENTENCE_WIDTH_MAX));
}

/** Columns that a line may take. */
export function lineWidth({ width }: RenderOptions): number {
  return Math.max(WIDTH_MIN, width);
}

/** A cell's text, cut where a terminal has only so much room for it. */
export function cellText(text: string, { width }: RenderOptions, columns: number): string {
  return clip(harmless(text), width === Infinity ? Infinity : columns);
}

/** Whatever the lines hold: no control characters, no line wider than the terminal, a newline after each. */
export function finishLines(
  lines: readonly string[],
  options: RenderOptions,
  bold: ReadonlySet<string>,
): string {
  const finished = lines.map((line) => {
    const text = clip(harmless(line), lineWidth(options));
    return bold.has(line) ? styleText('bold', text, { validateStream: false }) : text;
  });
  return `${finished.join('\n')}\n`;
}
