import * as z from 'zod';

/** What QuestDB's REST interface answers, checked at the border: anything else is not a QuestDB. */

/** A column of a query's result; `type` is QuestDB's own name (`LONG`, `DOUBLE`, `TIMESTAMP`, `SYMBOL`, …). */
interface ResultColumn {
  readonly name: string;
  readonly type: string;
}

/** Rows as arrays in column order. LONG comes as a number, TIMESTAMP as ISO text in UTC, NULL as null. */
export interface QueryResult {
  readonly columns: readonly ResultColumn[];
  readonly rows: readonly (readonly unknown[])[];
}

const column = z.object({ name: z.string(), type: z.string() });
// Rows are not checked cell by cell: the server states the types, and a result can have a million cells.
const dataset = z.custom<unknown[][]>(
  (value) => Array.isArray(value) && value.every((row) => Array.isArray(row)),
);
/** Rows and refusals repeat the question. Whatever says the same to everybody does not. */
const rowsReply = z.object({ query: z.string(), columns: z.array(column), dataset });
const doneReply = z.union([z.object({ ddl: z.string() }), z.object({ dml: z.string() })]);
const queryError = z.object({
  query: z.string(),
  error: z.string(),
  position: z.number().int().optional(),
});
const writeError = z.object({
  code: z.string(),
  message: z.string(),
  line: z.number().int().optional(),
  errorId: z.string().optional(),
});

export type ExecReply =
  | { readonly kind: 'rows'; readonly result: QueryResult }
  | { readonly kind: 'done' }
  | { readonly kind: 'error'; readonly message: string; readonly position: number | undefined }
  | { readonly kind: 'foreign' };

/** Reads the body of an answer to `/exec?query=sql`; `foreign` is what QuestDB never says to that. */
export function parseExecReply(text: string, sql: string): ExecReply {
  const value = parseJson(text);
  const error = queryError.safeParse(value);
  if (error.success)
    return error.data.query === sql
      ? { kind: 'error', message: error.data.error, position: error.data.position }
      : { kind: 'foreign' };
  const rows = rowsReply.safeParse(value);
  if (rows.success)
    return rows.data.query === sql ? { kind: 'rows', result: toResult(rows.data) } : { kind: 'foreign' };
  return doneReply.safeParse(value).success ? { kind: 'done' } : { kind: 'foreign' };
}

export interface RefusedWrite {
  readonly message: string;
  /** Line of the body, counted from 1, at which the server stopped; absent when it names none. */
  readonly line?: number;
}

/** Reads the body of a refused `/write`; undefined when it is not QuestDB's. */
export function parseWriteError(text: string): RefusedWrite | undefined {
  const reply = writeError.safeParse(parseJson(text));
  if (!reply.success) return undefined;
  const { message, line } = reply.data;
  return line === undefined ? { message } : { message, line };
}

/** `SELECT build()` answers `Build Information: QuestDB 9.3.4, JDK …`; undefined for any other text. */
export function parseBuild(text: unknown): string | undefined {
  return typeof text === 'string' ? /QuestDB(?: Enterprise)? ([^,\s]+)/.exec(text)?.[1] : undefined;
}

/**
 * Epoch microseconds of a TIMESTAMP as `/exec` writes it (`2026-11-21T10:49:42.372706Z`).
 * @returns NaN for text that is no such timestamp, so that a caller may test once for both.
 */
export function timestampUs(text: unknown): number {
  if (typeof text !== 'string') return NaN;
  const parts = /^(.{19})(?:\.(\d{1,9}))?Z$/.exec(text);
  if (parts === null) return NaN;
  const micros = (parts[2] ?? '').padEnd(6, '0').slice(0, 6);
  return Date.parse(`${parts[1]!}Z`) * 1000 + Number(micros);
}

function toResult(reply: z.infer<typeof rowsReply>): QueryResult {
  const longs = reply.columns.flatMap(({ type }, index) => (type === 'LONG' ? [index] : []));
  for (const row of reply.dataset) {
    for (const index of longs) if (row[index] !== null) row[index] = safeLong(row[index]);
  }
  return { columns: reply.columns, rows: reply.dataset };
}

/** Every LONG that gpuledger writes or asks for is a safe integer; anything larger stays the text that it came as. */
function safeLong(value: unknown): unknown {
  const long = Number(value);
  return Number.isSafeInteger(long) ? long : value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the callers answer for it: not JSON is one of the things they look for
  }
}
