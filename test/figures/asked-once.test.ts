/** Goal: parts of one page that ask the same are told the same, by one question; a question with an end of its own is its own. */
import { expect, test } from 'vitest';
import { askedOnce } from '../../src/figures/asked-once.ts';
import type { Asked } from '../../src/figures/query-cells.ts';

function counted(): { readonly db: Asked; readonly asked: string[] } {
  const asked: string[] = [];
  const db: Asked = {
    where: 'http://127.0.0.1:1',
    async exec(sql) {
      const count = asked.push(sql);
      await Promise.resolve();
      if (sql === 'wrong') throw new Error(`refused ${count}`);
      return { columns: [{ name: 'n', type: 'LONG' }], rows: [[count]] };
    },
  };
  return { db, asked };
}

test('the same words are asked once, also while the first answer has not come', async () => {
  const { db, asked } = counted();
  const once = askedOnce(db);
  const answers = await Promise.all(['a', 'b', 'a'].map(async (sql) => await once.exec(sql)));
  answers.push(await once.exec('a'));
  expect(answers.map(({ rows }) => rows)).toEqual([[[1]], [[2]], [[1]], [[1]]]);
  expect(asked).toEqual(['a', 'b']);
});

test('what was refused is refused to each', async () => {
  const { db } = counted();
  const once = askedOnce(db);
  await expect(once.exec('wrong')).rejects.toThrow('refused 1');
  await expect(once.exec('wrong')).rejects.toThrow('refused 1');
});

test('a question that can be given up is nobody else’s', async () => {
  const { db, asked } = counted();
  const once = askedOnce(db);
  await once.exec('a', { timeoutMs: 5 });
  await once.exec('a', { timeoutMs: 5 });
  expect(asked).toEqual(['a', 'a']);
});
