/** When the same bytes are sent again, and when not. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Sink } from '../../src/core/wire/sink.ts';
import { openQuestDb } from '../../src/questdb/http.ts';
import { withRetries, type RetryPolicy } from '../../src/questdb/with-retries.ts';
import { httpServer, type BadServer } from '../helpers/bad-server.ts';

const BATCH = { table: 't', body: new Uint8Array(Buffer.from('t v=1 1t\n')), rows: 1 };
const REFUSAL = '{"code":"invalid","message":"cast error","line":1}';
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that gives these statuses in turn, and the last one for ever. */
async function serverWith(statuses: readonly number[]): Promise<{ server: BadServer; db: Sink }> {
  let index = 0;
  const server = await httpServer((_request, response) => {
    const status = statuses[Math.min(index, statuses.length - 1)]!;
    index += 1;
    response.writeHead(status).end(status === 400 ? REFUSAL : '');
  });
  const db = await openQuestDb(`http::addr=${server.addr};`, { requestTimeoutMs: 5_000 });
  closers.push(
    () => server.close(),
    () => db.close(),
  );
  return { server, db };
}

/** A clock that only sleeping moves. */
function policy(changes: Partial<RetryPolicy> = {}): RetryPolicy & { slept: number[] } {
  const slept: number[] = [];
  let nowMs = 0;
  const sleep = (ms: number): Promise<void> => {
    slept.push(ms);
    nowMs += ms;
    return Promise.resolve();
  };
  return { attemptsMax: 10, ageMsMax: 60_000, random: () => 0, nowMs: () => nowMs, sleep, slept, ...changes };
}

describe('a sink with retries', () => {
  test('tries again after 500 and 503 until rows are taken, waiting longer each time', async () => {
    const { server, db } = await serverWith([500, 503, 500, 204]);
    const how = policy();
    expect(await withRetries(db, how).send(BATCH)).toEqual({ acknowledgedRows: 1, refused: [] });
    expect(server.seen()).toBe(4);
    expect(how.slept).toEqual([50, 100, 200]);
  });

  test.each([
    [400, 'rows'],
    [401, 'credentials'],
  ])('does not repeat what HTTP %i answers', async (status, cause) => {
    const { server, db } = await serverWith([status]);
    const fate = await withRetries(db, policy()).send(BATCH);
    expect(fate).toMatchObject({ acknowledgedRows: 0, refused: [], unsent: { rows: 1, cause } });
    expect(server.seen()).toBe(1);
  });

  test('ends after the largest number of tries', async () => {
    const { server, db } = await serverWith([500]);
    const fate = await withRetries(db, policy({ attemptsMax: 3 })).send(BATCH);
    expect(fate.unsent?.cause).toBe('store');
    expect(server.seen()).toBe(3);
  });

  test('begins no try beyond the largest age', async () => {
    const { server, db } = await serverWith([500]);
    const how = policy({ attemptsMax: 100, ageMsMax: 400 });
    await withRetries(db, how).send(BATCH);
    expect(how.slept).toEqual([50, 100, 200]);
    expect(server.seen()).toBe(4);
  });

  test('stops when its signal fires while it waits', async () => {
    const { server, db } = await serverWith([500]);
    const controller = new AbortController();
    const how = policy({
      signal: controller.signal,
      sleep: () => {
        controller.abort();
        return Promise.resolve();
      },
    });
    expect((await withRetries(db, how).send(BATCH)).unsent?.cause).toBe('store');
    expect(server.seen()).toBe(1);
  });
});
