/**
 * What Grafana makes of the SQL of a panel before it sends it, as its sources were read on 2026-11-29:
 *
 * - variables, in the browser: `packages/scenes/src/variables/interpolation/formatRegistry.ts` of grafana/scenes (`sqlstring` pairs
 *   single quotes and puts quotes around; `percentencode`; the custom value of "all" is put in as it is written), and
 *   `$__interval_ms`;
 * - QuestDB's plugin: `pkg/macros/macros.go` of questdb/grafana-questdb-datasource at 1ae8cb2 writes `cast(µs as timestamp)`, and
 *   `pkg/macros/timeparam.go` at fabf060 sends each of these numbers as a bound value, `cast($1 as timestamp)`;
 * - the one for Postgres: `pkg/tsdb/grafana-postgresql-datasource/macros.go` of grafana/grafana at 02ab314 (`$name(arguments)`, an unknown
 *   name is an error) and `sqleng/sql_engine.go` at 043dd88 (`$__interval_ms`); it sends one simple query, without bound values.
 */

export interface TimeRange {
  /** Epoch ms: what Grafana counts in. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Asked extends TimeRange {
  readonly intervalMs: number;
  /** By name; `$__all` stands for all. */
  readonly variables: Readonly<Record<string, string>>;
  /** By name, of those that have one. */
  readonly allValues?: Readonly<Record<string, string>>;
}

export interface Sent {
  readonly text: string;
  /** `$1` and so on; none are sent as a simple query. */
  readonly values: readonly number[];
}

/** `literals` and `bound` are older and newer versions of QuestDB's plugin. */
export type Way = 'questdb literals' | 'questdb bound' | 'postgres';
export const WAYS: readonly Way[] = ['questdb literals', 'questdb bound', 'postgres'];

export function expand(sql: string, way: Way, asked: Asked): Sent {
  const text = withVariables(sql, asked);
  return way === 'postgres'
    ? { text: withPostgresMacros(text, asked), values: [] }
    : withQuestdbMacros(text, asked, way === 'questdb bound');
}

const FORMATS: Readonly<Record<string, (value: string) => string>> = {
  sqlstring: (value) => `'${value.replaceAll("'", "''")}'`,
  // `encodeURIComponentStrict` of packages/data/src/utils/url.ts.
  percentencode: (value) =>
    encodeURIComponent(value).replaceAll(
      /[!'()*]/g,
      (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
  raw: (value) => value,
};

/** @throws Error for a variable that is not there or has no format: none of ours is put in as it is. */
function withVariables(sql: string, { intervalMs, variables, allValues = {} }: Asked): string {
  const named = sql.replaceAll(/\$\{(\w+)(?::(\w+))?\}/g, (_, name: string, format: string | undefined) => {
    const value = variables[name];
    const put = FORMATS[format ?? ''];
    if (value === undefined || put === undefined) throw new Error(`no variable \${${name}:${format ?? ''}}`);
    if (value !== '$__all') return put(value);
    const all = allValues[name];
    if (all === undefined) throw new Error(`${name} has no value for all`);
    return all;
  });
  return named.replaceAll('$__interval_ms', String(intervalMs));
}

function withQuestdbMacros(text: string, { fromMs, toMs }: TimeRange, isBound: boolean): Sent {
  const values: number[] = [];
  // In quotes it is not code, and stays a number: of newer versions.
  const told = text.replaceAll(/'(?:[^']|'')*'|\$__(\w+)/g, (found, name: string | undefined) => {
    if (name === undefined && !/\$__(?:fromTime|toTime)/.test(found)) return found;
    const put = (one: string, isCode: boolean): string => {
      if (one !== 'fromTime' && one !== 'toTime') throw new Error(`no macro $__${one}`);
      const us = (one === 'fromTime' ? fromMs : toMs) * 1000;
      if (!isBound || !isCode) return `cast(${us} as timestamp)`;
      values.push(us);
      return `cast($${values.length} as timestamp)`;
    };
    return name === undefined
      ? found.replaceAll(/\$__(fromTime|toTime)/g, (_, one: string) => put(one, false))
      : put(name, true);
  });
  return { text: told, values };
}

/** RFC 3339 as Go writes it: no zeros at the end of a second's parts. */
const goTime = (ms: number): string => new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');

function withPostgresMacros(text: string, { fromMs, toMs }: TimeRange): string {
  return text.replaceAll(/\$([_a-zA-Z0-9]+)\(([^)]*)\)/g, (_, name: string) => {
    if (name === '__timeFrom') return `'${goTime(fromMs)}'`;
    if (name === '__timeTo') return `'${goTime(toMs)}'`;
    throw new Error(`unknown macro "${name}"`);
  });
}
