import { CsvError, parse } from 'csv-parse/sync';
import { HOUR_US } from '../../src/core/base/hour.ts';
import { messageOf, OperatingError } from '../../src/core/base/errors.ts';
import { GRAMS_PER_KWH_MAX, type HourlyGrams } from '../../src/core/costs/hourly-grams.ts';
import { isoTimeUs } from '../iso-time.ts';

/** What a file of hourly grams tells. */
export interface GramsFile {
  readonly grams: HourlyGrams;
  /** Rows that tell nothing, with the reason: their hours are missing. */
  readonly refused: readonly RefusedRow[];
}

interface RefusedRow {
  /** Of the file, counted from 1. */
  readonly line: number;
  readonly why: string;
}

const COLUMNS = ['ts', 'grams'] as const;

/**
 * Reads `ts,grams`: the start of an hour in UTC, and the g of CO2e of a kWh in it. Further columns are left alone, `#` begins a line
 * of comment. A row that is wrong costs its own hour only.
 * @param file its name, for messages
 * @throws OperatingError `costs.grams_file` (exit `config`): no CSV, no such columns, or no row that is right
 */
export function parseGrams(text: string, file: string): GramsFile {
  const refuse = (problem: string): OperatingError =>
    new OperatingError(`costs.grams_file: ${problem}`, {
      code: 'costs.grams_file',
      exit: 'config',
      where: file,
      hints: ['a line "ts,grams", then one for each hour, such as 2026-11-20T09:00:00Z,123.4'],
    });
  const [head, ...rows] = rowsOf(text, refuse);
  const [ts, value] = COLUMNS.map((name) => head?.cells.findIndex((cell) => cell.trim() === name) ?? -1) as [
    number,
    number,
  ];
  if (head === undefined || ts < 0 || value < 0)
    throw refuse(`expected the columns ts and grams, came ${head === undefined ? 'nothing' : 'others'}`);
  const grams = new Map<number, number>();
  const refused: RefusedRow[] = [];
  for (const { line, cells } of rows) {
    const read = readRow(cells[ts] ?? '', cells[value] ?? '');
    const why = typeof read === 'string' ? read : grams.has(read.hourUs) ? 'the hour comes twice' : undefined;
    if (why !== undefined) refused.push({ line, why });
    else if (typeof read === 'object') grams.set(read.hourUs, read.grams);
  }
  if (grams.size === 0) {
    const [first] = refused;
    throw refuse(
      `expected hours, came none that is right${first === undefined ? '' : ` (line ${first.line}: ${first.why})`}`,
    );
  }
  return { grams, refused };
}

/** Or why it is none. What stands there is not repeated: it may be anything. */
function readRow(ts: string, grams: string): { hourUs: number; grams: number } | string {
  const hourUs = isoTimeUs(ts.trim());
  if (hourUs === undefined) return 'ts is no ISO time in UTC';
  if (hourUs % HOUR_US !== 0) return 'ts is no whole hour';
  if (!/^\d{1,5}(\.\d{1,12})?$/.test(grams.trim())) return 'grams is no number of 0 or more';
  const value = Number(grams);
  return value > GRAMS_PER_KWH_MAX ? `grams is more than ${GRAMS_PER_KWH_MAX}` : { hourUs, grams: value };
}

function rowsOf(
  text: string,
  refuse: (problem: string) => OperatingError,
): { readonly line: number; readonly cells: readonly string[] }[] {
  const rows: { line: number; cells: string[] }[] = [];
  try {
    parse(text, {
      bom: true,
      comment: '#',
      comment_no_infix: true,
      skip_empty_lines: true,
      relax_column_count: true,
      record_delimiter: ['\r\n', '\n'],
      on_record(cells, { lines }) {
        rows.push({ line: lines, cells });
        return null;
      },
    });
  } catch (thrown) {
    if (!(thrown instanceof CsvError)) throw thrown;
    throw refuse(`not CSV: ${messageOf(thrown).replace(/["'`].*/, '…')}`);
  }
  return rows;
}
