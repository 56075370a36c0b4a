import { findField } from '../../src/core/fields/find-field.ts';
import type { Lane } from '../../src/core/fields/lane.ts';
import type { QuestDb } from '../../src/questdb/http.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups, waitForVisible } from '../../src/questdb/visible.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';

/** A small fleet with jobs of now and of the last days, some called by what would harm a page. Times are epoch µs. */

const MINUTE = 60e6;
const HOUR = 60 * MINUTE;
const GIB = 2 ** 30;

const HOSTILE = `<img src=x onerror="document.title='taken'">\u202e${'x'.repeat(10_000)}</script><script>alert(1)</script>`;
export const HOSTILE_USER = '<b>eve</b>';
export const HOSTILE_NODE = 'n/2?"><i>';
const CLUSTER = 'served';

export const fleetLane: Lane = {
  ...{ name: 'fleet', table: 'gpu_fleet', schedule: 'continuous', intervalMs: 60_000, capacityTicks: 1 },
  fields: [1002, 1004, 155, 156, 252].map((id) => findField(id)!),
};

interface MadeJob {
  readonly jobId: string;
  readonly user: string;
  readonly account: string;
  readonly name: string;
  readonly gpus: readonly string[];
  /** Hours before now. */
  readonly from: number;
  /** Undefined: it runs. */
  readonly to: number | undefined;
  readonly sm: number;
}

const JOBS: readonly MadeJob[] = [
  {
    jobId: '9001',
    user: 'ada',
    account: 'physics',
    name: HOSTILE,
    gpus: ['A0', 'A1'],
    from: 50,
    to: 44,
    sm: 0.7,
  },
  { jobId: '9002', user: 'bob', account: 'biology', name: 'fold', gpus: ['B0'], from: 30, to: 26, sm: 0.2 },
  {
    jobId: '9003',
    user: HOSTILE_USER,
    account: 'chem & co',
    name: 'waits',
    gpus: ['A0'],
    from: 6,
    to: undefined,
    sm: 0.01,
  },
  {
    jobId: '9004',
    user: 'ada',
    account: 'physics',
    name: 'works',
    gpus: ['A1', 'B0'],
    from: 5,
    to: undefined,
    sm: 0.8,
  },
  { jobId: '9005', user: 'eve', account: 'physics', name: 'short', gpus: ['B1'], from: 20, to: 19, sm: 0.5 },
];

const GPUS = ['A0', 'A1', 'B0', 'B1'] as const;
const nodeOf = (gpu: string): string => (gpu.startsWith('A') ? 'n1' : HOSTILE_NODE);

/** @param nowUs whole minutes: the newest samples are of then */
export async function fillFleet(db: QuestDb, nowUs: number): Promise<void> {
  await applySchema(db, [fleetLane], { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const ago = (hours: number): number => nowUs - hours * HOUR;
  await insertRows(
    db,
    'gpu_inventory',
    GPUS.map((gpu, index): Row => ({
      ...{ ts: ago(60), cluster: CLUSTER, node: nodeOf(gpu), gpu, gpu_index: index % 2 },
      ...{ model: 'NVIDIA H200', memory_bytes: 140 * GIB, driver: '580.1', source: 'test' },
    })),
  );
  await insertRows(
    db,
    'jobs',
    JOBS.map(({ jobId, user, account, name, from, to, gpus }): Row => ({
      ...{ ts: ago(from), end_ts: to === undefined ? undefined : ago(to), submit_ts: ago(from) - MINUTE },
      ...{
        cluster: CLUSTER,
        job_id: jobId,
        run: 0,
        user,
        account,
        name,
        partition: 'gpu',
        gpus: gpus.length,
      },
      ...{ state: to === undefined ? 'RUNNING' : 'COMPLETED', ...(to === undefined ? {} : { exit_code: 0 }) },
    })),
  );
  await insertRows(
    db,
    'gpu_ownership',
    JOBS.flatMap(({ jobId, from, to, gpus }) =>
      gpus.map((gpu): Row => ({
        ...{
          ts: ago(from),
          end_ts: to === undefined ? undefined : ago(to),
          cluster: CLUSTER,
          node: nodeOf(gpu),
        },
        ...{ gpu, job_id: jobId, run: 0, share: 1, source: 'test' },
      })),
    ),
  );
  await insertRows(
    db,
    fleetLane.table,
    GPUS.flatMap((gpu) => samplesOf(gpu, nowUs)),
  );
  await insertRows(db, 'gpu_events', [
    {
      ...{
        ts: ago(45),
        cluster: CLUSTER,
        node: 'n1',
        gpu: 'A1',
        kind: 'xid',
        code: 31,
        subject: '',
        job_id: '9001',
      },
      text: `XID 31: ${HOSTILE.slice(0, 60)}`,
    },
  ]);
  for (const table of ['gpu_inventory', 'gpu_ownership', 'jobs', 'gpu_events'])
    await waitForVisible(db, table);
  await waitForRollups(db, [fleetLane], nowUs, { timeoutMs: 300_000 });
}

/** Samples of the minutes since then: what runs goes on, however long a busy machine takes. @param nowUs of `fillFleet` */
export async function sampleOn(db: QuestDb, nowUs: number): Promise<void> {
  const minutes = Math.floor((Date.now() * 1000 - nowUs) / MINUTE);
  if (minutes > 0)
    await insertRows(
      db,
      fleetLane.table,
      GPUS.flatMap((gpu) => samplesOf(gpu, nowUs, { first: -1, count: minutes })),
    );
}

/** By the minute: of the last 52 hours, or from `first` minutes before `nowUs` on. */
function samplesOf(
  gpu: string,
  nowUs: number,
  { first, count } = { first: 52 * 60 - 1, count: 52 * 60 },
): Row[] {
  return Array.from({ length: count }, (_, index): Row => {
    const minutes = first - index;
    const hours = minutes / 60;
    const job = JOBS.find(
      ({ gpus, from, to = -Infinity }) => gpus.includes(gpu) && hours < from && hours >= to,
    );
    const sm = job?.sm ?? 0;
    return {
      ...{ ts: nowUs - minutes * MINUTE, cluster: CLUSTER, node: nodeOf(gpu), gpu, job_id: job?.jobId },
      ...{
        owners: job === undefined ? 0 : 1,
        dt_us: MINUTE,
        sm_active_ratio: sm,
        tensor_active_ratio: sm / 2,
      },
      ...{
        power_watts: 100 + 500 * sm,
        energy_rise_joules: (100 + 500 * sm) * 60,
        energy_rise_dt_us: MINUTE,
      },
      fb_used_bytes: (job === undefined ? 1 : 90) * GIB,
    };
  });
}
