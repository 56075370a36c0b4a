import { CONCLUSION_COLUMNS } from '../../../schemas/kept/conclusion-columns.ts';
import { idleColumnsOf } from '../../../schemas/idle-columns.ts';
import { keptColumns } from '../../../schemas/tables.ts';
import { GAUGE_KEYS } from '../gauges.ts';
import { fromIdsSql, type AskedIds } from './asked-ids.ts';
import type { JobWindow } from './facts.ts';
import {
  addSums,
  emptySums,
  idleOfDevice,
  type IdleSums,
  type JobSums,
  type SampleSums,
} from './rows/scan.ts';
import type { IdleLimit } from '../../core/fields/idle-limits.ts';
import type { DeviceIdleLimits } from '../idle-limits.ts';
import { bestOfDevice } from '../quantity.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import type { DeviceConclusions } from './kept/conclusions.ts';
import { conclusionsOfRow } from './kept/row-conclusions.ts';

/** A row of `job_figures`: what is kept of a run and a device. */
export interface KeptFigures {
  readonly jobId: string;
  readonly gpu: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly sums: SampleSums;
  /** Undefined where nothing was concluded from the samples. */
  readonly conclusions: DeviceConclusions | undefined;
}

/** All that is kept under these job ids, ascending by the time of writing. */
export async function readKept(
  db: Asked,
  asked: AskedIds,
  { inUse, of }: DeviceIdleLimits,
): Promise<KeptFigures[]> {
  // Of an older version there is no table, or not every column; that is no reason to refuse the rest of the report.
  const found = await ask(
    db,
    "SELECT column_name FROM information_schema.columns() WHERE table_name = 'job_figures'",
  );
  const columns = new Set(found.map((row) => row.text('column_name')));
  const limits = inUse.filter((limit) => columns.has(idleColumnsOf(limit).lastActive));
  const moments = limits.map(
    (limit, index) => `, cast(t.${idleColumnsOf(limit).lastActive} AS LONG) AS last_active_${index}_us`,
  );
  const isConcluded = CONCLUSION_COLUMNS.every(({ name }) => columns.has(name));
  const kept: KeptFigures[] = [];
  for (const from of columns.size === 0 ? [] : fromIdsSql('job_figures', asked)) {
    const rows = await ask(
      db,
      `SELECT t.*, cast(t.ts AS LONG) AS start_us, cast(t.end_ts AS LONG) AS end_us${moments.join('')} ${from} ORDER BY t.written_ts`,
    );
    for (const row of rows)
      kept.push({
        ...keptOf(row, limits, of),
        conclusions: isConcluded ? conclusionsOfRow(row) : undefined,
      });
  }
  return kept;
}

function keptOf(
  row: Cells,
  limits: readonly IdleLimit[],
  limitOf: DeviceIdleLimits['of'],
): Omit<KeptFigures, 'conclusions'> {
  const gpu = row.text('gpu') ?? '';
  const sums = sumsOfRow(row);
  const idleBy = new Map(
    limits.map((limit, index) => [limit, idleOfRow(row, limit, index, sums.usedKnownUs)]),
  );
  return {
    jobId: row.text('job_id') ?? '',
    gpu,
    startUs: row.number('start_us')!,
    endUs: row.number('end_us') ?? Infinity,
    sums: { ...sums, idleBy, ...idleOfDevice({ idleBy }, limitOf(gpu)) },
  };
}

function idleOfRow(row: Cells, limit: IdleLimit, index: number, smKnownUs: number): IdleSums {
  const us = row.number(idleColumnsOf(limit).idleDt);
  return {
    us: us ?? 0,
    // A row of an older version does not tell of every limit.
    knownUs: us === undefined ? 0 : smKnownUs,
    lastActiveUs: row.number(`last_active_${index}_us`),
  };
}

/** What is kept of one run, by device. */
export function keptSums(
  kept: readonly KeptFigures[],
  jobId: string,
  window: JobWindow,
): Map<string, SampleSums> {
  return new Map([...keptStays(kept, jobId, window)].map(([gpu, rows]) => [gpu, sumsOfStays(rows)]));
}

/**
 * The rows of one run that count, by device. Another run or job that bears the id has other devices, or has them at another time. A
 * run that had a device twice, and another job between, has a row of each stay; of rows about one time the one written last counts.
 * @param kept ascending by the time of writing
 */
export function keptStays(
  kept: readonly KeptFigures[],
  jobId: string,
  { startUs, endUs, intervals }: JobWindow,
): Map<string, readonly KeptFigures[]> {
  const own = new Set(intervals.map(({ gpu }) => gpu));
  const of = kept.filter(
    (one) => one.jobId === jobId && own.has(one.gpu) && one.startUs >= startUs && one.endUs <= endUs,
  );
  const isApart = (a: KeptFigures, b: KeptFigures): boolean => a.endUs <= b.startUs || a.startUs >= b.endUs;
  return new Map(
    [...Map.groupBy(of, ({ gpu }) => gpu)].map(([gpu, rows]) => [
      gpu,
      rows.filter((row, index) => rows.slice(index + 1).every((later) => isApart(row, later))),
    ]),
  );
}

function sumsOfStays(stays: readonly KeptFigures[]): SampleSums {
  if (stays.length === 1) return stays[0]!.sums;
  const sums = emptySums();
  for (const stay of stays) addSums(sums, stay.sums);
  return { ...sums, ...bestOfDevice(sums) };
}

/**
 * The sums with those of `job_figures` in place of the samples' for each device of which more was seen than is left.
 * Undefined when there is none.
 */
export function withKept(
  window: JobWindow,
  sampled: ReadonlyMap<string, SampleSums>,
  kept: ReadonlyMap<string, SampleSums>,
): JobSums | undefined {
  const devices = new Map(sampled);
  let isBetter = false;
  for (const gpu of new Set(window.intervals.map((interval) => interval.gpu))) {
    const known = kept.get(gpu);
    if (known === undefined || known.samples <= (devices.get(gpu)?.samples ?? 0)) continue;
    devices.set(gpu, known);
    isBetter = true;
  }
  if (!isBetter) return undefined;
  const all = emptySums();
  for (const device of devices.values()) addSums(all, device);
  return { all, devices };
}

function sumsOfRow(row: Cells): SampleSums {
  const gauges: SampleSums['gauges'] = new Map();
  for (const key of GAUGE_KEYS) {
    const columns = keptColumns(key);
    const max = row.number(columns.max);
    if (max === undefined) continue;
    gauges.set(key, {
      sum: row.number(columns.sum) ?? 0,
      knownUs: row.number(columns.knownUs) ?? 0,
      min: NaN,
      max,
    });
  }
  const [sampledUs, attributedUs] = [row.number('dt_us') ?? 0, row.number('attributed_us') ?? 0];
  const sm = gauges.get('smActive');
  // Of a shared device known times are not kept by part: the part of all its time stands for it.
  const part = sampledUs > 0 ? attributedUs / sampledUs : 1;
  const counterDtUs = row.number('energy_rise_dt_us') ?? 0;
  const energy = {
    counterJoules: row.number('energy_rise_joules'),
    counterUs: counterDtUs * part,
    powerJoules: row.number('power_joules'),
    powerUs: (gauges.get('power')?.knownUs ?? 0) * part,
  };
  return {
    ...emptySums(),
    samples: row.number('samples') ?? 0,
    // A row of an older version does not tell.
    steps: row.number('step_count') ?? NaN,
    sampledUs,
    attributedUs,
    ...energy,
    counterDtUs,
    ...bestOfDevice(energy),
    usedUs: (sm?.sum ?? 0) * part,
    usedKnownUs: (sm?.knownUs ?? 0) * part,
    gauges,
  };
}
