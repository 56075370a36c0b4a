import { quoteText, type Table } from '../../schemas/tables.ts';
import type { QuestDb } from './http.ts';

/**
 * Knows which tables rows were made for. A table can be dropped, made again, renamed or changed under a collector, and a
 * server replaced by another one: rows are refused then that nothing is wrong with, or, where the server makes tables of its
 * own accord, taken into a table in which every resend doubles them.
 */
export interface TableWatch {
  /** The tables as they are now are those that rows fit. @throws OperatingError when the store does not answer */
  note(): Promise<void>;
  /**
   * @returns undefined when all is as it was noted, or nothing was noted
   * @throws OperatingError when the store does not answer
   */
  look(): Promise<TableChange | undefined>;
}

/** What is no longer as it was noted. */
export interface TableChange {
  /** Of the first of the tables, for people. */
  readonly sentence: string;
  readonly tables: ReadonlySet<string>;
}

/** Of one table: a word for each thing that must not change. */
type Print = ReadonlyMap<string, string>;

export function watchTables(db: Pick<QuestDb, 'exec'>, tables: readonly Table[]): TableWatch {
  let noted: ReadonlyMap<string, Print> | undefined;
  return {
    async note() {
      noted = await readPrints(db, tables);
    },
    async look() {
      if (noted === undefined) return undefined;
      const now = await readPrints(db, tables);
      const before = noted;
      const changes = tables.flatMap(({ name }) => {
        const sentence = changeOf(name, before.get(name), now.get(name));
        return sentence === undefined ? [] : [{ name, sentence }];
      });
      const [first] = changes;
      return first && { sentence: first.sentence, tables: new Set(changes.map(({ name }) => name)) };
    },
  };
}

/** Three questions, some milliseconds: not for every batch. */
async function readPrints(
  db: Pick<QuestDb, 'exec'>,
  tables: readonly Table[],
): Promise<ReadonlyMap<string, Print>> {
  const names = tables.map(({ name }) => quoteText(name)).join(', ');
  const found = await db.exec(
    `SELECT table_name, id, designatedTimestamp, walEnabled, dedup, matView FROM tables() WHERE table_name IN (${names})`,
  );
  const types = await db.exec(
    `SELECT table_name, column_name, data_type FROM information_schema.columns() WHERE table_name IN (${names})`,
  );
  const typesOf = Map.groupBy(types.rows, ([table]) => String(table));
  return new Map(
    found.rows.map(([name, id, timestamp, isWal, hasDedup, isView]) => {
      const table = tables.find((each) => each.name === name)!;
      const ours = new Set(table.columns.map((column) => column.name));
      return [
        String(name),
        new Map([
          ['table', String(id)],
          ['timestamp', String(timestamp)],
          ['log', String(isWal)],
          ['deduplication', String(hasDedup)],
          ['kind', String(isView)],
          // Columns of others, who have more lanes, may come and go.
          ...(typesOf.get(String(name)) ?? [])
            .filter(([, column]) => ours.has(String(column)))
            .map(([, column, type]) => [`column ${String(column)}`, String(type)] as const),
        ]),
      ];
    }),
  );
}

function changeOf(name: string, before: Print | undefined, now: Print | undefined): string | undefined {
  if (before === undefined) return undefined;
  if (now === undefined) return `table ${name} is gone`;
  for (const [what, value] of before) {
    if (now.get(what) === value) continue;
    if (what === 'table') return `table ${name} is another one of that name`;
    return now.has(what)
      ? `${what} of table ${name} was ${value} and is ${now.get(what)!}`
      : `${what} of table ${name} is gone`;
  }
  return undefined;
}
