/** When the same bytes are sent again, and when not. */
import { afterEach, describe, expect, test } from 'vitest';
import { openQuestDb } from '../../src/questdb/http.ts';
import { sendUntilAcknowledged, type SendPolicy } from '../../src/questdb/send.ts';
import { httpServer, type BadServer } from '../helpers/bad-server.ts';

const BODY = Buffer.from('t v=1 1t\n');
const REFUSAL = '{"code":"invalid","message":"cast error","line":1}';
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that gives these statuses in turn, and the last one for ever. */
async function serverWith(
  statuses: readonly number[],
): Promise<{ server: BadServer; db: Awaited<ReturnType<typeof openQuestDb>> }> {
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
function policy(changes: Partial<SendPolicy> = {}): SendPolicy & { slept: number[] } {
  const slept: number[] = [];
  let nowMs = 0;
  const sleep = (ms: number): Promise<void> => {
    slept.push(ms);
    nowMs += ms;
    return Promise.resolve();
  };
  return { attemptsMax: 10, ageMsMax: 60_000, random: () => 0, nowMs: () => nowMs, sleep, slept, ...changes };
}

describe('sendUntilAcknowledged', () => {
  test('tries again after 500 and 503 until it is acknowledged, waiting longer each time', async () => {
    const { server, db } = await serverWith([500, 503, 500, 204]);
    const how = policy();
    expect(await sendUntilAcknowledged(db, BODY, how)).toEqual({ kind: 'acknowledged' });
    expect(server.seen()).toBe(4);
    expect(how.slept).toEqual([50, 100, 200]);
  });

  test.each([400, 401])('does not repeat what HTTP %i answers', async (status) => {
    const { server, db } = await serverWith([status]);
    const reply = await sendUntilAcknowledged(db, BODY, policy());
    expect(reply.kind).toBe(status === 400 ? 'refused' : 'unauthorized');
    expect(server.seen()).toBe(1);
  });

  test('ends after the largest number of tries', async () => {
    const { server, db } = await serverWith([500]);
    expect((await sendUntilAcknowledged(db, BODY, policy({ attemptsMax: 3 }))).kind).toBe('retryable');
    expect(server.seen()).toBe(3);
  });

  test('begins no try beyond the largest age', async () => {
    const { server, db } = await serverWith([500]);
    const how = policy({ attemptsMax: 100, ageMsMax: 400 });
    await sendUntilAcknowledged(db, BODY, how);
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
    expect((await sendUntilAcknowledged(db, BODY, how)).kind).toBe('retryable');
    expect(server.seen()).toBe(1);
  });
});
