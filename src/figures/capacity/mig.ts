import type { CapacityKind } from './figures.ts';
import type { KnownDevice } from './devices.ts';
import { BY_HOUR_US_MAX, dividingUs, periodOf, type Membership } from './membership.ts';
import { askGroups } from './ask-groups.ts';
import { sourcesOf, type CapacityPart } from './parts.ts';
import { ROW_KINDS, type RowKind, type Traits } from './samples.ts';
import { emptySums, sumsOf, type Sums } from './sums.ts';
import { alikeDevices, type DeviceIdleLimits } from '../idle-limits.ts';
import { LEVELS, placesOf, STEP_US, type Level, type Span } from '../levels.ts';
import {
  CUT_LEVELS,
  divideCut,
  emptyBucket,
  energySumsOf,
  powerUsers,
  readCutHours,
  type BucketSums,
  type CutEnergy,
  type CutInventory,
  type CutReading,
  type CutRow,
} from '../mig-energy.ts';
import type { Asked, Cells } from '../query-cells.ts';

/** Hours or days of devices that are asked for at a time. */
const CUT_ROWS_MAX = 50_000;

/** What a group had of MIG instances in one answer of the hours. */
interface GroupRow extends CutRow {
  readonly cells: Cells;
}

/** Where the hours of GPUs that are cut go. Times and sums are by slices. */
export interface CutTally {
  /** A row of a group, or of nobody, on an instance that is this part of its GPU. */
  readonly addInstance: (row: Cells, kind: RowKind, sums: Sums, ratio: number) => void;
  /** What the instances leave of their GPU, divided or not. */
  readonly addRest: (
    kind: Extract<CapacityKind, 'unallocated' | 'cut'>,
    sums: Sums,
    of: { readonly gpu: string; readonly bucketUs: number },
  ) => void;
  /** An instance of which it is not known how many slices it has, and that no GPU stands for. */
  readonly addUnknown: (instanceUs: number) => void;
}

/** How the time of GPUs that are cut is read. */
interface CutReadAs {
  readonly levels: readonly Level[];
  /** Of these moments no bucket may hold both sides: those of jobs, of months, and of instances that came back in another size. */
  readonly finerAtUs: readonly number[];
  readonly bucketsPerDay: number;
}

/** By the hour; of a long window by the day, or a year of a hundred instances would be a million rows. */
function cutReadAs(of: Membership, { instances }: CutInventory): CutReadAs {
  const { fromUs, toUs } = of.window;
  const isByHour = toUs - fromUs <= BY_HOUR_US_MAX || periodOf(of) === 'hour';
  const resizedUs = [...instances.values()].flatMap(({ profiles }) =>
    profiles.slice(1).map((profile) => profile.fromUs),
  );
  return {
    levels: isByHour ? CUT_LEVELS : LEVELS,
    finerAtUs: [...dividingUs(of), ...(isByHour ? [] : resizedUs)],
    bucketsPerDay: isByHour ? 24 : 1,
  };
}

/**
 * Adds up the hours (of a long window the days) of MIG instances by their slices, and divides the energy of their GPUs among them.
 * @param parts of the whole window
 * @throws what `ask` throws
 */
export async function addCutGpus(
  db: Asked,
  of: Membership,
  parts: readonly CapacityPart[],
  inventory: CutInventory,
  {
    traits,
    tally,
    idle,
    present,
    after,
  }: {
    readonly traits: Traits;
    readonly tally: CutTally;
    readonly idle: DeviceIdleLimits;
    /** Those that are asked about. */
    readonly present: Promise<readonly KnownDevice[]>;
    /** Nothing is added before: sums of one order are the same to the last digit. */
    readonly after: Promise<void>;
  },
): Promise<void> {
  const meant = new Set((await present).filter(({ kind }) => kind !== 'instance').map(({ gpu }) => gpu));
  const readAs = cutReadAs(of, inventory);
  const whole = await readCutHours(db, readingsOf(parts, of.window, readAs), { isWhole: true });
  const usesPower = powerUsers(whole);
  for (const span of portionsOf(of.window, inventory.instances.size * readAs.bucketsPerDay)) {
    const hours = await readCutHours(db, readingsOf(parts, span, readAs), {});
    const rows = await instanceRows(db, of, parts, { span, readAs, traits, idle });
    await after;
    const parents = new Set(rows.map(({ gpu }) => inventory.instances.get(gpu)?.parent));
    for (const gpu of hours.keys()) if (!meant.has(gpu) && !parents.has(gpu)) hours.delete(gpu);
    const known = rows.filter(({ gpu }) => inventory.instances.has(gpu));
    for (const { gpu, sums } of rows) if (!inventory.instances.has(gpu)) tally.addUnknown(sums.dtUs);
    const { rows: divided, rests } = divideCut(inventory, hours, known, usesPower);
    for (const { row, sliceRatio, energy } of divided) {
      if (sliceRatio === undefined) tally.addUnknown(row.sums.dtUs);
      else {
        const kind = ROW_KINDS[row.cells.number('kind')!]!;
        tally.addInstance(row.cells, kind, sumsBySlices(row.cells, sliceRatio, energy), sliceRatio);
      }
    }
    for (const { gpu, bucketUs, dtUs, energy, isDivided } of rests) {
      const sums = { ...emptySums(), ...energySumsOf(energy, isDivided), attributedUs: dtUs };
      tally.addRest(isDivided ? 'unallocated' : 'cut', sums, { gpu, bucketUs });
    }
  }
}

/** What tells how energy is divided, bucket by bucket within a part of the window. */
function readingsOf(
  parts: readonly CapacityPart[],
  span: Span,
  { levels, finerAtUs }: CutReadAs,
): CutReading[] {
  // Tables that are all read are in each part.
  const [first, ...others] = parts.map(({ tables }) => tables);
  const partly = others.flat().filter(({ kept }) => kept.times !== undefined);
  return [...first!, ...partly].flatMap(({ kept, sm, engine, power, hasEnergy, isTime }) => {
    const columns = new Map([
      ...(sm === undefined ? [] : [['smActive', sm] as const]),
      ...(engine === undefined ? [] : [['engineActive', engine] as const]),
      ...(power === undefined ? [] : [['power', power] as const]),
    ]);
    const reading = { columns, hasEnergy, isPrimary: isTime };
    return placesOf(kept, span, levels, finerAtUs).map((place) => ({ ...reading, ...place }));
  });
}

/** In whole days, so that no bucket is in two of them, and no answer is too large. */
function portionsOf({ fromUs, toUs }: Span, rowsPerDay: number): Span[] {
  const days = Math.max(1, Math.floor(CUT_ROWS_MAX / Math.max(1, rowsPerDay)));
  const portions: Span[] = [];
  for (let atUs = fromUs; atUs < toUs;) {
    const untilUs = Math.min(toUs, (Math.floor(atUs / STEP_US['1d']) + days) * STEP_US['1d']);
    portions.push({ fromUs: atUs, toUs: untilUs });
    atUs = untilUs;
  }
  return portions;
}

/** What the groups had of instances, bucket by bucket. */
async function instanceRows(
  db: Asked,
  of: Membership,
  parts: readonly CapacityPart[],
  {
    span,
    readAs: { levels, finerAtUs },
    traits,
    idle,
  }: {
    readonly span: Span;
    readonly readAs: CutReadAs;
    readonly traits: Traits;
    readonly idle: DeviceIdleLimits;
  },
): Promise<GroupRow[]> {
  const answer: Cells[] = [];
  for (const part of parts) {
    const sources = sourcesOf(part, span, levels, finerAtUs);
    for (const devices of alikeDevices(idle))
      answer.push(...(await askGroups(db, { of, sources, traits, scope: 'instances', devices })));
  }
  const known = (cells: Cells, prefix: 'sm' | 'engine'): BucketSums['smActive'] => ({
    sum: cells.number(`${prefix}_sum`) ?? 0,
    knownUs: cells.number(`${prefix}_us`) ?? 0,
  });
  return answer.map((cells) => ({
    gpu: cells.text('cut_gpu')!,
    bucketUs: cells.number('bucket_us')!,
    sums: {
      ...emptyBucket(),
      dtUs: cells.number('dt_us') ?? 0,
      smActive: known(cells, 'sm'),
      engineActive: known(cells, 'engine'),
    },
    cells,
  }));
}

/** @param energy where it is undefined, that which the instance itself had, if any */
function sumsBySlices(row: Cells, ratio: number, energy: CutEnergy | undefined): Sums {
  const sums = sumsOf(row);
  sums.instanceUs = sums.attributedUs;
  sums.attributedUs *= ratio;
  if (sums.idleUs !== undefined) sums.idleUs *= ratio;
  sums.idleKnownUs *= ratio;
  if (sums.smSum !== undefined) sums.smSum *= ratio;
  sums.smKnownUs *= ratio;
  sums.counterUs *= ratio;
  sums.powerUs *= ratio;
  sums.bestUs *= ratio;
  return energy === undefined ? sums : Object.assign(sums, energySumsOf(energy, true));
}
