/** Goal: the parts of a report ask side by side, but few at a time, and after a failure the rest is not asked in vain. */
import { expect, test } from 'vitest';
import type { Asked } from '../../src/figures/query-cells.ts';
import { sideBySide } from '../../src/figures/side-by-side.ts';

const AT_ONCE = 3;
const NOTHING = { columns: [], rows: [] };

/** Answers when it is told to. */
function slowStore(): Asked & { readonly asked: string[]; answer(sql: string, failure?: Error): void } {
  const asked: string[] = [];
  const open = new Map<string, PromiseWithResolvers<typeof NOTHING>>();
  return {
    where: 'here',
    asked,
    exec: async (sql) => {
      asked.push(sql);
      open.set(sql, Promise.withResolvers());
      return await open.get(sql)!.promise;
    },
    answer(sql, failure) {
      if (failure === undefined) open.get(sql)!.resolve(NOTHING);
      else open.get(sql)!.reject(failure);
    },
  };
}

async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

test('three questions are under way at a time, each of the others when one is answered, in their order', async () => {
  const store = slowStore();
  const db = sideBySide(store);
  expect(db.where).toBe('here');
  const questions = ['a', 'b', 'c', 'd', 'e'];
  const answers = questions.map(async (sql) => await db.exec(sql));
  await turn();
  expect(store.asked).toEqual(questions.slice(0, AT_ONCE));
  store.answer('b');
  await turn();
  expect(store.asked).toEqual(questions.slice(0, AT_ONCE + 1));
  for (const sql of ['a', 'c', 'd']) store.answer(sql);
  await turn();
  store.answer('e');
  expect(await Promise.all(answers)).toEqual(questions.map(() => NOTHING));
});

test('after one that failed none is asked any more, and all that waited fail alike', async () => {
  const store = slowStore();
  const db = sideBySide(store);
  const answers = Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(async (sql) => await db.exec(sql)));
  await turn();
  const refusal = new Error('refused');
  store.answer('c', refusal);
  await turn();
  store.answer('a');
  store.answer('b');
  await turn();
  expect(store.asked).toEqual(['a', 'b', 'c']);
  expect(await answers).toEqual([
    { status: 'fulfilled', value: NOTHING },
    { status: 'fulfilled', value: NOTHING },
    ...['c', 'd', 'e'].map(() => ({ status: 'rejected', reason: refusal })),
  ]);
  await expect(db.exec('f')).rejects.toBe(refusal);
});

test('options of a question reach the store', async () => {
  const seen: unknown[] = [];
  const exec: Asked['exec'] = async (_, options) => {
    seen.push(options);
    return await Promise.resolve(NOTHING);
  };
  await sideBySide({ where: 'here', exec }).exec('a', { timeoutMs: 5 });
  expect(seen).toEqual([{ timeoutMs: 5 }]);
});
