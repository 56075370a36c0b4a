/** Something between us and the server that answers for it: `confirm: visible` believes what queries see. */
import { afterEach, beforeAll, expect, inject, test } from 'vitest';
import type { Batch } from '../../src/core/wire/sink.ts';
import { createStoreGate, type StoreGate } from '../../src/questdb/gate.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { forward, httpServer, type BadServer } from '../helpers/bad-server.ts';

const FIRST_US = 1_763_700_000_000_000;
let server: BadServer | undefined;
let db: QuestDb | undefined;
let swallowed = 0;
let posts = 0;

beforeAll(async () => {
  const real = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await real.exec(
    'CREATE TABLE swallowed (ts TIMESTAMP, node SYMBOL, gpu SYMBOL, v DOUBLE) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, gpu)',
  );
  await real.close();
});
afterEach(async () => {
  await db?.close();
  await server?.close();
});

/** @param count of posts that are answered and go no further */
async function openGate(count: number): Promise<StoreGate> {
  [swallowed, posts] = [count, 0];
  server = await httpServer((request, response) => {
    const isPost = request.url?.startsWith('/write') === true;
    if (isPost) posts += 1;
    if (!isPost || posts > swallowed) forward(inject('questdbUrl'), request, response);
    else {
      request.resume();
      response.writeHead(204).end();
    }
  });
  db = await openQuestDb(`http::addr=${server.addr};`, { requestTimeoutMs: 30_000 });
  const gate = createStoreGate({
    db,
    confirm: 'visible',
    prepare: () => Promise.resolve(),
    tell: () => undefined,
  });
  await gate.open();
  return gate;
}

/** Two devices of a node whose name has to be escaped, five moments. */
function batch(seed: number): Batch {
  const lines = Array.from({ length: 10 }, (_, n) => {
    const us = FIRST_US + seed * 1_000_000 + Math.floor(n / 2);
    return `swallowed,node=n\\ 1\\,a,gpu=g${n % 2} v=${n} ${us}t\n`;
  });
  return { table: 'swallowed', body: new Uint8Array(Buffer.from(lines.join(''))), rows: 10 };
}

test.each([0, 1, 2])(
  'rows that %d times went no further are sent again until they are there',
  async (count) => {
    const gate = await openGate(count);
    expect(await gate.patient.send(batch(count))).toEqual({ acknowledgedRows: 10, refused: [] });
    expect(posts).toBe(count + 1);
    const { rows } = await db!.exec(
      `SELECT count() FROM swallowed WHERE ts >= cast(${FIRST_US + count * 1_000_000} AS timestamp) AND ts < cast(${FIRST_US + (count + 1) * 1_000_000} AS timestamp)`,
    );
    expect(rows).toEqual([[10]]);
  },
);

test('rows that are nowhere after three times are not taken, and it is said', async () => {
  const gate = await openGate(Infinity);
  const { acknowledgedRows, unsent } = await gate.patient.send(batch(7));
  expect({ acknowledgedRows, posts }).toEqual({ acknowledgedRows: 0, posts: 3 });
  expect(unsent).toMatchObject({ cause: 'store', rows: 10 });
  expect(unsent!.reason).toBe(
    '10 rows for swallowed were acknowledged 3 times, and queries find 0 of that time and node',
  );
});
