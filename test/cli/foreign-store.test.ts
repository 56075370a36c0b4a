/**
 * Goal: whatever stands in the place of the store, each command that asks it ends with a sentence and a code for that, and never
 * as a defect of gpuledger. Method: a web server on loopback that gives one reply to every question, or one that is QuestDB's but
 * for what it holds, and every such command.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { httpServer, type BadServer } from '../helpers/bad-server.ts';
import { expectRefusal, runLine } from '../helpers/command-line.ts';

vi.mock('../../src/cli/leave.ts', () => ({ leave: () => undefined, leaveStuckCalls: () => undefined }));

/** @returns the body of the answer to a question */
type Reply = (sql: string) => string;

const BUILD = {
  columns: [{ name: 'build', type: 'STRING' }],
  dataset: [['Build Information: QuestDB 9.3.4, JDK 25, Commit Hash 0']],
};
const rowsOf = (query: string, columns: readonly object[], dataset: readonly unknown[]): string =>
  JSON.stringify({ query, columns, timestamp: -1, dataset, count: dataset.length });

/** They say the same to everybody. */
const FOREIGN: Readonly<Record<string, Reply>> = {
  'a page': () => '<html>a printer</html>',
  nothing: () => '',
  'an empty object': () => '{}',
  'an empty list': () => '[]',
  null: () => 'null',
  'a number': () => '7',
  'a refusal of its own': () => '{"error":"Not Found"}',
  'the build, without the question': () => JSON.stringify(BUILD),
  'the build, whatever is asked': () => rowsOf('SELECT build()', BUILD.columns, BUILD.dataset),
};

/** They pass for a QuestDB, and answer something else than was asked. */
function like(columns: readonly string[], row: readonly unknown[]): Reply {
  const typed = columns.map((name) => ({ name, type: 'LONG' }));
  return (sql) =>
    sql === 'SELECT build()' ? rowsOf(sql, BUILD.columns, BUILD.dataset) : rowsOf(sql, typed, [row]);
}
/** More than any question of ours has. */
const MANY = Array.from({ length: 40 }, (_, index) => `c${index}`);
/** Those of the first questions of reports. */
const OURS = ['table_name', 'job_id', 'written', 'view_name', 'from_us', 'to_us', 'node', 'gpu', 'cluster'];
const LIKE_QUESTDB: Readonly<Record<string, Reply>> = {
  'other columns': like(['shoes'], [38]),
  'no columns': like([], []),
  'columns without cells': like([...OURS, ...MANY], []),
  'text in every cell': like(
    [...OURS, ...MANY],
    [...OURS, ...MANY].map(() => 'many'),
  ),
  'an object in every cell': like(
    [...OURS, ...MANY],
    [...OURS, ...MANY].map(() => ({ a: [1] })),
  ),
};

const WINDOW = ['--since', '1d'];
const LINES: readonly (readonly string[])[] = [
  ['report', 'job', '4217'],
  ['report', 'job', '4217', '--json'],
  ['report', 'jobs', ...WINDOW],
  ['report', 'user', 'ada', ...WINDOW],
  ['report', 'capacity', ...WINDOW],
  ['report', 'forecast'],
  ['report', 'reliability', ...WINDOW],
  ['report', 'queue', ...WINDOW],
  ['report', 'bill', '--month', '2026-10'],
  ['report', 'right-size', ...WINDOW],
  ['query', 'run', 'collectors'],
  ['query', 'run', 'idle-now'],
  ['query', 'run', 'job-phases', 'job=4217'],
  ['watch-idle'],
  ['schema', 'apply'],
  ['jobs', 'sync'],
  ['doctor', '--store'],
  ['doctor', '--reader'],
];

const ALL = { ...FOREIGN, ...LIKE_QUESTDB };

describe.each(Object.keys(ALL))('%s', (name) => {
  let server: BadServer;
  beforeAll(async () => {
    server = await httpServer((request, response) => {
      const sql = new URL(request.url ?? '/', 'http://store').searchParams.get('query') ?? '';
      response.end(ALL[name]!(sql));
    });
  });
  afterAll(() => server.close());

  test.each(LINES.map((line) => [line.join(' '), line] as const))('%s', async (_, line) => {
    const ended = await runLine(line, { QDB_CLIENT_CONF: `http::addr=${server.addr};` });
    expect(ended.exitCode, ended.stderr).not.toBe(70);
    if (line[0] === 'doctor') expect(ended.stdout).toMatch(/^ {2}(wrong|not told) /m);
    else if (ended.exitCode !== 0) expectRefusal(ended);
    if (!(name in FOREIGN)) return;
    expect(ended.exitCode).toBe(line[0] === 'doctor' ? 69 : 78);
    expect((ended.stdout + ended.stderr).replaceAll(/\s+/g, ' ')).toContain(
      `what answers at http://${server.addr} is not a QuestDB: expected its REST answer`,
    );
  });
});
