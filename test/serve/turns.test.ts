import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createStoreQuestions, USUAL_BOUNDS } from '../../src/serve/store-questions.ts';

test('of a crowd whoever came first is answered first, all of it', async () => {
  const asked: string[] = [];
  const exec = async (sql: string): Promise<{ columns: []; rows: [] }> => {
    asked.push(sql);
    await nextTurn();
    return { columns: [], rows: [] };
  };
  const questions = createStoreQuestions({ where: '', exec }, { ...USUAL_BOUNDS, questions: 1 });
  const read = async (name: string): Promise<void> => {
    const store = questions.for(new AbortController().signal);
    for (const question of [1, 2, 3]) await store.exec(`${name}${question}`);
  };
  await Promise.all(['a', 'b', 'c'].map(read));
  const doneAt = (name: string): number => asked.indexOf(`${name}3`);
  expect(doneAt('a')).toBeLessThan(asked.indexOf('c1') + 3);
  expect(doneAt('a')).toBeLessThan(doneAt('b'));
  expect(asked.indexOf('b3')).toBeLessThan(asked.indexOf('c3'));
  expect(asked.slice(-2)).toEqual(['c2', 'c3']);
});
