import { expect, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import { createStoreGate } from '../../src/questdb/gate.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { createOutage } from '../../src/questdb/outage.ts';
import { fateOf } from '../helpers/send-rows.ts';

const BATCH = { table: 'gpu_t', body: new Uint8Array(1), rows: 3 };

test('what nobody has tried to send yet, or is not to be sent any more, is no outage of the store', async () => {
  const notices: Notice[] = [];
  const tell = (notice: Notice): number => notices.push(notice);
  const gate = createStoreGate({
    db: {
      where: 'here',
      send: (batch: typeof BATCH) => Promise.resolve(fateOf(batch, 'acknowledged')),
    } as unknown as QuestDb,
    prepare: () => Promise.resolve(),
    outage: createOutage(tell, () => 0),
    tell,
  });
  expect((await gate.once.send(BATCH)).unsent?.cause).toBe('store');
  expect(await gate.open()).toBe(true);
  expect((await gate.once.send(BATCH)).unsent).toBeUndefined();
  gate.close();
  expect((await gate.once.send(BATCH)).unsent?.cause).toBe('store');
  expect(notices).toEqual([]);
});
