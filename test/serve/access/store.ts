import { defaultLanes } from '../../../src/core/fields/lane.ts';
import { openQuestDb, type QuestDb } from '../../../src/questdb/http.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import { waitForVisible } from '../../../src/questdb/visible.ts';
import { insertRows } from '../../helpers/insert-rows.ts';

/** Jobs of several users in one store. Everything that bears `canary` may be read by bob and by operators alone. */

const SECOND = 1e6;
/** Within what the page of the fleet tells of. */
const T0 = (Math.floor(Date.now() / 3_600_000) - 24) * 3600 * SECOND;
const at = (second: number): number => T0 + second * SECOND;

export interface Job {
  readonly id: string;
  readonly user: string;
  readonly account: string;
  readonly name: string;
  readonly node: string;
  readonly gpu: string;
}

export const ADAS: Job = {
  id: '4217',
  user: 'ada',
  account: 'physics',
  name: 'own-job',
  node: 'n1',
  gpu: 'G-1',
};
/** Of an account of which ada is no member. */
export const BOBS: Job = {
  id: '4218',
  user: 'bob-canary',
  account: 'account-canary',
  name: 'name-canary',
  node: 'node-canary',
  gpu: 'GPU-canary',
};
/** Of ada's account, by somebody else. */
export const EVES: Job = {
  id: '4219',
  user: 'eve',
  account: 'physics',
  name: 'eves-job',
  node: 'n1',
  gpu: 'G-2',
};

/** All of the time of the jobs, as a page asks for it. */
export const WINDOW = `from=${T0}&to=${at(120)}`;

export async function openStore(conf: string): Promise<QuestDb> {
  const db = await openQuestDb(conf, { requestTimeoutMs: 60_000 });
  await applySchema(db, defaultLanes, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  return db;
}

/** And their month, as a bill has it. */
export const MONTH = new Date(T0 / 1000).toISOString().slice(0, 7);

/** Two minutes of one GPU. */
export async function insertJob(db: QuestDb, { id, user, account, name, node, gpu }: Job): Promise<void> {
  const stay = { ts: at(0), end_ts: at(120), job_id: id, run: 0 };
  await insertRows(db, 'jobs', [{ ...stay, user, account, name, state: 'COMPLETED', exit_code: 0 }]);
  await insertRows(db, 'gpu_ownership', [{ ...stay, node, gpu, share: 1, source: 'test' }]);
  await db.exec(
    'INSERT INTO gpu_profiling (ts, node, gpu, job_id, owners, dt_us, sm_active_ratio, power_watts, energy_rise_joules)' +
      ` SELECT cast(${T0} + x * 1000000 AS TIMESTAMP), '${node}', '${gpu}', '${id}', 1, 1000000, 0.5, 100, 100 FROM long_sequence(120)`,
  );
  for (const table of ['gpu_profiling', 'jobs', 'gpu_ownership']) await waitForVisible(db, table);
}
