import type { HourEnergy } from '../../core/costs/hourly-grams.ts';
import type { EnergyPart } from '../../core/devices/mig-division.ts';
import { quoteName } from '../../../schemas/tables.ts';
import { floorTo, placesOf, STEP_US, withinSql } from '../levels.ts';
import {
  addScaled,
  addToBucket,
  BUCKET_SQL,
  bucketSumsSql,
  CUT_LEVELS,
  divideCut,
  emptyBucket,
  energySumsOf,
  listsOf,
  powerUsers,
  readCutHours,
  type BucketSums,
  type CutEnergy,
  type CutInventory,
  type CutReading,
  type CutRow,
  type DividedRow,
} from '../mig-energy.ts';
import type { EnergySums } from '../quantity.ts';
import { ask, type Asked, type Cells } from '../query-cells.ts';
import type { JobWindow, SliceRatios } from './facts.ts';
import { askParted } from './rows/ask-labelled.ts';
import { jobSegments, type LabelledJob } from './rows/job-segments.ts';
import { addSums, emptySums, type JobSource, type JobSums, type SampleSums } from './rows/scan.ts';

/** Sums of a job, of which those of MIG instances are by slices and have their part of the energy of their GPUs. */
export function withInstances<Sums extends JobSums>(
  sums: Sums,
  sliceRatios: SliceRatios,
  energies: ReadonlyMap<string, CutEnergy>,
): Sums {
  if (energies.size === 0 && [...sliceRatios.values()].every((ratio) => ratio === 1)) return sums;
  const all = emptySums();
  const devices = new Map(
    [...sums.devices].map(([gpu, device]) => {
      const own = {
        ...device,
        ...bySlices(device, sliceRatios.get(gpu) ?? 1),
        ...energyOf(energies.get(gpu)),
      };
      addSums(all, own);
      return [gpu, own];
    }),
  );
  return { ...sums, all, devices };
}

function bySlices(sums: SampleSums, ratio: number): Partial<SampleSums> {
  return {
    attributedUs: sums.attributedUs * ratio,
    idleUs: sums.idleUs === undefined ? undefined : sums.idleUs * ratio,
    idleKnownUs: sums.idleKnownUs * ratio,
    usedUs: sums.usedUs * ratio,
    usedKnownUs: sums.usedKnownUs * ratio,
    counterUs: sums.counterUs * ratio,
    powerUs: sums.powerUs * ratio,
    bestUs: sums.bestUs * ratio,
  };
}

/** In place of what the instance itself says: its part of the energy of its GPU is all of its energy. */
function energyOf(energy: CutEnergy | undefined): Partial<EnergySums> {
  return energy === undefined ? {} : energySumsOf(energy, true);
}

/** GPUs that instances among these are cut from, and all instances of those. @param cut undefined where there are none */
export function besideInstances(cut: CutInventory | undefined, gpus: readonly string[]): string[] {
  if (cut === undefined) return [];
  const parents = new Set(gpus.flatMap((gpu) => cut.instances.get(gpu)?.parent ?? []));
  const beside = [...cut.instances].filter(([, { parent }]) => parents.has(parent));
  return [...parents, ...beside.map(([gpu]) => gpu)];
}

/** The job's part of the energy of the GPU that an instance is cut from. */
export interface InstanceEnergy extends CutEnergy {
  /** When it was drawn. */
  readonly hours: readonly HourEnergy[];
}

interface OwnedRow extends CutRow {
  readonly isOwn: boolean;
}

/**
 * The job's part of the energy of the GPUs that its MIG instances are cut from, by UUID of the instance. Known times are by slices.
 * Without those of which nothing is known.
 * @param cut of `cutInventoryOf`: undefined where the job has no instance
 * @throws what `ask` throws
 */
export async function instanceEnergies(
  db: Asked,
  sources: readonly JobSource[],
  job: LabelledJob,
  {
    cut: inventory,
    window: { startUs, endUs, intervals },
  }: { readonly cut: CutInventory | undefined; readonly window: JobWindow },
): Promise<Map<string, InstanceEnergy>> {
  if (inventory === undefined) return new Map();
  const own = new Set(intervals.map(({ gpu }) => gpu));
  const parents = new Set([...own].flatMap((gpu) => inventory.instances.get(gpu)?.parent ?? []));
  const beside = [...inventory.instances].filter(([, { parent }]) => parents.has(parent));
  const span = { fromUs: floorTo(startUs + 1, '1h'), toUs: floorTo(endUs, '1h') + STEP_US['1h'] };
  const readings = sources.flatMap((source, index) =>
    placesOf(source.kept, span, CUT_LEVELS).map((place) => ({ ...readingOf(source, index === 0), ...place })),
  );
  const hours = await readCutHours(db, readings, { gpus: [...parents] });
  const owned = await ownedBuckets(db, sources, job);
  const all = await allBuckets(
    db,
    readings,
    beside.map(([gpu]) => gpu),
  );
  const rows = [...all].flatMap(([key, row]): OwnedRow[] => {
    const part = owned.get(key)?.sums ?? emptyBucket();
    return [
      { ...row, sums: part, isOwn: true },
      { ...row, sums: restOf(row.sums, part), isOwn: false },
    ];
  });
  const divided = divideCut(inventory, hours, rows, powerUsers(hours)).rows.filter(
    ({ row, energy }) => row.isOwn && row.sums.dtUs > 0 && energy !== undefined,
  );
  return new Map(
    [...Map.groupBy(divided, ({ row }) => row.gpu)].map(([gpu, shares]) => [
      gpu,
      energyOfAll(shares, readings),
    ]),
  );
}

/** What is not the job's. Rounding is no time. */
function restOf(all: BucketSums, part: BucketSums): BucketSums {
  const minus = (a: number, b: number): number => (a - b > ROUNDING_US_MAX ? a - b : 0);
  const known = (key: 'smActive' | 'engineActive'): BucketSums['smActive'] => ({
    sum: Math.max(0, all[key].sum - part[key].sum),
    knownUs: minus(all[key].knownUs, part[key].knownUs),
  });
  const { dtUs } = all;
  return {
    ...emptyBucket(),
    dtUs: minus(dtUs, part.dtUs),
    smActive: known('smActive'),
    engineActive: known('engineActive'),
  };
}

const ROUNDING_US_MAX = 0.5;

function readingOf(
  { gauges, hasEnergy }: JobSource,
  isPrimary: boolean,
): Omit<CutReading, 'segments' | 'gpus'> {
  return { columns: new Map(gauges), hasEnergy, isPrimary };
}

function energyOfAll(
  shares: readonly DividedRow<OwnedRow>[],
  readings: readonly CutReading[],
): InstanceEnergy {
  const sumOf = (key: keyof CutEnergy): EnergyPart => ({
    joules: shares.reduce((sum, { energy }) => sum + energy![key].joules, 0),
    knownUs: shares.reduce((sum, { energy }) => sum + energy![key].knownUs, 0),
  });
  const hours = shares.map(({ row: { bucketUs }, energy }) => ({
    fromUs: bucketUs,
    lengthUs: STEP_US[isDayIn(readings, bucketUs) ? '1d' : '1h'],
    joules: energy!.best.joules,
  }));
  return { counter: sumOf('counter'), power: sumOf('power'), best: sumOf('best'), hours };
}

/** Whether only days are left of this time. */
function isDayIn(readings: readonly CutReading[], us: number): boolean {
  return readings.some(({ segments }) =>
    segments.some(
      ({ level, spans }) => level === '1d' && spans.some(({ fromUs, toUs }) => us >= fromUs && us < toUs),
    ),
  );
}

interface Bucket {
  readonly gpu: string;
  readonly bucketUs: number;
  readonly sums: BucketSums;
}

/** By device and hour. */
type Buckets = Map<string, Bucket>;

function bucketOf(buckets: Buckets, row: Cells): BucketSums {
  const [gpu, bucketUs] = [row.text('gpu')!, row.number('bucket_us')!];
  const key = `${gpu} ${bucketUs}`;
  const bucket = buckets.get(key) ?? { gpu, bucketUs, sums: emptyBucket() };
  buckets.set(key, bucket);
  return bucket.sums;
}

/** What the job had of its devices hour by hour. */
async function ownedBuckets(db: Asked, sources: readonly JobSource[], job: LabelledJob): Promise<Buckets> {
  const buckets: Buckets = new Map();
  for (const [index, source] of sources.entries()) {
    const { groups } = jobSegments(source.kept, job, CUT_LEVELS);
    const reading = { ...readingOf(source, index === 0), segments: [], gpus: undefined };
    const rows = await askParted(db, job, groups, (segment) => ({
      keys: [`${BUCKET_SQL} AS bucket_us`],
      picks: bucketSumsSql(reading, segment),
    }));
    for (const { row, part } of rows) {
      const sums = emptyBucket();
      addToBucket(sums, row, reading);
      addScaled(bucketOf(buckets, row), sums, part);
    }
  }
  return buckets;
}

/** What these instances had hour by hour, whoever owned them. */
async function allBuckets(
  db: Asked,
  readings: readonly CutReading[],
  gpus: readonly string[],
): Promise<Buckets> {
  const buckets: Buckets = new Map();
  for (const reading of readings)
    for (const segment of reading.segments)
      for (const some of listsOf(reading, gpus)) {
        const rows = await ask(
          db,
          `SELECT ${BUCKET_SQL} AS bucket_us, s.gpu AS gpu, ${bucketSumsSql(reading, segment).join(', ')}` +
            ` FROM ${quoteName(segment.table)} s WHERE ${withinSql(segment)} AND s.gpu IN (${some}) GROUP BY bucket_us, gpu`,
        );
        for (const row of rows) addToBucket(bucketOf(buckets, row), row, reading);
      }
  return buckets;
}
