import type { NamedQuery, Parameter } from '../../schemas/query-file.ts';
import { SHARING } from '../../schemas/query-file.ts';
import { timestampUs, type QueryResult } from '../../schemas/questdb-reply.ts';
import type { FilledQuery } from '../queries/query-sql.ts';
import { usageOf } from '../queries/query-sql.ts';
import { csvOf, type CsvRow } from './text/csv-lines.ts';
import { NOT_KNOWN } from './text/format-quantity.ts';
import { foldedTables, harmlessLines, stacked, tableText, wrap, type Side } from './text/table-text.ts';

/** Columns of a line of prose; a terminal may be narrower. */
const PROSE_WIDTH_MAX = 100;
const WIDTH_MIN = 60;
const DIGITS_SHOWN = 6;

/** One line for each query, where there is room for it. */
export function renderQueryList(queries: readonly NamedQuery[], width: number): string {
  return lines(
    proseTable(
      queries.map(({ name, title }) => [name, title]),
      Math.max(WIDTH_MIN, width),
      '',
    ),
  );
}

/** Columns of which the last is prose, which goes on below itself. */
function proseTable(rows: readonly (readonly string[])[], width: number, indent: string): string[] {
  const before = tableText(
    rows.map((row) => row.slice(0, -1)),
    'left',
    indent,
  );
  const column = Math.max(0, ...before.map((line) => line.length)) + 2;
  return rows.flatMap((row, index) =>
    wrap(row.at(-1)!, width, before[index]!.padEnd(column), ' '.repeat(column)),
  );
}

/** The same as JSON: name, title, about, needs, shared, parameters. */
export function queryListJson(queries: readonly NamedQuery[]): string {
  const told = queries.map(({ name, title, about, needs, shared, parameters }) => ({
    ...{ name, title, about, needs, shared },
    parameters: [...parameters].map(([own, { type, meaning, default: unset, choices }]) => ({
      ...{ name: own, type, meaning, default: unset, choices },
    })),
  }));
  return `${JSON.stringify(told, undefined, 2)}\n`;
}

/** What one query answers, its parameters, and how to ask it. */
export function renderQueryDescription(query: NamedQuery, width: number): string {
  const { name, title, about, needs, shared, parameters } = query;
  const room = Math.max(WIDTH_MIN, Math.min(width, PROSE_WIDTH_MAX));
  const rows = [...parameters].map(([own, parameter]) => [
    own,
    parameter.type,
    defaultText(parameter),
    meaningText(parameter),
  ]);
  const ask = [`gpuledger query run ${name}`, usageOf(query)].filter((part) => part !== '').join(' ');
  return lines([
    ...wrap(`${name}: ${title}`, room, '', '  '),
    '',
    ...wrap(about, room, '', ''),
    ...wrap(`needs: ${needs}`, room, '', '  '),
    ...wrap(`shared: ${SHARING[shared]}`, room, '', '  '),
    '',
    ...proseTable(rows, Math.max(WIDTH_MIN, width), '  '),
    ...(rows.length === 0 ? [] : ['']),
    `to run it:  ${ask}`,
    `its SQL:    ${ask.replace(' run ', ' show ')}`,
  ]);
}

/** What stands for a parameter that is not given. */
export function defaultText({ type, default: unset }: Parameter): string {
  if (type === 'lane') return 'the first that fits';
  if (unset === undefined) return 'needed';
  return unset === '' ? 'every one' : unset;
}

/** With the words that it may be. */
export function meaningText({ meaning, choices }: Parameter): string {
  return choices === undefined ? meaning : `${meaning}: ${choices.join(', ')}`;
}

/** The answer as cells: times are UTC, numbers have six digits. */
export function answerCells({ columns, rows }: QueryResult): {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Which columns hold no numbers. */
  readonly left: ReadonlySet<string>;
} {
  return {
    titles: columns.map(({ name }) => name),
    rows: rows.map((row) => columns.map(({ type }, index) => cellText(row[index], type))),
    left: new Set(columns.flatMap(({ name, type }) => (isNumber(type) ? [] : [name]))),
  };
}

/** The answer as a table of which no column falls off the terminal. Numbers have six digits, times are UTC. */
export function renderAnswer(answer: QueryResult, width: number): string {
  const { titles: head, rows: cells, left } = answerCells(answer);
  const sides = head.map((name): Side => (left.has(name) ? 'left' : 'right'));
  if (width === Infinity) return lines(tableText([head, ...cells], sides, ''));
  return lines(stacked(foldedTables([head, ...cells], sides, 1, Math.max(WIDTH_MIN, width), '')));
}

function cellText(value: unknown, type: string): string {
  if (value === null || value === undefined) return NOT_KNOWN;
  if (typeof value === 'string') return type === 'TIMESTAMP' ? momentText(value) : value;
  if (typeof value !== 'number') return JSON.stringify(value);
  return (Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS_SHOWN))).toString();
}

/** `2026-11-20 09:00:00.25` of `2026-11-20T09:00:00.250000Z`. */
function momentText(iso: string): string {
  const [moment = '', fraction = ''] = iso.replace('T', ' ').replace('Z', '').split('.');
  const digits = fraction.replace(/0+$/, '');
  return digits === '' ? moment : `${moment}.${digits}`;
}

function isNumber(type: string): boolean {
  return ['BYTE', 'SHORT', 'INT', 'LONG', 'FLOAT', 'DOUBLE'].includes(type);
}

/** As house rules have it: base units as the columns say, times in epoch microseconds, null where nothing is known. */
export function answerJson({ query, values, sql }: FilledQuery, { columns, rows }: QueryResult): string {
  return `${JSON.stringify(
    {
      query: query.name,
      parameters: Object.fromEntries(values),
      sql,
      columns: columns.map(({ name, type }) => ({ name, type })),
      rows: rows.map((row) =>
        Object.fromEntries(
          columns.map(({ name, type }, index) => [
            name,
            type === 'TIMESTAMP' && row[index] !== null ? timestampUs(row[index]) : (row[index] ?? null),
          ]),
        ),
      ),
    },
    undefined,
    2,
  )}\n`;
}

/** A header, then a row for each row; times as ISO text. */
export function answerCsv({ columns, rows }: QueryResult): string {
  const names = columns.map(({ name }) => name);
  const told = rows.map((row): CsvRow =>
    Object.fromEntries(
      names.map((name, index) => {
        const value = row[index];
        if (value === null || value === undefined) return [name, undefined];
        return [name, typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value)];
      }),
    ),
  );
  return csvOf(told, names);
}

function lines(texts: readonly string[]): string {
  return `${harmlessLines(texts.join('\n'))}\n`;
}
