/**
 * Goal: each named query answers what it says, on the real server. Method: the small history of `history.ts` in a QuestDB of its
 * own, and per query one or more cases whose rows are computed from the same rows in another way. No query is without a case.
 */
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { timestampUs } from '../../schemas/questdb-reply.ts';
import { queryAnswer } from '../../schemas/reports/query-answer.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { findNamedQuery, readNamedQueries } from '../../src/queries/query-files.ts';
import { valueOf } from '../../src/queries/parameter-values.ts';
import { fillQuery } from '../../src/queries/query-sql.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { runCommand, type Ended } from '../helpers/run-process.ts';
import { FLEET_CASES } from './expected-fleet.ts';
import { JOB_CASES, type Case, type Expected } from './expected-jobs.ts';
import { at, DEVICES, HOSTILE, JOBS, LANES, writeHistory } from './history.ts';

const CASES: Readonly<Record<string, readonly Case[]>> = { ...JOB_CASES, ...FLEET_CASES };
const names = globSync('infra/questdb/queries/*.sql').map((path) => basename(path, '.sql'));

let server: TestQuestdb;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await writeHistory(db);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

test('every query has a case, and there are enough of them', () => {
  expect(names.toSorted()).toEqual(Object.keys(CASES).sort());
  expect(names.length).toBeGreaterThanOrEqual(25);
  expect(readNamedQueries().map(({ name }) => name)).toEqual(names.toSorted());
});

async function answer(name: string, given: Readonly<Record<string, string>>): Promise<Expected[]> {
  const filled = fillQuery(findNamedQuery(name), new Map(Object.entries(given)), LANES, Date.now() * 1000);
  const { columns, rows } = await db.exec(filled.sql);
  return rows.map((row) =>
    Object.fromEntries(
      columns.map((column, index) => {
        const value = row[index] as string | number | null;
        return [column.name, column.type === 'TIMESTAMP' && value !== null ? timestampUs(value) : value];
      }),
    ),
  );
}

/** The order of addition is the server's: a number that is as near as that is taken for the expected one. */
function settled(came: readonly Expected[], expected: readonly Expected[]): Expected[] {
  return came.map((row, index) =>
    Object.fromEntries(
      Object.entries(row).map(([column, value]) => {
        const wanted = expected[index]?.[column];
        const isNear =
          typeof value === 'number' &&
          typeof wanted === 'number' &&
          Math.abs(value - wanted) <= 1e-9 * Math.max(1, Math.abs(wanted));
        return [column, isNear ? wanted : value];
      }),
    ),
  );
}

describe.each(names)('%s', (name) => {
  test.each(CASES[name] ?? [])('$given', async ({ given, rows }) => {
    const expected = rows();
    const came = await answer(name, given);
    expect(settled(came, expected)).toEqual(expected);
  });
});

const limited = readNamedQueries().flatMap(({ name, parameters }) => (parameters.has('limit') ? [name] : []));

test.each(limited)('%s gives no more than its limit', async (name) => {
  const [first] = (CASES[name] ?? []).filter(({ rows }) => rows().length > 1);
  expect(first).toBeDefined();
  const expected = first!.rows().slice(0, 1);
  expect(settled(await answer(name, { ...first!.given, limit: '1' }), expected)).toEqual(expected);
});

describe('through the built command', () => {
  const query = async (...args: string[]): Promise<Ended> =>
    await runCommand(['query', ...args], { env: { QDB_CLIENT_CONF: server.conf } });
  const window = ['from=2024-09-01', 'to=2024-09-05'];

  test('a table, JSON and CSV of one answer', async () => {
    const args = ['run', 'device-owners', `device=${DEVICES[3]!.gpu}`, ...window];
    const [table, json, csv] = [
      await query(...args),
      await query(...args, '--json'),
      await query(...args, '--csv'),
    ];
    expect([table.exitCode, json.exitCode, csv.exitCode]).toEqual([0, 0, 0]);
    const lines = table.stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^begin_ts +end_ts +node +job_id +run +user +account +name +share$/);
    expect(lines[1]).toMatch(
      /^2024-09-02 10:00:00  2024-09-02 10:08:00  n2 +4217 +0  ada +physics +name of 4217 +–$/,
    );
    const { query: name, parameters, sql, columns, rows } = queryAnswer.parse(JSON.parse(json.stdout));
    expect({ name, parameters, columns: columns[0] }).toEqual({
      name: 'device-owners',
      parameters: { device: DEVICES[3]!.gpu, from: '2024-09-01', to: '2024-09-05', limit: '200' },
      columns: { name: 'begin_ts', type: 'TIMESTAMP' },
    });
    expect(sql).toContain('DECLARE');
    expect(rows[1]).toMatchObject({ begin_ts: at(500), job_id: HOSTILE, share: null });
    const [head, first, second] = csv.stdout.trimEnd().split('\n');
    expect(head).toBe('begin_ts,end_ts,node,job_id,run,user,account,name,share');
    expect(first).toBe(
      '2024-09-02T10:00:00.000000Z,2024-09-02T10:08:00.000000Z,n2,4217,0,ada,physics,name of 4217,',
    );
    expect(second).toContain(`"${HOSTILE.replaceAll('"', '""')}"`);
  });

  test('what is shown is what is run', async () => {
    const { stdout, exitCode } = await query('show', 'xids-per-node', ...window, 'node=n1');
    expect(exitCode).toBe(0);
    expect(stdout).toContain("@from := '2024-09-01T00:00:00.000000Z'::timestamp");
    const { rows } = await db.exec(stdout);
    expect(rows).toHaveLength(2);
  });

  test('of more rows than the limit that is told, and of none', async () => {
    const few = await query('run', 'jobs-with-xid', ...window, 'limit=2');
    expect([few.exitCode, few.stderr]).toEqual([0, '2 rows, which is the limit; for more: limit=20\n']);
    const none = await query('run', 'job-events', 'job=nobody', '--csv');
    expect([none.exitCode, none.stdout, none.stderr]).toEqual([
      0,
      'ts,end_ts,node,gpu,kind,code,subject,text\n',
      'no rows\n',
    ]);
  });

  test('a lane that the store does not have, and a column', async () => {
    const lane = await query('run', 'hour-of-day', 'lane=nosuch');
    expect([lane.exitCode, lane.stdout]).toEqual([69, '']);
    expect(lane.stderr).toContain('gpuledger schema apply');
  });
});

test('whatever a text holds, the server takes it for that text', async () => {
  const texts = fc.sample(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), {
    numRuns: 60,
    seed: 16,
  });
  const hostile = [
    HOSTILE,
    "'",
    "''",
    "\\'; DROP TABLE jobs; --",
    '/* */',
    '-- x',
    '@job',
    '${from}',
    '$1',
    '?',
    '; SELECT 1',
    '\ud83d\ude00',
    '%',
    'a\u2028\u202eb',
  ];
  const parameter = { type: 'job', meaning: 'any' } as const;
  for (const text of [...hostile, ...texts.filter((one) => one.trim() !== '' && !/\p{Cc}/u.test(one))]) {
    const { sql } = valueOf('job', parameter, text, 0);
    const { rows } = await db.exec(
      `DECLARE @job := ${sql} SELECT @job, count() FROM jobs WHERE job_id = @job`,
    );
    expect(rows).toEqual([[text, JOBS.filter(({ jobId }) => jobId === text).length]]);
  }
  const { rows } = await db.exec('SELECT count() FROM jobs');
  expect(rows).toEqual([[JOBS.length]]);
});
