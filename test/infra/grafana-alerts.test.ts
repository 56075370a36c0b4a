/** Goal: the alerts of Grafana ask what the named query asks, and a real QuestDB answers with a name and a number for each node. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { namedQuery } from '../../scripts/grafana/named-query.ts';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { insertRows } from '../helpers/insert-rows.ts';
import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT } from '../helpers/run-process.ts';

interface Alert {
  uid: string;
  condition: string;
  data: {
    refId: string;
    datasourceUid: string;
    model: {
      refId: string;
      rawSql?: string;
      expression?: string;
      conditions?: { evaluator: { type: string; params: number[] } }[];
    };
  }[];
}

const read = (path: string): unknown => parse(readFileSync(join(ROOT, 'infra/grafana', path), 'utf8'));
const alerts = (read('alerting/gpuledger.yaml') as { groups: { rules: Alert[] }[] }).groups[0]!.rules;
const MINUTE_US = 60_000_000;

let server: TestQuestdb;
let db: QuestDb;
beforeAll(async () => {
  server = await startTestQuestdb();
  db = await openQuestDb(server.conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, defaultLanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const now = Date.now() * 1000;
  const report = (node: string, minutesAgo: number, counts: Record<string, number>): object => ({
    ...{ ts: now - minutesAgo * MINUTE_US, node, lane: 'profiling' },
    ...{
      sampled_rows: 0,
      acknowledged_rows: 0,
      held_rows: 0,
      spooled_rows: 0,
      refused_rows: 0,
      dropped_rows: 0,
    },
    ...counts,
  });
  await insertRows(
    db,
    'gpu_inventory',
    ['fine', 'silent', 'gone', 'fills', 'loses'].map((node) => ({
      ts: now - 3 * 24 * 60 * MINUTE_US,
      node,
      gpu: `GPU-${node}`,
    })),
  );
  await insertRows(db, 'collector_stats', [
    report('fine', 1, { sampled_rows: 900, acknowledged_rows: 895, held_rows: 5 }),
    report('silent', 5, {}),
    report('fills', 0, { held_rows: 90_000, spooled_rows: 20_000 }),
    ...[2, 0].map((minutesAgo) => report('loses', minutesAgo, { dropped_rows: 10 - minutesAgo })),
  ] as never);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

test('each asks a data source that the example has, and its SQL is that of the named query', () => {
  const known = (read('provisioning/datasources/gpuledger.yaml') as { datasources: { uid: string }[] })
    .datasources;
  const sql = namedQuery('sent-lately', {
    ...{ at: 'now()', within: '600_000_000', back: '1_209_600_000_000', lane_days: 'gpu_profiling_1d' },
  });
  const words = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
  for (const { condition, data } of alerts) {
    const [query, threshold] = data;
    expect(known.map(({ uid }) => uid)).toContain(query!.datasourceUid);
    expect([threshold!.refId, threshold!.model.expression]).toEqual([condition, query!.refId]);
    expect(words(query!.model.rawSql!)).toMatch(/^SELECT node, [^()]*(?:\(\w+, 0\) AS \w+)? ?FROM \( /);
    expect(words(query!.model.rawSql!)).toContain(words(sql));
  }
});

test.each([
  ['gpuledger-silent', ['gone', 'silent']],
  ['gpuledger-lost', ['loses']],
  ['gpuledger-waiting', ['fills']],
])('%s names %j', async (uid, expected) => {
  const [query, threshold] = alerts.find((alert) => alert.uid === uid)!.data;
  await expect.poll(async () => (await db.exec('SELECT count() FROM collector_stats')).rows).toEqual([[5]]);
  const { columns, rows } = await db.exec(query!.model.rawSql!);
  // A text that names, a number that is compared: more would make series of their own.
  expect(columns.map(({ type }) => ['SYMBOL', 'VARCHAR', 'STRING'].includes(type))).toEqual([true, false]);
  expect(rows).toHaveLength(5);
  const { type, params } = threshold!.model.conditions![0]!.evaluator;
  expect(type).toBe('gt');
  expect(
    rows
      .filter(([, value]) => Number(value) > params[0]!)
      .map(([node]) => node)
      .sort(),
  ).toEqual(expected);
});
