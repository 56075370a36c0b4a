import type { QuestDb } from '../../src/questdb/http.ts';
import { defaultLanes, type Lane } from '../../src/core/fields/lane.ts';
import { applySchema } from '../../src/questdb/schema/apply.ts';
import { waitForRollups } from '../../src/questdb/visible.ts';
import { partOf } from '../oracle/attribution.ts';
import { timeOf } from './arithmetic.ts';
import { insertRows, type Row } from '../helpers/insert-rows.ts';
import { labelColumns, ownerSetRows, type ToldStay } from '../helpers/owner-sets.ts';

/**
 * A small history of four devices of two nodes, made by hand: 12 minutes at a sample a second, in which a job has all four with
 * steps of 12 s, then devices are shared and partly owned; and two hours of the next day at a sample every ten minutes. What it
 * holds is known here as plain rows, from which the tests compute what queries should answer.
 */

export const SECOND = 1e6;
export const HOUR = 3600 * SECOND;
/** A Monday, 10:00. */
const BEGIN = Date.UTC(2024, 8, 2, 10) * 1000;
/** Seconds since the history began → epoch µs. */
export const at = (seconds: number): number => BEGIN + seconds * SECOND;
export const NEXT_DAY = 24 * 3600;
/** A moment after all samples, at which one job runs still. */
export const LATEST = NEXT_DAY + 7200;
/** A window that holds all of it. */
export const ALL = { from: '2024-09-01', to: '2024-09-05' };

export const HOSTILE = `x'; DROP TABLE jobs; -- "@job" /* ☠ 𝄞`;

export interface Device {
  readonly gpu: string;
  readonly node: string;
  readonly index: number;
  readonly number: number;
}
export const DEVICES: readonly Device[] = [0, 1, 2, 3].map((number) => ({
  gpu: `GPU-${number}0000000-aaaa`,
  node: number < 2 ? 'n1' : 'n2',
  index: number % 2,
  number,
}));
/** It is there, and was never sampled. */
export const SPARE: Device = { gpu: 'GPU-90000000-aaaa', node: 'n2', index: 2, number: 9 };
export const MEMORY_BYTES = 80e9;

/** An open end is the test's `LATEST` and later. */
export const OPEN = Number.MAX_SAFE_INTEGER;
const stay = (number: number, jobId: string, from: number, to: number, share?: number): ToldStay => ({
  ...{ gpu: DEVICES[number]!.gpu, jobId, startUs: at(from), endUs: to === OPEN ? OPEN : at(to) },
  ...(share === undefined ? {} : { share }),
});
export const STAYS: readonly ToldStay[] = [
  ...[0, 1, 2, 3].map((number) => stay(number, '4217', 0, 480)),
  stay(0, '4218', 500, 700, 0.25),
  stay(0, '4219', 520, 700, 0.5),
  stay(1, '4220', 500, 700, 0.5),
  stay(3, HOSTILE, 500, 700),
  // A scheduler told nothing of it, nor which part it has.
  stay(3, '4221', 600, 640),
  // Over before anything was sampled.
  stay(2, '4222', 500.2, 500.8),
  // It was away for a while.
  stay(0, '4300', NEXT_DAY, NEXT_DAY + 3600),
  stay(0, '4300', NEXT_DAY + 4200, LATEST),
  stay(1, '4300', NEXT_DAY, LATEST),
  stay(2, '4400', NEXT_DAY + 3600, OPEN),
];

export interface JobRow {
  readonly jobId: string;
  /** Default 0. */
  readonly run?: number;
  readonly user: string;
  readonly account: string;
  readonly from: number;
  readonly to?: number;
  readonly gpus: number;
  readonly submitted?: number;
  readonly state?: string;
  readonly exitCode?: number;
}
export const JOBS: readonly JobRow[] = [
  // Another job bore the id before.
  {
    jobId: '4218',
    user: 'former',
    account: 'past',
    from: -5000,
    to: -4000,
    gpus: 1,
    submitted: -5100,
    state: 'COMPLETED',
    exitCode: 0,
  },
  {
    jobId: '4217',
    user: 'ada',
    account: 'physics',
    from: 0,
    to: 480,
    gpus: 4,
    submitted: -7200,
    state: 'COMPLETED',
    exitCode: 0,
  },
  {
    jobId: '4218',
    run: 1,
    user: 'bob',
    account: 'physics',
    from: 500,
    to: 700,
    gpus: 1,
    submitted: 100,
    state: 'COMPLETED',
    exitCode: 0,
  },
  {
    jobId: '4219',
    user: 'eve',
    account: 'chemistry',
    from: 520,
    to: 700,
    gpus: 1,
    state: 'FAILED',
    exitCode: 1,
  },
  {
    jobId: '4220',
    user: 'eve',
    account: 'chemistry',
    from: 500,
    to: 700,
    gpus: 1,
    state: 'COMPLETED',
    exitCode: 0,
  },
  { jobId: HOSTILE, user: `o'neil; --`, account: 'chemistry', from: 500, to: 700, gpus: 1, exitCode: 2 },
  {
    jobId: '4300',
    user: 'ada',
    account: 'physics',
    from: NEXT_DAY,
    to: LATEST,
    gpus: 2,
    submitted: NEXT_DAY - 1000,
    state: 'TIMEOUT',
    exitCode: 0,
  },
  {
    jobId: '4400',
    user: 'bob',
    account: 'physics',
    from: NEXT_DAY + 3600,
    gpus: 1,
    submitted: NEXT_DAY + 3599,
    state: 'RUNNING',
  },
];

/** The newest that bears the id; nobody told of some. */
export function jobOf(jobId: string): JobRow | undefined {
  return JOBS.findLast((job) => job.jobId === jobId);
}

/** One row of a sample table; a gauge that is not there was not measured. */
export interface Sample {
  readonly us: number;
  readonly device: Device;
  readonly dtUs: number;
  readonly values: Readonly<Record<string, number>>;
}

function levelOf({ number }: Device, second: number): { sm?: number; engine: number } {
  if (second >= NEXT_DAY) return { sm: 0.3 + 0.1 * number, engine: 0.8 };
  const isBusy = second % 12 < 9;
  if (second > 480) {
    const last = second > 640 ? 0.01 : second > 600 ? 0.3 : 0.7;
    const after = [second > 680 ? 0.03 : 0.6, second > 600 ? 0.02 : 0.4, 0, last][number]!;
    return { sm: second > 500 && second <= 700 ? after : 0, engine: 0.5 };
  }
  if (second <= 30) return { sm: 0, engine: 0 };
  if (second > 440) return { sm: 0.01, engine: 0.02 };
  if (number === 1 && second > 200 && second <= 260) return { sm: 0.02, engine: 0.05 };
  if (number === 3 && second > 300 && second <= 310) return { engine: 1 };
  const jitter = ((second * 7 + number * 3) % 5) / 500;
  const slow = number === 2 ? 0.06 : 0;
  return {
    sm: (isBusy ? 0.8 + slow : 0.1) + jitter,
    engine: (isBusy ? 0.95 : 0.3) - (number === 3 ? 0.1 : 0),
  };
}

function profilingSample(device: Device, second: number, dt: number): Sample {
  const { sm, engine } = levelOf(device, second);
  const power = 80 + 500 * (sm ?? 0.5) + 10 * device.number + ((second * 7) % 11);
  // The counter of the last device is stuck.
  const rise = device.number === 3 ? 0 : power * dt * 1.02;
  const used = [10e9 + 2e6 * second, 11e9, 12e9 + 1e6 * ((second * 13) % 17), 13e9 - 1e5 * second][
    device.number
  ]!;
  const pipes =
    sm === undefined
      ? {}
      : {
          ...{ sm_active_ratio: sm, tensor_active_ratio: 0.5 * sm, dram_active_ratio: 0.3 * sm + 0.01 },
          ...{ fp64_active_ratio: 0, fp32_active_ratio: 0.1 * sm, fp16_active_ratio: 0.05 * sm },
        };
  return {
    us: at(second),
    device,
    dtUs: dt * SECOND,
    values: {
      ...pipes,
      ...{ gr_engine_active_ratio: engine, power_watts: power, fb_used_bytes: used },
      ...(dt === 0 ? {} : { energy_rise_joules: rise, energy_rise_dt_us: dt * SECOND }),
    },
  };
}

/** The second device was not seen for half a minute: the sample after it speaks for no time. */
const GAP = { number: 1, from: 300, to: 330 };

export const SAMPLES: readonly Sample[] = DEVICES.flatMap((device) => [
  ...Array.from({ length: 721 }, (_, second) => second)
    .filter((second) => device.number !== GAP.number || second <= GAP.from || second > GAP.to)
    .map((second) => {
      const isFirst = second === 0 || (device.number === GAP.number && second === GAP.to + 1);
      return profilingSample(device, second, isFirst ? 0 : 1);
    }),
  ...Array.from({ length: 13 }, (_, tick) =>
    profilingSample(device, NEXT_DAY + 600 * tick, tick === 0 ? 0 : 600),
  ),
]);

const MINUTES = Array.from({ length: 12 }, (_, minute) => 60 * (minute + 1));

export const TEMPERATURES: readonly Sample[] = DEVICES.flatMap((device) =>
  MINUTES.map((second) => ({
    ...{ us: at(second), device, dtUs: 60 * SECOND },
    values: { gpu_temp_celsius: 50 + 5 * device.number + ((second / 60) % 4) },
  })),
);

export const ERRORS: readonly Sample[] = DEVICES.flatMap((device) =>
  MINUTES.map((second) => ({
    ...{ us: at(second), device, dtUs: 60 * SECOND },
    values: {
      ecc_sbe_aggregate_total: 100 + (device.number === 2 ? Math.floor(second / 120) : 0),
      ecc_dbe_aggregate_total: device.number === 3 && second > 200 ? 2 : 0,
      remapped_rows_correctable_total: device.number === 0 && second > 300 ? 4 : 3,
      remapped_rows_uncorrectable_total: device.number === 1 && second > 400 ? 1 : 0,
    },
  })),
);

export interface EventRow {
  readonly from: number;
  readonly to?: number;
  readonly node: string;
  readonly number?: number;
  readonly kind: string;
  readonly code?: number;
  readonly subject?: string;
  readonly jobId?: string;
}
export const EVENTS: readonly EventRow[] = [
  { from: 200, node: 'n2', number: 2, kind: 'xid', code: 79, jobId: '4217' },
  { from: 210, node: 'n2', number: 2, kind: 'xid', code: 79, jobId: '4217' },
  { from: 600, node: 'n1', number: 0, kind: 'xid', code: 31 },
  { from: 710, node: 'n2', number: 3, kind: 'xid', code: 31 },
  // At the very end of a job: it is the job's. At its start it is not.
  { from: 480, node: 'n1', number: 1, kind: 'xid', code: 13, jobId: '4217' },
  { from: 500, node: 'n2', number: 3, kind: 'xid', code: 13 },
  { from: -60, to: 20, node: 'n1', number: 0, kind: 'throttle', subject: 'sw_power_cap' },
  { from: 100, to: 160, node: 'n1', number: 1, kind: 'throttle', subject: 'sw_power_cap' },
  { from: 690, node: 'n2', number: 3, kind: 'throttle', subject: 'hw_thermal' },
  { from: 170, to: 180, node: 'n1', number: 1, kind: 'throttle', subject: 'sw_power_cap' },
  { from: LATEST - 10, node: 'n2', number: 2, kind: 'xid', code: 79 },
  { from: 300, to: 330, node: 'n1', number: 1, kind: 'gap' },
  { from: 340, to: 341, node: 'n1', number: 1, kind: 'gap' },
  { from: 400, to: 405, node: 'n1', kind: 'gap' },
  { from: 650, to: 653, node: 'n2', kind: 'drop' },
];

export const COLLECTORS: readonly (Row & {
  readonly ts: number;
  readonly node: string;
  readonly lane: string;
})[] = [
  {
    ts: at(700),
    node: 'n1',
    lane: 'profiling',
    version: '0.2.0',
    cpu_ratio: 0.01,
    rss_bytes: 1e8,
    dropped_rows: 0,
    held_rows: 3,
    ...{ spooled_rows: 0, refused_rows: 1, sampled_rows: 100, acknowledged_rows: 90 },
  },
  {
    ts: at(710),
    node: 'n1',
    lane: 'profiling',
    version: '0.2.0',
    cpu_ratio: 0.02,
    rss_bytes: 1.2e8,
    dropped_rows: 5,
    held_rows: 7,
    ...{ spooled_rows: 0, refused_rows: 1, sampled_rows: 180, acknowledged_rows: 160 },
  },
  // Its state directory was lost after this, and its counts began again.
  { ts: at(650), node: 'n2', lane: 'profiling', sampled_rows: 500, acknowledged_rows: 480 },
  {
    ts: at(705),
    node: 'n2',
    lane: 'profiling',
    version: '0.2.0',
    cpu_ratio: 0.03,
    rss_bytes: 1.3e8,
    spooled_rows: 9,
    oldest_unsent_ms: 1500,
    ...{ sampled_rows: 40, acknowledged_rows: 30 },
  },
];

/** A row of `job_figures` that a correction has left behind stands beside the right one. */
export const FIGURES: readonly (Row & { readonly written_ts: number })[] = STAYS.filter(
  ({ endUs }) => endUs !== OPEN,
)
  .map((one): Row & { written_ts: number } => {
    const own = samplesOf(one.jobId).filter(({ sample }) => sample.device.gpu === one.gpu);
    const sm = own.filter(({ sample }) => sample.values['sm_active_ratio'] !== undefined);
    const joules = own.reduce(
      (sum, { sample, part }) => sum + (sample.values['power_watts']! * sample.dtUs * part) / SECOND,
      0,
    );
    return {
      ...{
        ts: one.startUs,
        end_ts: one.endUs,
        node: 'n1',
        gpu: one.gpu,
        job_id: one.jobId,
        run: jobOf(one.jobId)?.run ?? 0,
        share: own.length === 0 ? 1 : timeOf(own) / timeOf(own.map(({ sample }) => ({ sample, part: 1 }))),
      },
      attributed_us: own.reduce((sum, { sample, part }) => sum + sample.dtUs * part, 0),
      sm_active_ratio_dtsum: sm.reduce(
        (sum, { sample }) => sum + sample.values['sm_active_ratio']! * sample.dtUs,
        0,
      ),
      sm_active_ratio_dt: sm.reduce((sum, { sample }) => sum + sample.dtUs, 0),
      idle_dt_us: sm
        .filter(({ sample }) => sample.values['sm_active_ratio']! < 0.05)
        .reduce((sum, { sample, part }) => sum + sample.dtUs * part, 0),
      energy_rise_joules: one.gpu === DEVICES[3]!.gpu ? 0 : 1.02 * joules,
      energy_rise_dt_us: 1,
      power_joules: joules,
      written_ts: one.endUs + 600 * SECOND,
    };
  })
  .flatMap((row) =>
    row['job_id'] === '4219'
      ? [{ ...row, ts: at(510), attributed_us: 1, power_joules: 1, written_ts: at(900) }, row]
      : [row],
  );

/** The samples of a job, with its part of each, by who owns the device at that moment: not by labels. */
export function samplesOf(
  jobId: string,
  of: readonly Sample[] = SAMPLES,
): { sample: Sample; part: number }[] {
  return of.flatMap((sample) =>
    ownersOf(sample)
      .filter((owner) => owner.jobId === jobId)
      .map(({ part }) => ({ sample, part })),
  );
}

/** Who owns the device of a sample, and which part of it. */
export function ownersOf({ us, device }: Sample): { jobId: string; part: number }[] {
  const live = STAYS.filter((one) => one.gpu === device.gpu && one.startUs < us && us <= one.endUs);
  const shares = live.map(({ share }) => share ?? NaN);
  return live.map(({ jobId }, index) => ({ jobId, part: partOf(shares[index]!, shares) }));
}

const FIELDS = [1001, 1002, 1004, 1005, 1006, 1007, 1008, 155, 156, 252, 150, 312, 313, 394, 393];

/** The default lanes, with those of their fields alone that the history has: the server has less to do. */
export const LANES: readonly Lane[] = defaultLanes.map((lane) => ({
  ...lane,
  fields: lane.fields.filter(({ id }) => FIELDS.includes(id)),
}));

/** Writes all of it into an empty store. */
export async function writeHistory(db: QuestDb): Promise<void> {
  await applySchema(db, LANES, { raw: '', rollup1m: '', rollup1h: '', rollup1d: '' });
  const rowOf = ({ us, device, dtUs, values }: Sample): Row => ({
    ...{ ts: us, node: device.node, gpu: device.gpu, dt_us: dtUs, ...labelColumns(STAYS, device.gpu, us) },
    ...values,
  });
  await insertRows(db, 'gpu_profiling', SAMPLES.map(rowOf));
  await insertRows(db, 'gpu_device', TEMPERATURES.map(rowOf));
  await insertRows(db, 'gpu_slow', ERRORS.map(rowOf));
  await insertRows(db, 'gpu_owner_sets', ownerSetRows(STAYS));
  await insertRows(
    db,
    'gpu_ownership',
    STAYS.map(({ gpu, jobId, startUs, endUs, share }) => ({
      ...{
        ts: startUs,
        node: DEVICES.find((device) => device.gpu === gpu)!.node,
        gpu,
        job_id: jobId,
        run: jobOf(jobId)?.run ?? 0,
        source: 'test',
      },
      ...(endUs === OPEN ? {} : { end_ts: endUs }),
      ...(share === undefined ? {} : { share }),
    })),
  );
  await insertRows(
    db,
    'jobs',
    JOBS.map(({ jobId, run, user, account, from, to, gpus, submitted, state, exitCode }) => ({
      ...{
        ts: at(from),
        job_id: jobId,
        run: run ?? 0,
        user,
        account,
        name: `name of ${jobId}`,
        partition: 'gpu',
        qos: 'normal',
        gpus,
        nodes: 1,
      },
      ...(to === undefined ? {} : { end_ts: at(to) }),
      ...(submitted === undefined ? {} : { submit_ts: at(submitted) }),
      ...(state === undefined ? {} : { state }),
      ...(exitCode === undefined ? {} : { exit_code: exitCode }),
    })),
  );
  await insertRows(
    db,
    'gpu_events',
    EVENTS.map(({ from, to, node, number, kind, code, subject, jobId }) => ({
      ...{ ts: at(from), node, kind, text: `${kind} at ${from}` },
      ...(to === undefined ? {} : { end_ts: at(to) }),
      ...(number === undefined ? {} : { gpu: DEVICES[number]!.gpu }),
      ...(code === undefined ? {} : { code }),
      ...(subject === undefined ? {} : { subject }),
      ...(jobId === undefined ? {} : { job_id: jobId }),
    })),
  );
  await insertRows(
    db,
    'gpu_inventory',
    [...DEVICES, SPARE].flatMap(({ gpu, node, index }) =>
      [-3600, -60].map((second) => ({
        ...{
          ts: at(second),
          cluster: 'alpha',
          node,
          gpu,
          // It was plugged in elsewhere before.
          gpu_index: second === -60 ? index : 1 - index,
          model: 'H200',
          memory_bytes: MEMORY_BYTES,
        },
        ...{ driver: second === -60 ? '580.2' : '570.1', source: 'synthetic' },
      })),
    ),
  );
  await insertRows(db, 'collector_stats', COLLECTORS);
  await insertRows(db, 'job_figures', FIGURES);
  await waitForRollups(db, LANES, at(NEXT_DAY + 48 * 3600), { timeoutMs: 300_000 });
}
