import { nearestWords } from '../../schemas/nearest.ts';
import { usedVariables, type NamedQuery, type Parameter } from '../../schemas/query-file.ts';
import { OperatingError } from '../core/base/errors.ts';
import { tableOf, type Lane } from '../core/fields/lane.ts';
import { valueOf, type Value } from './parameter-values.ts';

/** A query with all of its values. */
export interface FilledQuery {
  readonly query: NamedQuery;
  /** By parameter, as a person writes them. */
  readonly values: ReadonlyMap<string, string>;
  /** One statement for the server, the console or a panel of Grafana: no semicolon at its end. */
  readonly sql: string;
}

/** What a query takes for a text that is not given. */
const EVERY_ONE: Value = { sql: "''" };

/** `name=value`, as typed. */
type Given = ReadonlyMap<string, string>;

/**
 * Reads `name=value` words.
 * @throws OperatingError `query.parameter` (exit `usage`)
 */
export function readGiven(query: NamedQuery, words: readonly string[]): Given {
  const given = new Map<string, string>();
  for (const word of words) {
    const [, name, value] = /^([^=]*)=([^]*)$/.exec(word) ?? [];
    if (name === undefined || value === undefined)
      throw wrongParameter(`expected name=value, came ${JSON.stringify(word.slice(0, 60))}`, [
        parametersHint(query),
      ]);
    if (!query.parameters.has(name)) throw unknownParameter(query, name);
    if (given.has(name)) throw wrongParameter(`${name}: expected one value, came two`, []);
    given.set(name, value);
  }
  return given;
}

/**
 * Puts values, and defaults where none is given, before the query: as variables that the server reads as literals.
 * @param lanes of the configuration, among which a lane that is not given is looked for
 * @param nowUs epoch µs
 * @throws OperatingError `query.parameter` (exit `usage`), `query.lane` (exit `config`)
 */
export function fillQuery(
  query: NamedQuery,
  given: Given,
  lanes: readonly Lane[],
  nowUs: number,
): FilledQuery {
  const texts = new Map<string, string>();
  for (const [name, parameter] of query.parameters)
    if (parameter.type !== 'lane') texts.set(name, given.get(name) ?? defaultOf(query, name, parameter));
  const read = new Map<string, Value>();
  for (const [name, text] of texts)
    read.set(
      name,
      text === '' && !given.has(name) ? EVERY_ONE : valueOf(name, query.parameters.get(name)!, text, nowUs),
    );
  checkWindow(texts, read);
  const gauges = [...query.parameters].flatMap(([name, { type }]) =>
    type === 'gauge' ? [texts.get(name)!] : [],
  );
  const variables = new Map<string, string>();
  for (const [name, parameter] of query.parameters) {
    if (parameter.type === 'lane') {
      const lane = laneOf(query, name, parameter, gauges, given.get(name), lanes, nowUs);
      texts.set(name, lane.name);
      variables.set(name, lane.table);
      for (const [word, end] of [
        ['minutes', '1m'],
        ['hours', '1h'],
        ['days', '1d'],
      ] as const)
        variables.set(`${name}_${word}`, `${lane.table}_${end}`);
      for (const [gauge, { barWidth }] of read)
        if (query.parameters.get(gauge)?.type === 'gauge' && barWidth !== undefined) {
          variables.set(`${name}_bars`, `${lane.table}_${texts.get(gauge)!}_hist_1h`);
          variables.set(`${gauge}_width`, String(barWidth));
        }
      continue;
    }
    variables.set(name, read.get(name)!.sql);
    if (parameter.type !== 'job') continue;
    const stays = `FROM gpu_ownership WHERE job_id = @${name}`;
    variables.set(`${name}_from`, `(SELECT min(ts) ${stays})`);
    variables.set(`${name}_to`, `(SELECT max(coalesce(end_ts, now())) ${stays})`);
  }
  return {
    query,
    values: new Map([...query.parameters.keys()].map((name) => [name, texts.get(name)!])),
    sql: declared(query, variables),
  };
}

function declared(query: NamedQuery, variables: ReadonlyMap<string, string>): string {
  const used = usedVariables(query.sql);
  // Those of a job name the job's own.
  const wanted = [...variables].filter(
    ([name]) => used.has(name) || [...used].some((one) => one.startsWith(`${name}_`)),
  );
  for (const name of used)
    if (!variables.has(name))
      throw wrongParameter(`the gauge has no histogram, which ${query.name} reads`, [
        'take sm_active_ratio, tensor_active_ratio, dram_active_ratio or power_watts',
      ]);
  const lines = wanted.map(([name, sql]) => `  @${name} := ${sql}`).join(',\n');
  const head = `-- ${query.name}: ${query.title}\n`;
  return head + (lines === '' ? '' : `DECLARE\n${lines}\n`) + query.sql;
}

function defaultOf(query: NamedQuery, name: string, { default: unset, meaning }: Parameter): string {
  if (unset !== undefined) return unset;
  throw wrongParameter(`expected ${name}=…, ${meaning}; came none`, [
    `gpuledger query run ${query.name} ${usageOf(query)}`,
  ]);
}

/** The lane that was named, else the first of the configuration that has what the query reads. */
function laneOf(
  query: NamedQuery,
  name: string,
  parameter: Parameter,
  gauges: readonly string[],
  given: string | undefined,
  lanes: readonly Lane[],
  nowUs: number,
): Pick<Lane, 'name' | 'table'> {
  const columns = [...new Set([...(parameter.columns ?? []), ...gauges])];
  const lackOf = ({ fields }: Lane): string[] =>
    columns.filter((column) => !fields.some((field) => field.column === column));
  const fit = lanes.filter((lane) => lackOf(lane).length === 0);
  if (given === undefined) {
    if (fit[0] !== undefined) return fit[0];
    throw new OperatingError(
      `no lane of the configuration has ${columns.join(' and ')}, which ${query.name} reads`,
      {
        code: 'query.lane',
        exit: 'config',
        hints: [
          `lanes: ${lanes.map((lane) => lane.name).join(', ')}`,
          `name one that the store has: ${name}=NAME`,
        ],
      },
    );
  }
  valueOf(name, parameter, given, nowUs);
  const known = lanes.find((lane) => lane.name === given);
  // One of another configuration: the store knows whether there is such a table.
  if (known === undefined) return { name: given, table: tableOf(given) };
  const lack = lackOf(known);
  if (lack.length === 0) return known;
  throw wrongParameter(
    `${name}: the lane ${given} has no ${lack.join(' and no ')}, which ${query.name} reads`,
    [...(fit.length === 0 ? [] : [`lanes that have: ${fit.map((lane) => lane.name).join(', ')}`])],
  );
}

/** `from` and `to` are the window of a query, wherever they are both. */
function checkWindow(texts: Given, values: ReadonlyMap<string, Value>): void {
  const [from, to] = ['from', 'to'].map((name) => values.get(name)?.us);
  if (from === undefined || to === undefined || from < to) return;
  throw wrongParameter(
    `expected a window that begins before it ends, came from=${texts.get('from')!} to=${texts.get('to')!}`,
    ['times are UTC', 'the last week: from=-7d'],
  );
}

/** `job=… [every=5m]`, without those that are seldom given. */
export function usageOf({ parameters }: NamedQuery): string {
  return [...parameters]
    .filter(([, { default: unset, type }]) => unset === undefined && type !== 'lane')
    .map(([name]) => `${name}=…`)
    .join(' ');
}

function unknownParameter(query: NamedQuery, name: string): OperatingError {
  const known = [...query.parameters.keys()];
  const nearest = nearestWords(name, known, 1);
  return wrongParameter(`${query.name} has no parameter ${JSON.stringify(name.slice(0, 60))}`, [
    ...(nearest.length === 0 ? [] : [`did you mean: ${nearest.join(', ')}`]),
    parametersHint(query),
  ]);
}

function parametersHint({ name, parameters }: NamedQuery): string {
  return parameters.size === 0
    ? `${name} has no parameters`
    : `parameters: ${[...parameters.keys()].join(', ')}`;
}

function wrongParameter(message: string, hints: readonly string[]): OperatingError {
  return new OperatingError(message, { code: 'query.parameter', exit: 'usage', hints });
}
