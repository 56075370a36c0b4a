/** Refused batches on a real QuestDB: the bad rows become dead letters, the others are written. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createBatchSender, type BatchSender } from '../../src/delivery/batch-send.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { openDeadLetters, type DeadLetterLine } from '../../src/disk/dead-letter.ts';
import { openQuestDb, type QuestDb, type WriteReply } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

let db: QuestDb;
let directory: string;
let table: string;
let notices: Notice[];
let requests: number;
let sender: BatchSender;
/** Answers instead of the server when set. */
let instead: ((request: number) => WriteReply | undefined) | undefined;

beforeEach(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-dead-'));
  table = `dead_${randomUUID().slice(0, 8)}`;
  notices = [];
  requests = 0;
  instead = undefined;
  sender = createBatchSender(
    async (_table, body) => {
      requests += 1;
      return instead?.(requests) ?? (await db.write(body));
    },
    openDeadLetters(
      realDisk,
      directory,
      (notice) => notices.push(notice),
      () => 1_763_700_000_000,
    ),
    (notice) => notices.push(notice),
  );
  await db.exec(
    `CREATE TABLE ${table} (ts TIMESTAMP, gpu SYMBOL, v DOUBLE) TIMESTAMP(ts) PARTITION BY DAY WAL DEDUP UPSERT KEYS(ts, gpu)`,
  );
});
afterEach(async () => {
  await db.exec(`DROP TABLE ${table}`);
  await db.close();
  rmSync(directory, { recursive: true });
});

function rows(count: number, isBad: (row: number) => boolean): Uint8Array<ArrayBuffer> {
  const lines = Array.from(
    { length: count },
    (_, i) => `${table},gpu=a v=${isBad(i) ? '"bad"' : '1'} ${1_763_700_000_000_000 + i}t\n`,
  );
  return new Uint8Array(Buffer.from(lines.join('')));
}

async function countRows(): Promise<unknown> {
  await waitForVisible(db, table);
  return (await db.exec(`SELECT count() FROM ${table}`)).rows[0]![0];
}

function deadLetters(): DeadLetterLine[] {
  const text = readFileSync(join(directory, `${table}.jsonl`), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as DeadLetterLine);
}

test('one bad row in 100,000: the others are written, it is a dead letter with the server’s words, in few requests', async () => {
  const outcome = await sender.send(
    table,
    rows(100_000, (row) => row === 61_234),
    100_000,
  );
  expect(outcome).toEqual({ acknowledgedRows: 99_999, refusedRows: 1 });
  expect(requests).toBeLessThanOrEqual(40);
  expect(await countRows()).toBe(99_999);
  const [letter, ...more] = deadLetters();
  expect(more).toEqual([]);
  expect(letter).toMatchObject({ table, rows: 1 });
  expect(letter!.reason).toContain('cast error');
  expect(letter!.text).toBe(`${table},gpu=a v="bad" ${1_763_700_000_000_000 + 61_234}t\n`);
  expect(Buffer.from(letter!.body, 'base64').toString()).toBe(letter!.text);
});

test('several bad rows are found each; a wrong column type is told once, with the way out', async () => {
  const outcome = await sender.send(
    table,
    rows(500, (row) => row % 100 === 7),
    500,
  );
  expect(outcome).toEqual({ acknowledgedRows: 495, refusedRows: 5 });
  expect(deadLetters()).toHaveLength(5);
  const told = notices.filter(({ code }) => code === 'column.wrong_type');
  expect(told).toHaveLength(1);
  expect(told[0]!.sentence).toContain('ALTER COLUMN "v" TYPE DOUBLE');
});

test('where every row is bad it ends with a bounded number of requests', async () => {
  const outcome = await sender.send(
    table,
    rows(5_000, () => true),
    5_000,
  );
  expect(outcome).toEqual({ acknowledgedRows: 0, refusedRows: 5_000 });
  expect(requests).toBeLessThanOrEqual(101);
  expect(deadLetters().reduce((sum, letter) => sum + letter.rows, 0)).toBe(5_000);
});

test('a store that goes away in mid-search leaves the rest unsent, nothing lost, nothing twice', async () => {
  const body = rows(1_000, (row) => row === 700);
  const held = { kind: 'retryable', message: 'gone', error: new Error('gone') as never } as const;
  instead = (request) => (request > 2 ? held : undefined);
  const first = await sender.send(table, body, 1_000);
  expect(first.acknowledgedRows + first.refusedRows + first.unsent!.rows).toBe(1_000);
  expect(first.unsent!.rows).toBeGreaterThan(0);
  instead = undefined;
  const second = await sender.send(table, first.unsent!.body, first.unsent!.rows);
  expect(first.acknowledgedRows + second.acknowledgedRows).toBe(999);
  expect(first.refusedRows + second.refusedRows).toBe(1);
  expect(await countRows()).toBe(999);
});
