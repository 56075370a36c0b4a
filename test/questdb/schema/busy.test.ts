/** What others do to the tables meanwhile, on a store that is no more than its answers. */
import { expect, test, vi } from 'vitest';
import { OperatingError } from '../../../src/core/base/errors.ts';
import type { QuestDb } from '../../../src/questdb/http.ts';
import { addColumn } from '../../../src/questdb/schema/add-column.ts';
import { applyViews } from '../../../src/questdb/schema/view-apply.ts';

vi.mock('node:timers/promises', () => ({ setTimeout: () => Promise.resolve() }));

test('after some looks it is said that another one is at it', async () => {
  const gone = new OperatingError('QuestDB refuses a query: table does not exist [table=x]', {
    code: 'questdb.no_table',
    exit: 'unavailable',
  });
  const exec = vi.fn(() => Promise.reject(gone));
  const db = { where: 'http://here:9000', exec } as unknown as QuestDb;
  await expect(
    applyViews(db, [], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' }, {}),
  ).rejects.toMatchObject({
    code: 'schema.busy',
    exit: 'temporary',
    cause: gone,
  });
  expect(exec.mock.calls.length).toBeGreaterThan(10);
});

test('a column that somebody else has added since is there, and any other refusal is an error', async () => {
  const refusing = (message: string): QuestDb => {
    const refusal = new OperatingError(message, { code: 'questdb.query', exit: 'software' });
    return { where: 'http://here:9000', exec: () => Promise.reject(refusal) } as unknown as QuestDb;
  };
  const column = { name: 'x', type: 'DOUBLE' } as const;
  const duplicate = refusing('QuestDB refuses a query: duplicate column [name=x]');
  expect(await addColumn(duplicate, 't', column)).toEqual([]);
  await expect(addColumn(refusing('QuestDB refuses a query: no'), 't', column)).rejects.toThrow('refuses');
});
