import pg from 'pg';
import type { Sent } from './expand.ts';

export type Cell = string | number | boolean | null;
export interface Answer {
  /** By position, names as they came. */
  readonly columns: readonly {
    readonly name: string;
    readonly type: 'time' | 'number' | 'text' | 'boolean';
  }[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
}

const TYPES: Readonly<Record<number, Answer['columns'][number]['type']>> = {
  16: 'boolean',
  20: 'number',
  21: 'number',
  23: 'number',
  700: 'number',
  701: 'number',
  1114: 'time',
  1043: 'text',
};

/** Asks as the plugins do: over PG wire, without bound values as a simple query. Times are epoch µs. */
export async function askPanel(client: pg.Client, { text, values }: Sent): Promise<Answer> {
  const parse =
    (oid: number) =>
    (value: string): Cell => {
      const type = TYPES[oid];
      // `2026-11-29 10:00:00.000000`, in UTC.
      if (type === 'time')
        return (
          Date.parse(`${value.slice(0, 19).replace(' ', 'T')}Z`) * 1000 +
          Number(value.slice(20).padEnd(6, '0'))
        );
      if (type === 'number') return Number(value);
      return type === 'boolean' ? value === 't' : value;
    };
  const result = await client.query<Record<string, Cell>>({
    text,
    ...(values.length === 0 ? {} : { values: [...values] }),
    types: { getTypeParser: (oid: number) => parse(oid) as never },
  });
  return {
    columns: result.fields.map(({ name, dataTypeID }) => ({ name, type: TYPES[dataTypeID] ?? 'text' })),
    rows: result.rows,
  };
}
