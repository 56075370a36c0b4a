import { HOUR_US } from '../core/base/hour.ts';
import {
  divideCutHour,
  type DividedHour,
  type EnergyPart,
  type InstanceRow,
  type KnownSum,
} from '../core/devices/mig-division.ts';
import { instanceSlicesOf, ratioOfSlices, wholeSlicesOf } from '../core/devices/mig-slices.ts';
import { quoteName } from '../../schemas/tables.ts';
import type { GaugeKey } from './gauges.ts';
import { withinSql, type Level, type Segment } from './levels.ts';
import { inPortions } from './portions.ts';
import { isCounted, type EnergySums } from './quantity.ts';
import { ask, type Asked, type Cells } from './query-cells.ts';
import { quotedLists } from './sql-text.ts';
import { counterSummands, gaugeSummands, summandSql, TIME, type Summand } from './summands.ts';

/** What cut GPUs had is read by the hour, since that is how their energy is divided. */
export const CUT_LEVELS: readonly Level[] = ['1h', '1m', 'raw'];

/** A table, and what of it tells how the energy of cut GPUs is divided. */
export interface CutReading {
  /** Of `CUT_LEVELS`. */
  readonly segments: readonly Segment[];
  /** Only these; all where it is undefined. */
  readonly gpus: readonly string[] | undefined;
  readonly columns: ReadonlyMap<GaugeKey, string>;
  readonly hasEnergy: boolean;
  /** Whether this table decides time. */
  readonly isPrimary: boolean;
}

/** A MIG instance, as the inventory has it. */
export interface CutInstance {
  readonly parent: string;
  /** By time: an instance of another size may come back under the same UUID. */
  readonly profiles: readonly { readonly fromUs: number; readonly slices: number | undefined }[];
}

export interface CutInventory {
  /** By UUID. */
  readonly instances: ReadonlyMap<string, CutInstance>;
  /** Compute slices of GPUs and of those that instances are cut from; undefined of a model that is not known to be cut. */
  readonly wholeSlices: ReadonlyMap<string, number | undefined>;
  /** Of every device, where anybody told. */
  readonly clusters: ReadonlyMap<string, string | undefined>;
}

/** Sums of one device in one hour, or in the part of it that was asked for. */
export interface BucketSums {
  dtUs: number;
  readonly smActive: { sum: number; knownUs: number };
  readonly engineActive: { sum: number; knownUs: number };
  counterJoules: number | undefined;
  counterUs: number;
  powerSum: number | undefined;
  powerUs: number;
  powerMinWatts: number | undefined;
}

export function emptyBucket(): BucketSums {
  return {
    dtUs: 0,
    smActive: { sum: 0, knownUs: 0 },
    engineActive: { sum: 0, knownUs: 0 },
    counterJoules: undefined,
    counterUs: 0,
    powerSum: undefined,
    powerUs: 0,
    powerMinWatts: undefined,
  };
}

/** How GPUs are cut, as far as anybody told. @throws what `ask` throws */
export async function readCutInventory(db: Asked): Promise<CutInventory> {
  const rows = await ask(
    db,
    'SELECT gpu, last(parent) AS parent, last(mig_profile) AS mig_profile, last_not_null(model) AS model,' +
      ' count_distinct(mig_profile) AS profiles, cast(min(ts) AS LONG) AS from_us, last_not_null(cluster) AS cluster FROM gpu_inventory GROUP BY gpu',
  );
  // Of an instance whose GPU nobody told the model says how many slices that has.
  const parentOf = (row: Cells): string | undefined =>
    row.text('parent') ?? ((row.text('mig_profile') ?? '') === '' ? undefined : `of ${row.text('gpu')!}`);
  const found = rows.filter((row) => parentOf(row) !== undefined);
  const wholeSlices = new Map<string, number | undefined>();
  for (const row of [...found, ...rows.filter((each) => parentOf(each) === undefined)])
    wholeSlices.set((parentOf(row) ?? row.text('gpu'))!, wholeSlicesOf(row.text('model')));
  const changed = found.filter((row) => (row.number('profiles') ?? 0) > 1).map((row) => row.text('gpu')!);
  const history: Cells[] = [];
  for (const list of quotedLists(changed))
    history.push(
      ...(await ask(
        db,
        `SELECT gpu, mig_profile, cast(ts AS LONG) AS from_us FROM gpu_inventory WHERE gpu IN (${list}) ORDER BY ts`,
      )),
    );
  const byGpu = Map.groupBy(history, (row) => row.text('gpu')!);
  const instances = found.map((row): [string, CutInstance] => {
    const gpu = row.text('gpu')!;
    const profiles = (byGpu.get(gpu) ?? [row]).map((told) => ({
      fromUs: told.number('from_us')!,
      slices: instanceSlicesOf(told.text('mig_profile')),
    }));
    return [gpu, { parent: parentOf(row)!, profiles }];
  });
  const clusters = new Map(rows.map((row) => [row.text('gpu')!, row.text('cluster')]));
  return { instances: new Map(instances), wholeSlices, clusters };
}

/** The part of its GPU that an instance is; undefined where it is not known. @param bucketUs in that hour, else the newest */
export function ratioIn(
  { instances, wholeSlices }: CutInventory,
  gpu: string,
  bucketUs = Infinity,
): number | undefined {
  const instance = instances.get(gpu);
  if (instance === undefined) return undefined;
  const [slices, whole] = [slicesIn(instance, bucketUs), wholeSlices.get(instance.parent)];
  return ratioOfSlices(slices, whole);
}

/** Compute slices of an instance in the hour that begins at `bucketUs`. */
export function slicesIn({ profiles }: CutInstance, bucketUs: number): number | undefined {
  return (profiles.findLast(({ fromUs }) => fromUs < bucketUs + HOUR_US) ?? profiles[0])?.slices;
}

/** Of which hour a row `s` is. */
export const BUCKET_SQL = "cast(timestamp_floor('1h', s.ts) AS LONG)";

/** The sums that a table gives, over rows `s` of a segment, each with its name. */
export function bucketSumsSql(reading: CutReading, segment: Segment): string[] {
  const sums = summandsOf(reading).map((each) => `sum(${summandSql(each, segment)}) AS ${each.name}`);
  const power = reading.columns.get('power');
  if (power === undefined) return sums;
  const least = { name: 'power_min', rollup: `${power}_min`, raw: `s.${quoteName(power)}` };
  return [...sums, `min(${summandSql(least, segment)}) AS ${least.name}`];
}

function summandsOf({ columns, hasEnergy, isPrimary }: CutReading): Summand[] {
  const gauge = (prefix: string, column: string | undefined): readonly Summand[] =>
    column === undefined ? [] : gaugeSummands(prefix, column);
  return [
    ...(isPrimary ? [TIME] : []),
    ...gauge('sm', columns.get('smActive')),
    ...gauge('engine', columns.get('engineActive')),
    ...gauge('power', columns.get('power')),
    ...(hasEnergy ? counterSummands() : []),
  ];
}

/** Adds one row of an answer to the sums. */
export function addToBucket(
  sums: BucketSums,
  row: Cells,
  { columns, hasEnergy, isPrimary }: Omit<CutReading, 'segments' | 'gpus'>,
): void {
  const plus = (known: number | undefined, more: number | undefined): number | undefined =>
    more === undefined ? known : (known ?? 0) + more;
  if (isPrimary) sums.dtUs += row.number('dt_us') ?? 0;
  if (columns.has('smActive')) addKnown(sums.smActive, row, 'sm');
  if (columns.has('engineActive')) addKnown(sums.engineActive, row, 'engine');
  if (columns.has('power')) {
    sums.powerSum = plus(sums.powerSum, row.number('power_sum'));
    sums.powerUs += row.number('power_us') ?? 0;
    const least = row.number('power_min');
    if (least !== undefined) sums.powerMinWatts = Math.min(sums.powerMinWatts ?? Infinity, least);
  }
  if (hasEnergy) {
    sums.counterJoules = plus(sums.counterJoules, row.number('counter_joules'));
    sums.counterUs += row.number('counter_us') ?? 0;
  }
}

/** Adds the sums that say how energy is divided, by a part of them. */
export function addScaled(
  into: BucketSums,
  { dtUs, smActive, engineActive }: BucketSums,
  part: number,
): void {
  into.dtUs += dtUs * part;
  for (const [known, more] of [
    [into.smActive, smActive],
    [into.engineActive, engineActive],
  ] as const) {
    known.sum += more.sum * part;
    known.knownUs += more.knownUs * part;
  }
}

function addKnown(into: { sum: number; knownUs: number }, row: Cells, prefix: 'sm' | 'engine'): void {
  into.sum += row.number(`${prefix}_sum`) ?? 0;
  into.knownUs += row.number(`${prefix}_us`) ?? 0;
}

/** The hours of cut GPUs, by UUID and start of the hour. */
export type CutHours = ReadonlyMap<string, ReadonlyMap<number, BucketSums>>;

/**
 * What GPUs had hour by hour while they were cut.
 * @param only these; all when absent @param isWhole all of the time as if it were one hour, the first
 * @throws what `ask` throws
 */
export async function readCutHours(
  db: Asked,
  readings: readonly CutReading[],
  { gpus, isWhole = false }: { readonly gpus?: readonly string[]; readonly isWhole?: boolean },
): Promise<Map<string, Map<number, BucketSums>>> {
  const hours = new Map<string, Map<number, BucketSums>>();
  const bucket = isWhole ? '0' : BUCKET_SQL;
  for (const reading of readings)
    for (const list of listsOf(reading, gpus)) {
      const only = list === undefined ? '' : ` AND s.gpu IN (${list})`;
      const segments = await inPortions(db, reading.segments);
      const parts = segments.map(
        (segment) =>
          `SELECT ${bucket} AS bucket_us, s.gpu AS gpu, ${bucketSumsSql(reading, segment).join(', ')}` +
          ` FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.owners IS NULL${only}`,
      );
      const questions = segments.length === reading.segments.length ? [parts.join(' UNION ALL ')] : parts;
      for (const question of questions.filter((sql) => sql !== ''))
        for (const row of await ask(db, question)) {
          const [gpu, bucketUs] = [row.text('gpu')!, row.number('bucket_us')!];
          const own = hours.get(gpu) ?? new Map<number, BucketSums>();
          hours.set(gpu, own);
          const sums = own.get(bucketUs) ?? emptyBucket();
          own.set(bucketUs, sums);
          addToBucket(sums, row, reading);
        }
    }
  return hours;
}

/** Lists for `IN (…)` of those of these devices that are read; undefined stands for all. @param gpus all when undefined */
export function listsOf(
  { gpus: read }: Pick<CutReading, 'gpus'>,
  gpus: readonly string[] | undefined,
): readonly (string | undefined)[] {
  if (read === undefined) return gpus === undefined ? [undefined] : quotedLists(gpus);
  const wanted = new Set(gpus ?? read);
  return quotedLists(read.filter((gpu) => wanted.has(gpu)));
}

/** What an instance had in one hour for one owner. */
export interface CutRow {
  readonly gpu: string;
  readonly bucketUs: number;
  readonly sums: BucketSums;
}

/** Of a GPU's energy, J: what its counter says, the integral of its power, and which of the two is shown. */
export interface CutEnergy {
  readonly counter: EnergyPart;
  readonly power: EnergyPart;
  readonly best: EnergyPart;
}

/** As sums of whoever has it, by slices. @param isDivided whether it is a part of the GPU's, which is marked */
export function energySumsOf({ counter, power, best }: CutEnergy, isDivided: boolean): EnergySums {
  const joules = (part: EnergyPart): number | undefined => (part.knownUs > 0 ? part.joules : undefined);
  return {
    counterJoules: joules(counter),
    counterUs: counter.knownUs,
    powerJoules: joules(power),
    powerUs: power.knownUs,
    bestJoules: joules(best),
    bestUs: best.knownUs,
    ...(isDivided && best.knownUs > 0 ? { dividedJoules: best.joules, dividedUs: best.knownUs } : {}),
  };
}

/** Whose energy is the integral of power: decided over all of the time, as of any device. */
export function powerUsers(hours: CutHours): Set<string> {
  const users = new Set<string>();
  for (const [gpu, own] of hours) {
    const all = emptyBucket();
    for (const { counterJoules, counterUs, powerSum, powerUs } of own.values()) {
      if (counterJoules !== undefined) all.counterJoules = (all.counterJoules ?? 0) + counterJoules;
      if (powerSum !== undefined) all.powerSum = (all.powerSum ?? 0) + powerSum;
      all.counterUs += counterUs;
      all.powerUs += powerUs;
    }
    const { counterJoules, counterUs, powerSum, powerUs } = all;
    const powerJoules = powerSum === undefined ? undefined : powerSum / 1e6;
    if (!isCounted({ counterJoules, counterUs, powerJoules, powerUs })) users.add(gpu);
  }
  return users;
}

export interface DividedRow<Row extends CutRow> {
  readonly row: Row;
  /** The part of its GPU that the instance is; undefined where its slices or those of the GPU are not known. */
  readonly sliceRatio: number | undefined;
  /** Its part of its GPU's energy; undefined where that could not be divided. Known times are those of the GPU, by slices. */
  readonly energy: CutEnergy | undefined;
}

/** What the instances leave of an hour of their GPU. */
interface CutRest {
  readonly gpu: string;
  readonly bucketUs: number;
  /** Time of the GPU that no instance had, µs. */
  readonly dtUs: number;
  readonly energy: CutEnergy;
  /** False where it is all of the energy, since slices are not known. */
  readonly isDivided: boolean;
}

export interface DividedCut<Row extends CutRow> {
  readonly rows: readonly DividedRow<Row>[];
  /** One of each GPU and hour that is in `hours`. */
  readonly rests: readonly CutRest[];
}

/**
 * Divides what cut GPUs had among the rows of their instances, hour by hour.
 * @param rows all that were seen in these hours, or what is left would be too much
 * @param usesPower see `powerUsers`
 */
export function divideCut<Row extends CutRow>(
  { instances, wholeSlices }: CutInventory,
  hours: CutHours,
  rows: readonly Row[],
  usesPower: ReadonlySet<string>,
): DividedCut<Row> {
  const divided: DividedRow<Row>[] = [];
  const rests: CutRest[] = [];
  const byGpu = Map.groupBy(rows, ({ gpu }) => instances.get(gpu)!.parent);
  for (const gpu of new Set([...hours.keys(), ...byGpu.keys()])) {
    const byHour = Map.groupBy(byGpu.get(gpu) ?? [], ({ bucketUs }) => bucketUs);
    const buckets = new Set([...(hours.get(gpu)?.keys() ?? []), ...byHour.keys()]);
    for (const bucketUs of buckets) {
      const own = byHour.get(bucketUs) ?? [];
      const slices = own.map((row) => slicesIn(instances.get(row.gpu)!, bucketUs));
      const hour = divideHour(hours.get(gpu)?.get(bucketUs), wholeSlices.get(gpu), slices, own);
      const energies = hour.energies?.map((energy) => withBest(energy, usesPower.has(gpu)));
      for (const [index, row] of own.entries())
        divided.push({ row, sliceRatio: hour.ratios[index], energy: energies?.[index] });
      if (hour.rest !== undefined)
        rests.push({
          gpu,
          bucketUs,
          dtUs: hour.restUs,
          energy: withBest(hour.rest, usesPower.has(gpu)),
          isDivided: energies !== undefined,
        });
    }
  }
  return { rows: divided, rests };
}

type PartlyEnergy = Omit<CutEnergy, 'best'>;

interface HourParts {
  /** Of each row. */
  readonly ratios: readonly (number | undefined)[];
  readonly energies: readonly PartlyEnergy[] | undefined;
  /** Undefined where the GPU itself was not sampled. */
  readonly rest: PartlyEnergy | undefined;
  readonly restUs: number;
}

function divideHour(
  hour: BucketSums | undefined,
  whole: number | undefined,
  slices: readonly (number | undefined)[],
  rows: readonly CutRow[],
): HourParts {
  const ratios = slices.map((each) => ratioOfSlices(each, whole));
  if (hour === undefined) return { ratios, energies: undefined, rest: undefined, restUs: 0 };
  const takenUs = rows.reduce((sum, { sums }, index) => sum + sums.dtUs * (ratios[index] ?? 0), 0);
  const restUs = Math.max(0, hour.dtUs - takenUs);
  const { counterJoules = 0, counterUs, powerSum = 0, powerUs, powerMinWatts, dtUs } = hour;
  const energies = [
    { joules: counterJoules, knownUs: counterUs },
    { joules: powerSum / 1e6, knownUs: powerUs },
  ] as const;
  if (whole === undefined || ratios.includes(undefined))
    return { ratios, energies: undefined, rest: { counter: energies[0], power: energies[1] }, restUs };
  const [smActive, engineActive] = [activities(rows, 'smActive'), activities(rows, 'engineActive')];
  const instanceRows = rows.map(({ sums }, index): InstanceRow => ({
    slices: slices[index]!,
    dtUs: sums.dtUs,
    smActive: smActive[index],
    engineActive: engineActive[index],
  }));
  const [counter, power] = energies.map((energy) =>
    divideCutHour({ ...energy, powerMinWatts, sampledUs: dtUs, slices: whole }, instanceRows),
  ) as [DividedHour, DividedHour];
  return {
    ratios,
    energies: rows.map((_, index) => ({ counter: counter.rows[index]!, power: power.rows[index]! })),
    rest: { counter: counter.unallocated, power: power.unallocated },
    restUs,
  };
}

/**
 * An activity of each row. Where it is not known the mean of the instance in that hour stands for it, whoever had it: so rows that
 * are put together have what they had apart.
 */
function activities(
  rows: readonly CutRow[],
  key: 'smActive' | 'engineActive',
): readonly (KnownSum | undefined)[] {
  const all = new Map<string, { sum: number; knownUs: number }>();
  for (const { gpu, sums } of rows) {
    const own = all.get(gpu) ?? { sum: 0, knownUs: 0 };
    all.set(gpu, own);
    own.sum += sums[key].sum;
    own.knownUs += sums[key].knownUs;
  }
  return rows.map(({ gpu, sums: { dtUs, [key]: known } }) => {
    const { sum, knownUs } = all.get(gpu)!;
    return knownUs > 0
      ? { sum: known.sum + (sum / knownUs) * (dtUs - known.knownUs), knownUs: dtUs }
      : undefined;
  });
}

function withBest({ counter, power }: PartlyEnergy, usesPower: boolean): CutEnergy {
  return { counter, power, best: usesPower ? power : counter };
}
