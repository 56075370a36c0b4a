/**
 * Goal: the tasks of an array, which are asked about together, have the figures that each has in its own report: alone, sharing a
 * device with another task, and requeued on the same device. Method: an hour of three devices in a real QuestDB.
 */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { tasksReport } from '../../schemas/reports/jobs-report.ts';
import type { CostRates } from '../../src/core/costs/costs.ts';
import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { OwnedFigures } from '../../src/figures/job/figures.ts';
import { jobFigures } from '../../src/figures/job/query.ts';
import { accountOf } from '../../src/figures/job/tasks.ts';
import type { Asked } from '../../src/figures/query-cells.ts';
import { openQuestDb, type QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { tasksCsv } from '../../src/report/csv.ts';
import { tasksJson } from '../../src/report/json.ts';
import { renderTasksReport } from '../../src/report/tasks-text.ts';
import { insertRows } from '../helpers/insert-rows.ts';

const SECOND = 1e6;
const T0 = Date.UTC(2023, 5, 6, 8) * 1000;
const at = (second: number): number => T0 + second * SECOND;
const SET = '7200000000000000001';
const ARRAY = '77000';
const lane: Lane = {
  name: 'arrtask',
  table: 'gpu_arrtask',
  schedule: 'continuous',
  intervalMs: 1000,
  fields: [1002, 155, 156].map((id) => findField(id)!),
  capacityTicks: 100,
};
/** Nobody stays on a GPU alone but the first; 77003 runs twice on the third. */
const STAYS = [
  { job_id: '77001', gpu: 'T0', from: 0, to: 3600, run: 0, share: undefined },
  { job_id: '77002', gpu: 'T1', from: 0, to: 3000, run: 0, share: 0.25 },
  { job_id: '77000', gpu: 'T1', from: 0, to: 3000, run: 0, share: 0.75 },
  { job_id: '77003', gpu: 'T2', from: 0, to: 1000, run: 0, share: undefined },
  { job_id: '77003', gpu: 'T2', from: 1010, to: 3000, run: 1, share: undefined },
];
const TASKS: Readonly<Record<string, string>> = { '77001': '1', '77002': '2', '77003': '3', '77000': '4' };

/** Nobody told the models. */
const COSTS: CostRates = {
  currency: 'EUR',
  gpuHour: { models: new Map(), others: 2.5 },
  rgu: undefined,
  kwhPrice: undefined,
  pue: undefined,
  gramsPerKwh: undefined,
};

let db: QuestDb;

beforeAll(async () => {
  db = await openQuestDb(inject('reportsConf'), { requestTimeoutMs: 60_000 });
  await applySchema(db, [lane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  // The counter of T0 stands still.
  await db.exec(
    'INSERT INTO gpu_arrtask (ts, node, gpu, job_id, owners, owner_set, dt_us, sm_active_ratio, power_watts, energy_rise_joules, energy_rise_dt_us)' +
      ` SELECT cast(${T0} + k * 1000000 AS TIMESTAMP), 'n1', concat('T', g),` +
      " CASE WHEN g = 0 THEN '77001' WHEN g = 2 AND (k <= 1000 OR (k > 1010 AND k <= 3000)) THEN '77003' END," +
      ` CASE WHEN g = 1 AND k <= 3000 THEN 2 WHEN g = 0 OR (g = 2 AND (k <= 1000 OR (k > 1010 AND k <= 3000))) THEN 1 ELSE 0 END,` +
      ` CASE WHEN g = 1 AND k <= 3000 THEN ${SET} END, 1000000, (k % 64) / 64.0, 100 + k % 4, CASE WHEN g = 0 THEN 0 ELSE 128 END, 1000000` +
      ' FROM (SELECT (x - 1) / 3 + 1 AS k, (x - 1) % 3 AS g FROM long_sequence(10800))',
  );
  await insertRows(
    db,
    'gpu_ownership',
    STAYS.map(({ from, to, ...stay }) => ({
      ...stay,
      ts: at(from),
      end_ts: at(to),
      node: 'n1',
      source: 'test',
    })),
  );
  await insertRows(
    db,
    'jobs',
    STAYS.map(({ job_id, from, to, run }) => ({
      ts: at(from),
      end_ts: at(to),
      job_id,
      run,
      user: 'ada',
      submit_ts: at(run === 0 ? -5 : 1001),
      array_job_id: ARRAY,
      array_task_id: TASKS[job_id],
      state: run === 0 && job_id === '77003' ? 'REQUEUED' : 'COMPLETED',
    })),
  );
  const set = { ts: at(0), gpu: 'T1', owner_set: SET, sharing: 'stated', scaled: 0 };
  await insertRows(db, 'gpu_owner_sets', [
    { ...set, job_id: '77002', part: 0.25 },
    { ...set, job_id: '77000', part: 0.75 },
  ]);
  await waitForVisible(db, lane.table);
  await waitForRollups(db, [lane], at(3600) + 48 * 3600 * SECOND, { timeoutMs: 300_000 });
});
afterAll(async () => {
  await db.close();
});

const amounts = ({
  samples,
  sampledUs,
  attributedUs,
  ownedUs,
  idle,
  used,
  energy,
}: OwnedFigures): unknown => [
  ...[samples, sampledUs, attributedUs, ownedUs, idle?.value, idle?.knownUs, used?.value],
  ...[energy.counter?.value, energy.power?.value, energy.best?.value, energy.best?.knownUs],
];

test.each([false, true])(
  'each has the figures of its own report (from rollups: %j)',
  async (isFromRollups) => {
    // More samples in the array's time than are read one by one.
    if (isFromRollups)
      await db.exec(
        `INSERT INTO gpu_arrtask (ts, node, gpu, owners, dt_us) SELECT cast(${T0} + x * 60000 AS TIMESTAMP), 'n1', 'T9', 0, 60000 FROM long_sequence(60000)`,
      );
    await waitForVisible(db, lane.table);
    let questions = 0;
    const exec: Asked['exec'] = async (sql) => {
      if (sql.includes('s.job_id IN') || sql.includes('s.owner_set IN')) questions += 1;
      return await db.exec(sql);
    };
    const account = await accountOf({ where: db.where, exec }, [lane], `${ARRAY}_[1-4]`, {
      nowUs: at(1e6),
      costs: COSTS,
    });
    if (account.of !== 'tasks') throw new Error('not of tasks');
    const { tasks } = account.figures;
    expect(tasks.map(({ task, run }) => [task, run])).toEqual([
      ['1', 0],
      ['2', 0],
      ['3', 0],
      ['3', 1],
      ['4', 0],
    ]);
    expect(questions).toBeGreaterThan(0);
    for (const row of tasks) {
      const own = await jobFigures(db, [lane], row.jobId, { run: row.run, nowUs: at(1e6), costs: COSTS });
      expect(amounts(row), `task ${row.task!}`).toEqual(amounts(own.all));
      expect(row.costs, `task ${row.task!}`).toEqual(own.costs!.all);
    }
    const cost = tasks.reduce((sum, { costs }) => sum + costs!.gpuHours!.value!, 0);
    expect(account.figures.all.costs!.gpuHours!.value).toBeCloseTo(cost, 9);
    expect(renderTasksReport(account.figures, { width: 120, isColored: false })).toMatch(
      /GPU-hours +cost +energy +SM active/,
    );
    expect(tasksCsv(account.figures)).toContain('gpu_cost,gpu_cost_us,currency');
    expect(tasksReport.parse(JSON.parse(tasksJson(account.figures))).tasks[0]!.costs!.gpuCost).toBe(
      tasks[0]!.costs!.gpuHours!.value,
    );
    const [alone, quarter, , , rest] = tasks;
    expect(alone!.energy.best!.value).toBe(3600 * 101.5);
    expect([quarter!.attributedUs, rest!.attributedUs]).toEqual([750 * SECOND, 2250 * SECOND]);
    expect([quarter!.energy.best!.value, rest!.energy.best!.value]).toEqual([750 * 128, 2250 * 128]);
  },
);
