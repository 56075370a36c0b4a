import { CsvError, parse } from 'csv-parse/sync';
import { messageOf, OperatingError } from '../src/core/base/errors.ts';
import type { Field } from '../src/core/fields/field.ts';
import { findFieldByDcgmName } from '../src/core/fields/find-field.ts';
import { inventoryFactOf } from '../src/core/devices/inventory-facts.ts';
import { fieldInstead, laneFieldProblem } from '../src/core/fields/lane.ts';
import { nearestFieldNames, nearestWords } from './nearest.ts';

/** What a counters CSV of dcgm-exporter asks for, and what becomes of it here. */
export interface Counters {
  /** Fields that a lane records, in the order of the file, each once. */
  readonly fields: readonly Field[];
  /** One sentence for each row that records no column, or not as it says; they begin with the line's number. */
  readonly warnings: readonly string[];
  /** Every row, in the order of the file, as an exporter serves it. */
  readonly rows: readonly CounterRow[];
}

/** A row as it is written. */
export interface CounterRow {
  readonly line: number;
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** Undefined where dcgm-exporter works the value out by itself (`DCGM_EXP_…`). */
  readonly field: Field | undefined;
  /** The line of another row of the same field, which counts. */
  readonly repeatsLine?: number;
}

interface CsvRow {
  readonly line: number;
  readonly cells: readonly string[];
}

/** Types of dcgm-exporter up to 4.8.2 (`histogram`, `summary`) and since 4.8.3 (`untyped`). */
const TYPES = ['gauge', 'counter', 'histogram', 'summary', 'untyped', 'label'];

/** The counters that dcgm-exporter works out by itself, and where gpuledger has the same fact. */
const EXPORTER_COUNTERS: Readonly<Record<string, string>> = {
  DCGM_EXP_XID_ERRORS_COUNT: 'every XID is a row of gpu_events with its time',
  DCGM_EXP_XID_ERRORS_TOTAL: 'every XID is a row of gpu_events: count them there',
  DCGM_EXP_CLOCK_EVENTS_COUNT: 'throttling is in gpu_events, and in the column throttle_reasons_mask',
  DCGM_EXP_CLOCK_EVENTS_TOTAL: 'throttling is in gpu_events: count the rows there',
  DCGM_EXP_GPU_HEALTH_STATUS: 'health incidents are rows of gpu_events',
  DCGM_EXP_P2P_STATUS: 'gpuledger does not record it',
};

const QUOTE_PROBLEMS: Readonly<Record<string, string>> = {
  INVALID_OPENING_QUOTE: 'a quote stands inside a text that does not begin with one',
  CSV_INVALID_CLOSING_QUOTE: 'something stands between a closing quote and the next comma',
  CSV_QUOTE_NOT_CLOSED: 'a quoted text is never closed',
};

/** As many as of the other names. */
const NEAREST_MAX = 3;

const BYTE_ORDER_MARK = '\uFEFF';

/**
 * Reads a counters CSV by dcgm-exporter's own grammar: `#` is a comment only as the first byte of a line, the first row
 * fixes the number of columns, a byte order mark is not removed, names are case sensitive, blanks around a cell are not
 * part of it, and a field that comes twice counts once.
 * @param file name of the file, for messages
 * @throws OperatingError `counters.invalid` (exit `config`) with the line of the first bad row; the whole file is refused
 */
export function parseCounters(text: string, file: string): Counters {
  if (text.startsWith(BYTE_ORDER_MARK)) {
    throw refusal(
      file,
      1,
      'the file begins with a byte order mark, which dcgm-exporter reads as part of the first name',
      ['save it as UTF-8 without a byte order mark'],
    );
  }
  const fields: Field[] = [];
  const warnings: string[] = [];
  const rows: CounterRow[] = [];
  const lineOfId = new Map<number, number>();
  for (const row of readRows(text, file)) {
    const { name, type, help } = cellsOf(row, file);
    const field = findFieldByDcgmName(name);
    const written = { line: row.line, name, type, help, field };
    if (field === undefined) {
      const instead = EXPORTER_COUNTERS[name];
      if (instead === undefined) throw unknownField(file, row.line, name);
      warnings.push(
        `line ${row.line}: ${name} is worked out by dcgm-exporter and makes no column: ${instead}`,
      );
      rows.push(written);
      continue;
    }
    const firstLine = lineOfId.get(field.id);
    if (firstLine !== undefined) {
      warnings.push(
        `line ${row.line}: ${name} is already in line ${firstLine}, which counts; this row is ignored`,
      );
      rows.push({ ...written, repeatsLine: firstLine });
      continue;
    }
    lineOfId.set(field.id, row.line);
    rows.push(written);
    const reason = whyNoColumn(field, type);
    if (reason === undefined) fields.push(field);
    else warnings.push(`line ${row.line}: ${name} makes no column: ${reason}`);
  }
  return { fields, warnings, rows };
}

function whyNoColumn(field: Field, type: string): string | undefined {
  const instead = fieldInstead(field.id);
  if (instead !== undefined) return `DCGM has no value for it; use ${instead}`;
  if (type !== 'label') return laneFieldProblem(field);
  const kept = inventoryFactOf(field.id)?.column;
  if (kept !== undefined)
    return `a label is a fact about the device: it is the column ${kept} of gpu_inventory`;
  return laneFieldProblem(field) ?? 'a label makes no series; give the row the type gauge to record it';
}

function cellsOf(row: CsvRow, file: string): { name: string; type: string; help: string } {
  // Blanks are trimmed, tabs are not: that is what the exporter does.
  const [name = '', type = '', ...rest] = row.cells.map((cell) => cell.replace(/^ +| +$/g, ''));
  if (rest.length !== 1) {
    throw refusal(file, row.line, `expected three columns (field, type, help), came ${row.cells.length}`, [
      'a comma inside the help text needs quotes around the text',
    ]);
  }
  if (!TYPES.includes(type))
    throw refusal(file, row.line, `expected a type (${TYPES.join(', ')}), came ${quoted(type)}`, []);
  return { name, type, help: rest[0]! };
}

/** Splits the text as Go's `encoding/csv` does. */
function readRows(text: string, file: string): CsvRow[] {
  const rows: CsvRow[] = [];
  let lastGoodLine = 0;
  try {
    parse(text, {
      comment: '#',
      comment_no_infix: true,
      skip_empty_lines: true,
      record_delimiter: ['\r\n', '\n'],
      on_record(cells, { lines }) {
        lastGoodLine = lines;
        // The context counts to the end of the record, which may span lines.
        rows.push({ line: lines - (cells.join('').split('\n').length - 1), cells });
        return null;
      },
    });
    return rows;
  } catch (thrown) {
    if (!(thrown instanceof CsvError)) throw thrown;
    const isOpen = thrown.code === 'CSV_QUOTE_NOT_CLOSED';
    throw csvRefusal(thrown, file, isOpen ? rowAfter(text, lastGoodLine) : lineOf(thrown));
  }
}

/** The parser notices an open quote at the end of the file; it begins in the first row after the last whole one. */
function rowAfter(text: string, line: number): number {
  const index = text
    .split('\n')
    .findIndex((row, at) => at >= line && row.trim() !== '' && !row.startsWith('#'));
  return index + 1;
}

function lineOf(error: CsvError): number {
  return typeof error['lines'] === 'number' ? error['lines'] : 1;
}

function csvRefusal(error: CsvError, file: string, line: number): OperatingError {
  if (error.code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH') {
    const record: unknown = error['record'];
    const came = Array.isArray(record) ? record.length : 0;
    return refusal(file, line, `expected as many columns as the first row has, came ${came}`, [
      'a comma inside the help text needs quotes around the text; a comment begins with # as the first byte of its line',
    ]);
  }
  return refusal(file, line, QUOTE_PROBLEMS[error.code] ?? `not CSV: ${messageOf(error)}`, [
    'a quoted text begins directly after the comma and ends directly before the next; "" stands for one quote inside',
  ]);
}

function unknownField(file: string, line: number, name: string): OperatingError {
  const nearest = name.startsWith('DCGM_EXP_')
    ? nearestWords(name, Object.keys(EXPORTER_COUNTERS), NEAREST_MAX)
    : nearestFieldNames(name);
  const hint =
    nearest.length === 0 ? 'all names: gpuledger fields --all' : `did you mean: ${nearest.join(', ')}`;
  return refusal(file, line, `no field is called ${quoted(name)} (upper and lower case matter)`, [hint]);
}

/** A cell may be as long as the file. */
function quoted(cell: string): string {
  return cell.length <= CELL_SHOWN_MAX ? `"${cell}"` : `"${cell.slice(0, CELL_SHOWN_MAX)}…"`;
}

const CELL_SHOWN_MAX = 80;

function refusal(file: string, line: number, problem: string, hints: readonly string[]): OperatingError {
  return new OperatingError(`counters file: ${problem}`, {
    code: 'counters.invalid',
    exit: 'config',
    where: `${file}, line ${line}`,
    hints,
  });
}
