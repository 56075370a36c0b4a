import type { WriteStream } from 'node:tty';
import { foldedTables, shownFormats, stacked, type Side } from '../report/text/table-text.ts';

/** What a report may take of the terminal. A pipe has no width and no colours; `NO_COLOR` takes them from a terminal. */
export function terminalStyle(): { readonly width: number; readonly isColored: boolean } {
  return {
    width: process.stdout.isTTY ? process.stdout.columns || 100 : Infinity,
    isColored: process.stdout.isTTY && process.stdout.hasColors(),
  };
}

/** Narrower than this nothing can be told. */
export const TERMINAL_WIDTH_MIN = 60;

/** A table of which no column falls off the terminal: what has no room stands below, behind the first column again. */
export function fittingTable(
  rows: readonly (readonly string[])[],
  sides: readonly Side[],
  width: number,
  indent = '',
): string[] {
  return stacked(foldedTables(rows, sides, 1, Math.max(TERMINAL_WIDTH_MIN, width), indent));
}

/**
 * Shows what is written to a terminal with its format characters as such: of JSON and CSV, too, which keep them in a pipe. A
 * name that is written from right to left could make another out of the command beside it.
 */
export function showFormats(stream: Pick<WriteStream, 'isTTY' | 'write'>): void {
  if (!stream.isTTY) return;
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stream.write = (chunk: Uint8Array | string, ...rest: unknown[]) =>
    write(typeof chunk === 'string' ? shownFormats(chunk) : chunk, ...rest);
}
