/** Goal: a GPU that was taken away is known until its last sign of life, and no longer, and the report says until when. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import { capacityFigures } from '../../src/figures/capacity/query.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { renderCapacityReport } from '../../src/report/capacity-text.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const HOUR = 3600;
const T0 = Date.UTC(2019, 2, 4, 8) * 1000;
const at = (seconds: number): number => T0 + seconds * SECOND;
const place = { cluster: 'silent', node: 'silent-1' };
const lane: Lane = {
  ...{ name: 'silent', table: 'gpu_silent', schedule: 'continuous', intervalMs: 60_000 },
  ...{ fields: [findField(155)!], capacityTicks: 1 },
};

/** It records nothing that reports show. */
const temperature: Lane = {
  ...{ ...lane, name: 'silenttemp', table: 'gpu_silenttemp' },
  fields: [findField(150)!],
};

let db: QuestDb;
beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane, temperature], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const gpus = ['S-stays', 'S-goes'];
  await insertRows(
    db,
    'gpu_inventory',
    gpus.map((gpu) => ({ ...place, gpu, ts: at(-HOUR), gpu_index: 0, model: 'NVIDIA H100', source: 'test' })),
  );
  const rows = gpus.flatMap((gpu) =>
    Array.from({ length: gpu === 'S-goes' ? 60 : 360 }, (_, minute) => ({
      ...{
        ...place,
        gpu,
        ts: at(60 * minute),
        owners: 0,
        dt_us: minute === 0 ? 0 : 60 * SECOND,
        power_watts: 100,
      },
    })),
  );
  await insertRows(db, lane.table, rows);
  await insertRows(db, temperature.table, [
    { ...place, gpu: 'S-goes', ts: at(2 * HOUR), owners: 0, dt_us: 0, gpu_temp_celsius: 40 },
  ]);
  await waitForRollups(db, [lane, temperature], at(6 * HOUR));
});
afterAll(async () => {
  await db.close();
});

test('a GPU that was taken out after an hour of six is known for that hour', async () => {
  const figures = await capacityFigures(db, [lane], {
    ...{ fromUs: at(0), toUs: at(6 * HOUR), by: 'node', cluster: 'silent' },
  });
  const minutes = 359 + 59;
  expect([figures.sampledUs, figures.knownUs]).toEqual([minutes * 60 * SECOND, minutes * 60 * SECOND]);
  expect(figures.lastSigns).toMatchObject([{ gpu: 'S-goes', node: 'silent-1' }]);
  const text = renderCapacityReport(figures, { width: Infinity, isColored: false }).replaceAll(/\s+/g, ' ');
  expect(text).toContain('seen 100 %');
  expect(text).toMatch(
    /Last seen before the window's end, and counted until then: silent-1 S-goes at 2019-03-04 08:59:00 UTC\./,
  );
});

test('a sample of any lane is a sign of life, whatever a report reads of it', async () => {
  const figures = await capacityFigures(db, [lane, temperature], {
    ...{ fromUs: at(0), toUs: at(6 * HOUR), by: 'node', cluster: 'silent' },
  });
  expect(figures.knownUs).toBe((359 + 120) * 60 * SECOND);
  expect(figures.lastSigns).toMatchObject([{ gpu: 'S-goes', lastUs: at(2 * HOUR) }]);
});
