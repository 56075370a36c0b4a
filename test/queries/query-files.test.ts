/** Goal: a file of a query is read whole or refused with its reason, and what people read of the queries is what the files say. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { readNamedQuery, type NamedQuery } from '../../schemas/query-file.ts';
import { defaultLanes, type Lane } from '../../src/core/fields/lane.ts';
import { findNamedQuery, readNamedQueries } from '../../src/queries/query-files.ts';
import { fillQuery, readGiven } from '../../src/queries/query-sql.ts';
import {
  answerCsv,
  renderAnswer,
  renderQueryDescription,
  renderQueryList,
} from '../../src/report/query-text.ts';
import { runLine } from '../helpers/command-line.ts';

vi.mock('../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

const HEAD = 'title: A title\nabout: What it answers.\nneeds: jobs\nshared: whole';
const file = (head: string, sql = 'SELECT 1'): string => `/*\n${head}\n*/\n${sql}\n`;

test.each([
  ['no header', 'SELECT 1', 'does not begin with /*'],
  ['no YAML', file('title: "open'), 'is not as expected'],
  ['no title', file(HEAD.replace('title: A title\n', '')), 'title'],
  ['a key too many', file(`${HEAD}\nauthor: me`), 'author'],
  ['nothing said of sharing', file(HEAD.replace('whole', 'maybe')), 'shared'],
  [
    'a type that there is not',
    file(`${HEAD}\nparameters:\n  a: { type: text, meaning: b }`, 'SELECT @a'),
    'type',
  ],
  ['a parameter without a meaning', file(`${HEAD}\nparameters:\n  a: { type: job }`, 'SELECT @a'), 'meaning'],
  [
    'a parameter with a wrong name',
    file(`${HEAD}\nparameters:\n  a_b: { type: job, meaning: b }`, 'SELECT @a_b'),
    'a_b',
  ],
  ['a variable that is no parameter', file(HEAD, 'SELECT @job'), '@job is no parameter'],
  [
    'a parameter that is not used',
    file(`${HEAD}\nparameters:\n  a: { type: job, meaning: b }`),
    'the parameter a is not used',
  ],
  ['two statements', file(HEAD, 'SELECT 1; DROP TABLE jobs'), 'one statement'],
  ['variables of its own', file(HEAD, 'DECLARE @a := 1 SELECT @a'), 'one statement'],
])('a file with %s is refused', (_, text, said) => {
  expect(() => readNamedQuery('some-name', text)).toThrow(said);
});

test('a file is read, and its name must be one', () => {
  const text = file(
    `${HEAD}\nparameters:\n  limit: { type: count, default: 5, meaning: rows }`,
    'SELECT 1 LIMIT @limit',
  );
  const query = readNamedQuery('some-name', text);
  expect(query).toMatchObject({
    name: 'some-name',
    title: 'A title',
    shared: 'whole',
    sql: 'SELECT 1 LIMIT @limit',
  });
  expect(query.parameters.get('limit')).toEqual({ type: 'count', default: '5', meaning: 'rows' });
  expect(() => readNamedQuery('Some_name', text)).toThrow('lower-case');
});

test('docs/queries.md says what the files say', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-queries.ts', '--check'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('the files go with the package', () => {
  const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
  expect(files).toContain('infra');
});

const sqlOf = (query: NamedQuery, words: readonly string[], lanes: readonly Lane[] = defaultLanes): string =>
  fillQuery(query, readGiven(query, words), lanes, Date.UTC(2026, 10, 29) * 1000).sql;

test('values stand before the query as literals of their types, and the query stays as it is', () => {
  const query = findNamedQuery('job-phases');
  expect(sqlOf(query, ["job=4217'; DROP TABLE jobs --", 'every=90s', 'limit=7'])).toBe(
    [
      '-- job-phases: The course of a job in steps of time',
      'DECLARE',
      "  @job := '4217''; DROP TABLE jobs --',",
      '  @job_from := (SELECT min(ts) FROM gpu_ownership WHERE job_id = @job),',
      '  @job_to := (SELECT max(coalesce(end_ts, now())) FROM gpu_ownership WHERE job_id = @job),',
      "  @every := '90s',",
      '  @lane := gpu_profiling,',
      '  @limit := 7',
      query.sql,
    ].join('\n'),
  );
});

test('a time that is told as long ago stays so', () => {
  const declared = (...words: string[]): string[] =>
    [...sqlOf(findNamedQuery('gaps'), words).matchAll(/@(?:from|to) := (.*?),?\n/g)].map(([, sql]) => sql!);
  expect(declared()).toEqual(["dateadd('d', -7, now())", 'now()']);
  expect(declared('from=-90m', 'to=-1500ms')).toEqual([
    "dateadd('m', -90, now())",
    "dateadd('T', -1500, now())",
  ]);
  expect(declared('from=2026-11-20T10:00:00.5Z', 'to=2026-11-21')).toEqual([
    "'2026-11-20T10:00:00.500000Z'::timestamp",
    "'2026-11-21T00:00:00.000000Z'::timestamp",
  ]);
});

test('a lane is the one that is named, else the first of the configuration that has what is read', () => {
  const [profiling, ...others] = defaultLanes;
  const fast: Lane = { ...profiling!, name: 'fast', table: 'gpu_quick' };
  const power = { ...fast, fields: fast.fields.filter(({ column }) => column === 'power_watts') };
  const query = findNamedQuery('power-p99');
  const table = (words: readonly string[], lanes: readonly Lane[]): string | undefined =>
    /@lane := (\w+)/.exec(sqlOf(query, words, lanes))?.[1];
  expect(table([], defaultLanes)).toBe('gpu_profiling');
  expect(table([], [...others, power, profiling!])).toBe('gpu_quick');
  expect(table(['lane=fast'], [profiling!, fast])).toBe('gpu_quick');
  expect(table(['lane=former'], defaultLanes)).toBe('gpu_former');
  expect(() => table([], others)).toThrow('no lane of the configuration has power_watts');
  expect(() => sqlOf(findNamedQuery('hour-of-day'), ['lane=fast'], [power])).toThrow(
    'the lane fast has no sm_active_ratio',
  );
});

test('the list has a line for each query, a word finds some, and a name says all of one', async () => {
  const names = readNamedQueries().map(({ name }) => name);
  const list = await runLine(['query']);
  expect(
    list.stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ).toEqual(names);
  expect((await runLine(['query', 'list'])).stdout).toBe(list.stdout);
  const idle = await runLine(['query', 'list', 'idle']);
  expect(idle.stdout).toMatch(/^idle-beside-queue .*\nidle-now /);
  const one = await runLine(['query', 'idle-now']);
  expect(one.stdout).toContain('Devices that idle while a job owns them');
  expect(one.stdout).toMatch(/^ {2}below +number +0\.05 +SM activity below which a device is idle$/m);
  expect(one.stdout).toContain('to run it:  gpuledger query run idle-now');
  const told = JSON.parse((await runLine(['query', 'list', 'user-jobs', '--json'])).stdout) as NamedQuery[];
  expect(told[0]).toMatchObject({ name: 'user-jobs', shared: 'divided' });
  expect((told[0]!.parameters as unknown as unknown[])[0]).toEqual({
    name: 'user',
    type: 'user',
    meaning: 'as the scheduler names them',
  });
});

const ANSWER = {
  columns: [
    { name: 'ts', type: 'TIMESTAMP' },
    { name: 'name', type: 'VARCHAR' },
    { name: 'value', type: 'DOUBLE' },
    { name: 'count', type: 'LONG' },
  ],
  rows: [
    ['2026-11-20T09:00:00.250000Z', '=1+1', 0.1234567, 5],
    ['2026-11-20T09:00:00.000000Z', 'a\u001b[2J\u202e', 1e-9, -3],
    [null, null, null, '4611686018427387905'],
  ],
};

test('an answer as a table has six digits, and shows what would harm; as CSV it is safe for a spreadsheet', () => {
  expect(renderAnswer(ANSWER, Infinity)).toBe(
    [
      'ts                      name              value                count',
      '2026-11-20 09:00:00.25  =1+1           0.123457                    5',
      '2026-11-20 09:00:00     a␛[2J<U+202E>      1e-9                   -3',
      '–                       –                     –  4611686018427387905',
      '',
    ].join('\n'),
  );
  expect(answerCsv(ANSWER)).toBe(
    "ts,name,value,count\n2026-11-20T09:00:00.250000Z,'=1+1,0.1234567,5\n2026-11-20T09:00:00.000000Z,a\u001b[2J\u202e,1e-9,-3\n,,,4611686018427387905\n",
  );
});

test('on a narrow terminal no column falls off', () => {
  const columns = Array.from({ length: 12 }, (_, index) => ({
    name: `column_${index}_ratio`,
    type: 'DOUBLE',
  }));
  const text = renderAnswer({ columns, rows: [columns.map((_, index) => index / 7)] }, 80);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  for (const { name } of columns) expect(text).toContain(name);
});

test('on a narrow terminal the list and each description break their sentences', () => {
  const queries = readNamedQueries();
  const texts = [renderQueryList(queries, 60), ...queries.map((query) => renderQueryDescription(query, 60))];
  // The command lines at the end are for copying, whole.
  const prose = texts.flatMap((text) =>
    text.split('\n').filter((line) => !/^(to run it|its SQL): /.test(line)),
  );
  expect(prose.filter((line) => line.length > 60)).toEqual([]);
  expect(renderQueryList(queries, Infinity).trimEnd().split('\n')).toHaveLength(queries.length);
  const [first] = queries;
  for (const word of first!.about.split(' ')) expect(texts[1]).toContain(word);
});
