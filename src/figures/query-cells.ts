import { OperatingError } from '../core/base/errors.ts';
import { strangeAnswer } from '../questdb/failure.ts';
import type { QuestDb } from '../questdb/http.ts';

/** One row of an answer, read by column name. */
export interface Cells {
  /** @returns undefined for SQL NULL. LONG beyond 2^53 would lose digits: no column of ours comes near. */
  number(name: string): number | undefined;
  /** @returns undefined for SQL NULL. */
  text(name: string): string | undefined;
}

/** What the reports need of a QuestDB: to ask it, and to say which one was asked. */
export interface Asked extends Pick<QuestDb, 'exec' | 'where'> {
  /** How many samples one question may read: see `inPortions`, which has a number of its own. */
  readonly samplesMax?: number;
}

/**
 * Asks and reads by name. @throws OperatingError when the server is gone or refuses the query; so do the cells (`questdb.foreign`),
 * of an answer that is to no question of ours.
 */
export async function ask(db: Asked, sql: string): Promise<Cells[]> {
  const result = await execute(db, sql);
  const positions = new Map(result.columns.map((column, index) => [column.name, index]));
  const head = { where: db.where, positions };
  return result.rows.map((row) => new NamedCells(head, row));
}

/** What all rows of an answer have in common. */
interface Head {
  readonly where: string;
  readonly positions: ReadonlyMap<string, number>;
}

/** A class, since an answer may have a hundred thousand rows, and functions of each would be half a million things. */
class NamedCells implements Cells {
  readonly #head: Head;
  readonly #row: readonly unknown[];

  constructor(head: Head, row: readonly unknown[]) {
    this.#head = head;
    this.#row = row;
  }

  number(name: string): number | undefined {
    const value = this.#cell(name);
    const number = asNumber(value);
    if (Number.isNaN(number))
      throw strangeAnswer(this.#head.where, `a number in column ${name}`, JSON.stringify(value));
    return number;
  }

  text(name: string): string | undefined {
    return asText(this.#cell(name));
  }

  #cell(name: string): unknown {
    const { where, positions } = this.#head;
    const position = positions.get(name);
    if (position === undefined)
      throw strangeAnswer(where, `a column ${name}`, [...positions.keys()].join(', ') || 'no columns');
    return this.#row[position];
  }
}

/** Asks, and says of what goes wrong what a report can say. @throws what `ask` throws */
export async function execute(db: Asked, sql: string): ReturnType<Asked['exec']> {
  try {
    return await db.exec(sql);
  } catch (thrown) {
    if (!(thrown instanceof OperatingError)) throw thrown;
    throw ofReport(thrown, db.where);
  }
}

/** What a report can say better than the client of the database, which does not know what is asked for. */
function ofReport(error: OperatingError, where: string): OperatingError {
  if (error.code === 'questdb.too_long') {
    return new OperatingError(error.message, {
      code: error.code,
      exit: error.exit,
      where,
      hints: [...error.hints, 'or ask for less: a shorter window, one task of an array'],
      cause: error,
    });
  }
  // A column that is missing is the schema of an older version, which is the operator's to mend, not a defect of the query.
  if (error.code === 'questdb.query' && error.message.includes('Invalid column')) {
    return new OperatingError(`the tables or rollups lack a column that reports need: ${error.message}`, {
      code: 'report.schema',
      exit: 'config',
      where,
      hints: ['bring them up to date: gpuledger schema apply'],
      cause: error,
    });
  }
  return error;
}

/** LONG arrives as text where it might not fit a double, so both spellings are read. NaN: it is no number. */
function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (value === null || value === undefined || value === '') return undefined;
  return typeof value === 'string' ? Number(value) : NaN;
}

function asText(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
