/** What a drain hears of times whose stays it has not read gets into the samples before its rows are written, and into the figures. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { Interval } from '../../src/core/jobs/interval.ts';
import { toldOnly } from '../../src/disk/dead-letter.ts';
import { createDrainStore, type DrainStore } from '../../src/drain/store.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../src/questdb/visible.ts';
import { sendRows } from '../helpers/send-rows.ts';

const HOUR_US = 3_600e6;
const NOW_US = Math.floor(Date.now() / 3_600_000) * HOUR_US;
const START_US = NOW_US - 9 * 24 * HOUR_US;
const GPU = `GPU-drain-older-${process.pid}`;
const lane: Lane = {
  ...{ name: 'drain_older', table: 'gpu_drain_older', schedule: 'continuous', intervalMs: 10_000 },
  ...{ fields: [findField('155')!], capacityTicks: 1 },
};
const stay: Interval = {
  ...{ node: 'n1', gpu: GPU, jobId: '7', run: 0, share: NaN, source: 'journal' },
  ...{ startUs: START_US + HOUR_US, endUs: START_US + 3 * HOUR_US },
};

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('questdbConf'), { requestTimeoutMs: 30_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const rows = Array.from(
    { length: 24 },
    (_, index) =>
      `${lane.table},node=n1,gpu=${GPU} owners=0i,dt_us=600000000i,power_watts=50 ${START_US + index * 600e6}t\n`,
  );
  expect((await sendRows(db, rows.join(''))).unsent).toBeUndefined();
});
afterAll(async () => {
  await db.close();
});

const notices: Notice[] = [];
function open(store: QuestDb): DrainStore {
  const tell = (notice: Notice): void => void notices.push(notice);
  const deadlineMs = performance.now() + 60_000;
  return createDrainStore({
    ...{ db: store, lanes: [lane], ready: Promise.resolve(), deadlineMs, tell },
    deadLetters: toldOnly(tell),
  });
}

const after = {
  relabel: [],
  older: {
    windows: [{ gpu: GPU, fromUs: stay.startUs, toUs: stay.endUs, isFirstTold: true }],
    ...{ facts: [], intervals: [stay], unread: [], untilUs: NOW_US },
  },
  ...{ ownership: [stay], jobs: [], leftGpus: [], stats: [] },
};

async function count(table: string, where: string): Promise<number> {
  await waitForVisible(db, table);
  return Number((await db.exec(`SELECT count() FROM ${table} WHERE ${where}`)).rows[0]![0]);
}

test('samples first, then the row: what is cut off in between is done by the next drain', async () => {
  const failing: QuestDb = {
    ...db,
    exec: async (sql, options) => await db.exec(sql.startsWith('INSERT') ? 'SELECT no_such()' : sql, options),
  };
  await expect(open(failing).writeAfter(after, new Map())).rejects.toMatchObject({ code: 'drain.held' });
  expect(notices).toMatchObject([{ code: 'relabel.held' }]);
  expect(await count('gpu_ownership', `gpu = '${GPU}'`)).toBe(0);

  const drain = open(db);
  await drain.writeAfter(after, new Map());
  expect(await count(lane.table, `gpu = '${GPU}' AND job_id = '7' AND owners = 1`)).toBe(12);
  expect(await count(lane.table, `gpu = '${GPU}' AND job_id IS NULL AND owners = 0`)).toBe(12);
  expect(await count('gpu_ownership', `gpu = '${GPU}'`)).toBe(1);
  await drain.writeFigures();
  expect(await count('job_figures', `gpu = '${GPU}' AND samples = 12`)).toBe(1);
});
