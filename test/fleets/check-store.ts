import type { QuestDb } from '../../src/questdb/http.ts';
import type { Found, World } from './check-fleets.ts';
import { Sum, type DeviceLedger } from './truth/ledger.ts';

/** What the tables themselves say, level by level, against the truth: labels, owner sets, rollups and histograms. */

const TABLE = 'gpu_main';
const LEVELS = ['', '_1m', '_1h', '_1d'];
/** How wide a bar is, as the SQL of the views has it. */
const HISTOGRAMS: readonly (readonly [column: string, barOf: (x: number) => number])[] = [
  ['sm_active_ratio', (x) => Math.trunc(x * 100)],
  ['tensor_active_ratio', (x) => Math.trunc(x * 100)],
  ['dram_active_ratio', (x) => Math.trunc(x * 100)],
  ['power_watts', (x) => Math.trunc(x / 5)],
];

/** @returns where a level says something else than the truth of whose how much time was */
export async function checkStore(db: QuestDb, { ledgers }: World): Promise<Found[]> {
  const [whole, divided] = [wholeTruth(ledgers), dividedTruth(ledgers)];
  const found: Found[] = [];
  for (const level of LEVELS) {
    const table = TABLE + level;
    const count = level === '' ? 'count()' : 'sum(row_count)';
    const alone = await db.exec(
      `SELECT gpu, job_id, owners, sum(dt_us), ${count} FROM ${table} WHERE owner_set IS NULL GROUP BY gpu, job_id, owners`,
    );
    const sums = new Map(
      alone.rows.map(([gpu, job, owners, dtUs, rows]) => [
        keyOf(gpu, job, owners),
        `${Number(dtUs)} µs, ${Number(rows)} rows`,
      ]),
    );
    found.push(...mapDifferences(table, whole, sums));
    const members = await db.exec(
      `SELECT gpu, member, sum(us) FROM (SELECT r.gpu AS gpu, s.job_id AS member, r.dt_us * s.part AS us FROM ${table} r` +
        ' JOIN gpu_owner_sets s ON s.owner_set = r.owner_set WHERE r.owner_set IS NOT NULL) GROUP BY gpu, member',
    );
    const parts = new Map(members.rows.map(([gpu, job, us]) => [keyOf(gpu, job), Number(us)]));
    found.push(...nearDifferences(`${table} by owner sets`, divided, parts));
  }
  for (const [column, barOf] of HISTOGRAMS) {
    const bars = barTruth(ledgers, column, barOf);
    for (const level of ['_1h', '_1d']) {
      const table = `${TABLE}_${column}_hist${level}`;
      const { rows } = await db.exec(`SELECT gpu, bar, sum(dt_us) FROM ${table} GROUP BY gpu, bar`);
      const sums = new Map(rows.map(([gpu, bar, us]) => [keyOf(gpu, Number(bar)), Number(us)]));
      found.push(...mapDifferences(table, bars, sums));
    }
  }
  return found;
}

function keyOf(...parts: readonly unknown[]): string {
  return JSON.stringify(parts);
}

/** Time that one job had whole, or nobody, or that is of a GPU beside its instances. */
function wholeTruth(ledgers: readonly DeviceLedger[]): Map<string, string> {
  const sums = new Map<string, { us: number; rows: number }>();
  for (const { device, lanes } of ledgers) {
    const { owners, dtUs } = lanes.get(TABLE)!;
    for (const [row, { parts }] of owners.entries()) {
      const isWhole = parts.length === 1 && parts[0]!.part === 1;
      if (parts.length > 0 && !isWhole) continue;
      const key = keyOf(device.uuid, parts[0]?.run.jobId ?? null, device.isCut ? null : parts.length);
      const sum = sums.get(key) ?? { us: 0, rows: 0 };
      sums.set(key, { us: sum.us + dtUs[row]!, rows: sum.rows + 1 });
    }
  }
  return new Map([...sums].map(([key, { us, rows }]) => [key, `${us} µs, ${rows} rows`]));
}

/** Time of devices that several jobs had, or one had a part of: by device and job. */
function dividedTruth(ledgers: readonly DeviceLedger[]): Map<string, number> {
  const sums = new Map<string, Sum>();
  for (const { device, lanes } of ledgers) {
    const { owners, dtUs } = lanes.get(TABLE)!;
    for (const [row, { parts }] of owners.entries()) {
      if (parts.length === 1 && parts[0]!.part === 1) continue;
      for (const { run, part } of parts) {
        const key = keyOf(device.uuid, run.jobId);
        const sum = sums.get(key) ?? new Sum();
        sum.add(dtUs[row]! * part);
        sums.set(key, sum);
      }
    }
  }
  return new Map([...sums].map(([key, sum]) => [key, sum.value]));
}

/** Of owned devices: how long they were in each bar. */
function barTruth(
  ledgers: readonly DeviceLedger[],
  column: string,
  barOf: (x: number) => number,
): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { device, lanes } of ledgers) {
    const { owners, dtUs, values } = lanes.get(TABLE)!;
    for (const [row, x] of values.get(column)!.entries()) {
      if (Number.isNaN(x) || owners[row]!.parts.length === 0 || device.isCut) continue;
      const key = keyOf(device.uuid, barOf(x));
      sums.set(key, (sums.get(key) ?? 0) + dtUs[row]!);
    }
  }
  return sums;
}

function mapDifferences<T>(
  report: string,
  wanted: ReadonlyMap<string, T>,
  got: ReadonlyMap<string, T>,
): Found[] {
  return [...new Set([...wanted.keys(), ...got.keys()])]
    .filter((key) => wanted.get(key) !== got.get(key))
    .map((key) => ({ report, path: key, expected: String(wanted.get(key)), got: String(got.get(key)) }));
}

function nearDifferences(
  report: string,
  wanted: ReadonlyMap<string, number>,
  got: ReadonlyMap<string, number>,
): Found[] {
  return [...new Set([...wanted.keys(), ...got.keys()])]
    .filter((key) => {
      const [a, b] = [wanted.get(key), got.get(key)];
      return a === undefined || b === undefined || Math.abs(a - b) > 1e-9 * a + 1e-3;
    })
    .map((key) => ({ report, path: key, expected: String(wanted.get(key)), got: String(got.get(key)) }));
}
