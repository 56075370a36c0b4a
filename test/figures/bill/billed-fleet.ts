import { loadConfig } from '../../../src/config/config-file.ts';
import type { Config } from '../../../src/config/config.ts';
import { applySchema } from '../../../src/questdb/schema/apply.ts';
import type { QuestDb } from '../../../src/questdb/http.ts';
import { insertRows, type Row } from '../../helpers/insert-rows.ts';

/** Two clusters in Berlin, from the end of September to the beginning of November 2023. Samples are an hour apart. */

export const HOUR = 3600e6;
/** October begins and ends at these moments in Berlin. */
export const OCTOBER = { fromUs: at('2023-09-30T22:00:00Z'), toUs: at('2023-10-31T23:00:00Z') } as const;
export const NOVEMBER_5 = at('2023-11-05T12:00:00Z');

export function at(iso: string): number {
  return Date.parse(iso) * 1000;
}

export const CONFIG = `
time_zone: Europe/Berlin
lanes:
  - name: billed
    interval: 1m
    fields: [sm_active_ratio, power_watts, energy_joules]
costs:
  currency: EUR
  gpu_hour: NVIDIA H200=3.20, NVIDIA A100=1.1
  kwh: 0.19
  pue: 1.3
  grams_per_kwh: 120
  idle_tail_credit: 0.5
`;

/** @param file that holds `CONFIG` or more */
export async function configOf(file: string): Promise<Config> {
  return (await loadConfig({ file, env: {}, flags: [] })).config;
}

/** What one job had of one device, and for whom. */
export interface MadeStay {
  readonly job: string;
  readonly cluster: string;
  readonly gpu: string;
  readonly from: string;
  /** Nobody tells the end where it is undefined. */
  readonly to?: string;
  readonly share?: number;
  /** Nobody tells whose it is where it is undefined. */
  readonly account?: string;
  readonly user?: string;
  /** At its end. */
  readonly idleTailUs?: number;
}

export const DEVICES: readonly {
  gpu: string;
  cluster: string;
  node: string;
  model: string;
  parent?: string;
  profile?: string;
}[] = [
  { gpu: 'GPU-bill-0', cluster: 'a', node: 'n1', model: 'NVIDIA H200' },
  { gpu: 'GPU-bill-1', cluster: 'a', node: 'n1', model: 'NVIDIA H200' },
  { gpu: 'GPU-bill-2', cluster: 'b', node: 'n1', model: 'NVIDIA A100-SXM4-80GB' },
  { gpu: 'GPU-bill-3', cluster: 'b', node: 'n1', model: 'NVIDIA A100-SXM4-80GB' },
  { gpu: 'GPU-bill-4', cluster: 'b', node: 'n2', model: 'NVIDIA H200' },
  {
    gpu: 'MIG-bill-5',
    cluster: 'b',
    node: 'n2',
    model: 'NVIDIA H200 MIG 3g.71gb',
    parent: 'GPU-bill-4',
    profile: '3g.71gb',
  },
];

export const STAYS: readonly MadeStay[] = [
  // Over both edges of the month.
  {
    job: '1',
    cluster: 'a',
    gpu: 'GPU-bill-0',
    from: '2023-09-20T00:00:00Z',
    to: '2023-11-04T00:00:00Z',
    account: 'physics',
    user: 'ada',
  },
  // Not of whole seconds.
  {
    job: '2',
    cluster: 'a',
    gpu: 'GPU-bill-1',
    from: '2023-10-05T00:00:00.500Z',
    to: '2023-10-05T10:00:01.250Z',
    account: 'physics',
    user: 'bob',
  },
  {
    job: '3',
    cluster: 'a',
    gpu: 'GPU-bill-1',
    from: '2023-10-10T00:00:00Z',
    to: '2023-10-12T00:00:00Z',
    account: 'chemistry',
    user: 'ada',
    idleTailUs: 2 * HOUR,
  },
  { job: '4', cluster: 'b', gpu: 'GPU-bill-2', from: '2023-10-01T00:00:00Z', to: '2023-10-02T00:00:00Z' },
  // Two share a device.
  {
    job: '5',
    cluster: 'b',
    gpu: 'GPU-bill-3',
    from: '2023-10-03T00:00:00Z',
    to: '2023-10-04T00:00:00Z',
    share: 0.5,
    account: 'bio',
    user: 'cleo',
  },
  {
    job: '6',
    cluster: 'b',
    gpu: 'GPU-bill-3',
    from: '2023-10-03T00:00:00Z',
    to: '2023-10-04T12:00:00Z',
    share: 0.25,
    account: '=HYPERLINK("x")',
    user: 'dan',
  },
  {
    job: '7',
    cluster: 'b',
    gpu: 'MIG-bill-5',
    from: '2023-10-15T00:00:00Z',
    to: '2023-10-16T00:00:00Z',
    account: 'bio',
    user: 'cleo',
  },
  // Nobody has told its end.
  { job: '8', cluster: 'b', gpu: 'GPU-bill-2', from: '2023-10-30T00:00:00Z', account: 'bio', user: 'dan' },
  // The same id in the other cluster, and only before the month.
  {
    job: '2',
    cluster: 'b',
    gpu: 'GPU-bill-2',
    from: '2023-09-28T00:00:00Z',
    to: '2023-09-29T00:00:00Z',
    account: 'bio',
    user: 'eve',
  },
];

export function wattsOf(gpu: string): number {
  return 300 + 10 * Number(gpu.slice(-1));
}

/** Writes all of it. */
export async function loadBilledFleet(
  db: QuestDb,
  { lanes, retention }: Pick<Config, 'lanes' | 'retention'>,
): Promise<void> {
  await applySchema(db, lanes, { ...retention, raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  await insertRows(
    db,
    'gpu_inventory',
    DEVICES.map(({ gpu, cluster, node, model, parent, profile }) => ({
      ...{ ts: at('2023-09-01T00:00:00Z'), gpu, cluster, node, model, parent },
      ...{ mig_profile: profile, source: 'nvml' },
    })),
  );
  await insertRows(
    db,
    'gpu_billed',
    samplesBetween(at('2023-09-30T18:00:00Z'), at('2023-11-01T03:00:00Z'), STAYS),
  );
  await tellStays(db, STAYS);
}

/** Rows of the devices that are whole and not shared, each hour of (from, to]. */
export function samplesBetween(fromUs: number, toUs: number, stays: readonly MadeStay[]): Row[] {
  const rows: Row[] = [];
  for (const { gpu, cluster, node } of DEVICES.slice(0, 3))
    for (let ts = fromUs + HOUR; ts <= toUs; ts += HOUR) {
      const owner = stays.find((stay) => stay.gpu === gpu && at(stay.from) < ts && ts <= endOf(stay));
      rows.push({
        ...{ ts, gpu, cluster, node, dt_us: HOUR, sm_active_ratio: 0.5, power_watts: wattsOf(gpu) },
        ...{ owners: owner === undefined ? 0 : 1, job_id: owner?.job },
      });
    }
  return rows;
}

export function endOf({ to }: MadeStay): number {
  return to === undefined ? Infinity : at(to);
}

/** What is kept of a job is all that its samples told. */
function keptSums(stay: MadeStay): Row {
  const us = endOf(stay) - at(stay.from);
  const watts = wattsOf(stay.gpu);
  return {
    ...{ owned_us: us, samples: us / HOUR, dt_us: us, attributed_us: us, power_joules: (watts * us) / 1e6 },
    ...{ power_watts_dtsum: watts * us, power_watts_dt: us, power_watts_max: watts },
  };
}

/** As hooks and the scheduler tell of them. */
export async function tellStays(db: QuestDb, stays: readonly MadeStay[]): Promise<void> {
  const nodeOf = (gpu: string): string => DEVICES.find((device) => device.gpu === gpu)!.node;
  const timesOf = (stay: MadeStay): Row => ({
    ts: at(stay.from),
    end_ts: stay.to === undefined ? undefined : at(stay.to),
    cluster: stay.cluster,
    job_id: stay.job,
  });
  await insertRows(
    db,
    'gpu_ownership',
    stays.map((stay) => ({
      ...timesOf(stay),
      ...{ node: nodeOf(stay.gpu), gpu: stay.gpu, share: stay.share, source: 'journal' },
    })),
  );
  const told = stays.filter(({ account }) => account !== undefined);
  if (told.length > 0)
    await insertRows(
      db,
      'jobs',
      told.map((stay) => ({
        ...timesOf(stay),
        account: stay.account,
        user: stay.user,
        state: stay.to && 'COMPLETED',
      })),
    );
  const tails = stays.filter(({ idleTailUs }) => idleTailUs !== undefined);
  if (tails.length > 0)
    await insertRows(
      db,
      'job_figures',
      tails.map((stay) => ({
        ...timesOf(stay),
        ...{ node: nodeOf(stay.gpu), gpu: stay.gpu, ...keptSums(stay) },
        ...{ causes_origin: 'samples', cause_idle_tail_us: stay.idleTailUs, written_ts: endOf(stay) + HOUR },
      })),
    );
}
