import { expect, test } from 'vitest';
import { quotedLists } from '../../src/figures/sql-text.ts';

test('a list of texts is cut into as many as a URL can hold, and none is lost', () => {
  const ids = Array.from({ length: 3000 }, (_, index) => `it's ${index} 作业`);
  const lists = quotedLists(ids);
  expect(lists.length).toBeGreaterThan(1);
  for (const list of lists) expect(encodeURIComponent(list).length).toBeLessThanOrEqual(16_384);
  expect(lists.join(', ')).toBe(ids.map((id) => `'${id.replace("'", "''")}'`).join(', '));
  expect(quotedLists([])).toEqual([]);
  expect(quotedLists(['x'.repeat(20_000)])).toHaveLength(1);
});
