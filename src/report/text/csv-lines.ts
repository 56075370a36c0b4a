import { stringify } from 'csv-stringify/sync';

/** Base units, names with the unit last; an empty cell is a figure that was not measured. Columns: docs/reports.md. */
export type CsvRow = Readonly<Record<string, string | number | undefined>>;

/**
 * With a header. Text that a spreadsheet would take for a formula (a job called `=1+1`) gets a quote in front; a number is
 * one, also below zero.
 */
export function csvOf(rows: readonly CsvRow[], columns?: readonly string[]): string {
  return stringify([...rows], {
    header: true,
    escape_formulas: true,
    cast: { number: (value) => ({ value: String(value), escape_formulas: false }) },
    ...(columns === undefined ? {} : { columns: [...columns] }),
  });
}

/** `smActive` as the name of a column: `sm_active`. */
export function snake(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
