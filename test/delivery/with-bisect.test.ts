/** Refused batches on a real QuestDB: the bad rows become dead letters, the others are written. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { withBisect } from '../../src/delivery/with-bisect.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import { refusedRowsOf, untaken, type Batch, type Fate, type Sink } from '../../src/core/wire/sink.ts';
import { OperatingError } from '../../src/core/base/errors.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { openDeadLetters, type DeadLetterLine } from '../../src/disk/dead-letter.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';

let db: QuestDb;
let directory: string;
let table: string;
let told: Notice[];
let requests: number;
let sink: Sink;
/** Answers instead of the server when set. */
let instead: ((request: number, batch: Batch) => Fate | undefined) | undefined;

beforeEach(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-dead-'));
  table = `dead_${randomUUID().slice(0, 8)}`;
  told = [];
  requests = 0;
  instead = undefined;
  const tell = (notice: Notice): number => told.push(notice);
  const counted: Sink = {
    async send(batch) {
      requests += 1;
      return instead?.(requests, batch) ?? (await db.send(batch));
    },
  };
  sink = withBisect(
    counted,
    openDeadLetters(realDisk, directory, tell, () => 1_763_700_000_000),
    tell,
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
  const fate = await sink.send({ table, body: rows(100_000, (row) => row === 61_234), rows: 100_000 });
  expect(fate).toMatchObject({ acknowledgedRows: 99_999, refused: [{ from: 61_234, to: 61_235 }] });
  expect(fate.unsent).toBeUndefined();
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
  const fate = await sink.send({ table, body: rows(500, (row) => row % 100 === 7), rows: 500 });
  expect(fate.acknowledgedRows).toBe(495);
  expect(fate.refused.map(({ from }) => from)).toEqual([7, 107, 207, 307, 407]);
  expect(deadLetters()).toHaveLength(5);
  const wrongType = told.filter(({ code }) => code === 'column.wrong_type');
  expect(wrongType).toHaveLength(1);
  expect(wrongType[0]!.sentence).toContain('ALTER COLUMN "v" TYPE DOUBLE');
});

test('where every row is bad it ends with a bounded number of requests', async () => {
  const fate = await sink.send({ table, body: rows(5_000, () => true), rows: 5_000 });
  expect(fate.acknowledgedRows).toBe(0);
  expect(refusedRowsOf(fate)).toBe(5_000);
  expect(requests).toBeLessThanOrEqual(101);
  expect(deadLetters().reduce((sum, letter) => sum + letter.rows, 0)).toBe(5_000);
});

test('a store that goes away in mid-search leaves the rest unsent, nothing lost, nothing twice', async () => {
  const body = rows(1_000, (row) => row === 700);
  const error = new OperatingError('gone', { code: 'questdb.unreachable', exit: 'temporary' });
  instead = (request, batch) =>
    request > 2 ? untaken(batch, { cause: 'store', reason: 'gone', error }) : undefined;
  const first = await sink.send({ table, body, rows: 1_000 });
  expect(first.acknowledgedRows + refusedRowsOf(first) + first.unsent!.rows).toBe(1_000);
  expect(first.unsent).toMatchObject({ cause: 'store', reason: 'gone' });
  instead = undefined;
  const second = await sink.send({ table, body: first.unsent!.body, rows: first.unsent!.rows });
  expect(first.acknowledgedRows + second.acknowledgedRows).toBe(999);
  expect(refusedRowsOf(first) + refusedRowsOf(second)).toBe(1);
  expect(await countRows()).toBe(999);
});
