/** Goal: an outage is one line, and its end another with its count, however many lanes and small tables wait. */
import { expect, test } from 'vitest';
import { OperatingError } from '../../src/core/base/errors.ts';
import type { Notice } from '../../src/core/base/notice.ts';
import type { Fate } from '../../src/core/wire/sink.ts';
import { createOutage } from '../../src/questdb/outage.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { fateOf } from '../helpers/send-rows.ts';

const BATCH = { table: 'gpu_t', body: new Uint8Array(1), rows: 3 };

function play() {
  const notices: Notice[] = [];
  const clock = { ms: 0 };
  const outage = createOutage(
    (notice) => notices.push(notice),
    () => clock.ms,
  );
  let isThere = true;
  const sink = outage.noted({
    send: (batch): Promise<Fate> => Promise.resolve(fateOf(batch, isThere ? 'acknowledged' : 'store')),
  });
  const db = outage.watched({
    exec: () =>
      isThere
        ? Promise.resolve({ columns: [], rows: [] })
        : Promise.reject(new OperatingError('no answer', { code: 'questdb.unreachable', exit: 'temporary' })),
  } as unknown as QuestDb);
  const flush = async (): Promise<void> => {
    await db.exec('SELECT 1').catch(() => undefined);
    for (const table of ['jobs', 'gpu_events', 'gpu_a', 'gpu_b', 'gpu_c']) {
      const { unsent } = await sink.send({ ...BATCH, table });
      const code = table.startsWith('gpu_') && table.length === 5 ? 'delivery.held' : 'small_table.held';
      if (unsent !== undefined)
        outage.tell({ level: 'warn', code, sentence: `${table} waits`, data: { table } });
      else if (code === 'delivery.held')
        outage.tell({ level: 'info', code: 'delivery.resumed', sentence: `${table} goes`, data: { table } });
    }
  };
  return {
    notices,
    flush,
    outage,
    set: (there: boolean, ms: number): void => {
      isThere = there;
      clock.ms = ms;
    },
    lines: (): string[] => notices.filter(({ level }) => level !== 'debug').map(({ code }) => code),
  };
}

test('thirty flushes of an outage are two lines', async () => {
  const { notices, flush, set, lines } = play();
  await flush();
  notices.length = 0;
  for (let flushes = 0; flushes < 30; flushes += 1) {
    set(false, 10_000 * flushes);
    await flush();
  }
  expect(lines()).toEqual(['store.away']);
  set(true, 300_000);
  await flush();
  expect(lines()).toEqual(['store.away', 'store.back']);
  expect(notices.at(-4)!.sentence).toContain('after 5m and 180 failed tries');
  expect(notices.find(({ code }) => code === 'store.back')!.data).toEqual({ failures: 180, seconds: 300 });
  // Nothing is lost for those who debug.
  expect(notices.filter(({ code }) => code === 'small_table.held')).toHaveLength(60);
});

test('what waits for another reason is told as ever, and the next outage is told again', async () => {
  const { outage, flush, set, lines } = play();
  outage.tell({ level: 'warn', code: 'small_table.held', sentence: 'x', data: { table: 'jobs' } });
  outage.tell({ level: 'error', code: 'state.disk', sentence: 'x' });
  expect(lines()).toEqual(['small_table.held', 'state.disk']);
  for (const round of [1, 2]) {
    set(false, round * 10_000);
    await flush();
    outage.tell({ level: 'error', code: 'state.disk', sentence: 'x' });
    set(true, round * 10_000 + 5_000);
    await flush();
  }
  const round = ['store.away', 'state.disk', 'store.back'];
  expect(lines().slice(2)).toEqual([...round, ...round]);
});

test('an obstacle that has a line of its own is no second one, and rows that are refused are no outage', async () => {
  const { outage, lines, set, flush } = play();
  outage.away('the password is wrong', true);
  set(false, 0);
  await flush();
  expect(lines()).toEqual([]);
  set(true, 1);
  await flush();
  expect(lines()).toEqual(['store.back']);
  const refused = outage.noted({ send: (batch) => Promise.resolve(fateOf(batch, 'rows')) });
  await refused.send(BATCH);
  expect(lines()).toEqual(['store.back']);
});
