import { quoteName } from '../../../schemas/tables.ts';
import { quotedLists } from '../sql-text.ts';

/** Job ids that are asked about: of an array there may be ten thousand. */
export interface AskedIds {
  readonly ids: readonly string[];
  /** Those of them that `sql` does not give. */
  readonly apart: readonly string[];
  /** A query that gives the others as `job_id`, each once. It is asked where they are more than a list holds. */
  readonly sql: string | undefined;
}

/** So many ids are more than a list holds, however short they are: a month of a fleet has tens of thousands. */
const LOOKED_AT = 4096;

/** `FROM …` of the rows `t` of a table with these ids: one or several, which have no row in common. */
export function fromIdsSql(table: string, { ids, apart, sql }: AskedIds): string[] {
  const listed = (some: Iterable<string>): string[] =>
    quotedLists(some).map((list) => `FROM ${quoteName(table)} t WHERE t.job_id IN (${list})`);
  if (sql === undefined || quotedLists(ids.slice(0, LOOKED_AT)).length <= 1) return listed(ids);
  return [`FROM ${quoteName(table)} t JOIN (${sql}) i ON i.job_id = t.job_id`, ...listed(apart)];
}
