/** Rows of the small tables while the store is away, and from one life to the next. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Interval } from '../../src/core/jobs/interval.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { ownerSetsOf } from '../../src/core/jobs/device-parts.ts';
import { OUTBOX_ROWS_MAX } from '../../src/core/fields/limits.ts';
import { keepOutbox } from '../../src/delivery/outbox-keeper.ts';
import { createOutbox, type Outbox } from '../../src/delivery/outbox.ts';
import { createSmallTables, type EventRow } from '../../src/questdb/rows/small-tables.ts';
import type { Sink } from '../../src/core/wire/sink.ts';
import { fateOf } from '../helpers/send-rows.ts';

const INTERVAL: Interval = {
  node: 'n1',
  gpu: 'GPU-1',
  jobId: '7',
  run: 0,
  share: NaN,
  source: 'journal',
  startUs: 1_763_700_000_000_000,
  endUs: Infinity,
};
const EVENT: EventRow = {
  tsUs: 1_763_700_000_000_000,
  node: 'n1',
  kind: 'gap',
  subject: 'device',
  text: 'gone',
  jobId: null,
};

let directory: string;
let path: string;
let place: Parameters<typeof keepOutbox>[1];
let isAway: boolean;
let sent: string[];
let codes: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-outbox-'));
  path = join(directory, 'delivery/waiting-rows');
  place = { disk: realDisk, directory: join(directory, 'delivery') };
  isAway = true;
  sent = [];
  codes = [];
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function open(): Outbox {
  const sink: Sink = {
    send(batch) {
      if (isAway) return Promise.resolve(fateOf(batch, 'store'));
      sent.push(Buffer.from(batch.body).toString('latin1'));
      return Promise.resolve(fateOf(batch, 'acknowledged'));
    },
  };
  return createOutbox(createSmallTables(sink), ({ code }) => codes.push(code));
}

describe('the outbox', () => {
  test('keeps rows until the store has them, and what came meanwhile stands behind', async () => {
    const outbox = open();
    outbox.ownership([INTERVAL]);
    expect(await outbox.flush()).toBe(false);
    outbox.ownership([{ ...INTERVAL, jobId: '8' }]);
    isAway = false;
    expect(await outbox.flush()).toBe(true);
    expect(outbox.waitingRows).toBe(0);
    expect([...sent[0]!.matchAll(/job_id="(\d)"/g)].map(([, id]) => id)).toEqual(['7', '8']);
  });

  test('gives up the oldest of a table that has too many, says so once, and nothing before that', () => {
    const outbox = open();
    outbox.events(Array.from({ length: OUTBOX_ROWS_MAX }, (_, index) => ({ ...EVENT, tsUs: index })));
    outbox.ownership([INTERVAL]);
    expect(outbox.droppedRows).toBe(0);
    expect(codes).toEqual([]);
    outbox.events([EVENT, EVENT]);
    outbox.events([EVENT]);
    expect(outbox.droppedRows).toBe(3);
    expect(codes).toEqual(['outbox.dropped']);
    expect(outbox.snapshot()['gpu_events']).toHaveLength(OUTBOX_ROWS_MAX);
    expect(outbox.snapshot()['gpu_events']![0]).toMatchObject({ tsUs: 3 });
    expect(outbox.snapshot()['gpu_ownership']).toEqual([INTERVAL]);
  });

  test('has owner sets in the store before the stays that they are of', async () => {
    const outbox = open();
    isAway = false;
    outbox.ownership([INTERVAL]);
    outbox.ownerSets(ownerSetsOf([{ ...INTERVAL, share: 0.5 }]));
    expect(await outbox.flush()).toBe(true);
    expect(sent.map((text) => text.split(',')[0])).toEqual(['gpu_owner_sets', 'gpu_ownership']);
  });

  test('goes on in the next life, before anything new; NaN and Infinity come through', async () => {
    const first = open();
    first.ownership([INTERVAL]);
    first.events([EVENT]);
    await first.flush();
    keepOutbox(first, place, () => undefined).finish();

    const second = open();
    const keeper = keepOutbox(second, place, () => undefined);
    second.ownership([{ ...INTERVAL, jobId: '8' }]);
    expect(second.snapshot()['gpu_ownership']).toEqual([INTERVAL, { ...INTERVAL, jobId: '8' }]);
    expect(second.snapshot()['gpu_events']).toEqual([EVENT]);
    isAway = false;
    expect(await second.flush()).toBe(true);
    keeper.finish();
    expect(existsSync(path)).toBe(false);
  });

  test('a file that is damaged is as none', () => {
    const first = open();
    first.events([EVENT]);
    keepOutbox(first, place, () => undefined).finish();
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
    const second = open();
    keepOutbox(second, place, () => undefined);
    expect(second.waitingRows).toBe(0);
  });

  test('during an outage the file is written at once, and then now and then', () => {
    const outbox = open();
    const keeper = keepOutbox(outbox, place, () => undefined);
    outbox.events([EVENT]);
    keeper.afterFlush(false);
    const first = readFileSync(path);
    outbox.events([EVENT]);
    keeper.afterFlush(false);
    expect(readFileSync(path)).toEqual(first);
    keeper.finish();
    expect(readFileSync(path).length).toBeGreaterThan(first.length);
  });
});
