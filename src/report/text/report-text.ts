import { styleText } from 'node:util';
import { clip, harmless } from './table-text.ts';

export interface RenderOptions {
  /** Columns of the terminal; nothing is printed wider, whatever it holds. */
  readonly width: number;
  readonly isColored: boolean;
  /** Every device in the table, however many there are. */
  readonly isWhole?: boolean;
}

/** Narrower than 60 columns nothing can be told, wider than 100 nobody follows a line. */
export function reportWidth({ width }: RenderOptions): number {
  return Math.max(60, Math.min(width, 100));
}

/** Whatever the lines hold: no control characters, no line wider than asked, a newline after each. */
export function finishLines(lines: readonly string[], width: number, bold: ReadonlySet<string>): string {
  const finished = lines.map((line) => {
    const text = clip(harmless(line), width);
    return bold.has(line) ? styleText('bold', text, { validateStream: false }) : text;
  });
  return `${finished.join('\n')}\n`;
}
