import { findNamedQuery } from '../../src/queries/query-files.ts';

/**
 * The SQL of a named query, with something else in place of each of its parameters: so panels and `gpuledger query` have one text. A
 * lane is told by its word, `@samples`.
 * @throws Error where a parameter is left over
 */
export function namedQuery(name: string, values: Readonly<Record<string, string>>): string {
  const { sql } = findNamedQuery(name);
  return sql.replaceAll(/@([a-z_]+)/g, (_, parameter: string) => {
    const value = values[parameter];
    if (value === undefined) throw new Error(`${name}: @${parameter} is given nothing`);
    return value;
  });
}
