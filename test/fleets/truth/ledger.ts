import type { Fleet, FleetDevice, FleetLane, FleetRun, FleetStay } from '../draw/fleet.ts';

/**
 * Whose every sample was and what it speaks for, by straight loops over rows and stays. The rules are written again here on
 * purpose: an oracle that shared the product's code would share its mistakes.
 */

/** How a part of a device was found. */
export type Way = 'whole' | 'stated' | 'equal';

interface Part {
  readonly stay: FleetStay;
  readonly run: FleetRun;
  /** In [0, 1]. */
  readonly part: number;
  readonly way: Way;
  readonly isScaled: boolean;
}

/** The owners of a device at one moment. */
export interface Owners {
  readonly parts: readonly Part[];
  /** Of the device, what no part covers. */
  readonly rest: number;
}

/**
 * All rows of one device in one lane. A value counts in one lane only at a moment: that of the shortest interval among those whose
 * first and last known value of the device lie around that moment; in the others it is NaN here.
 */
export interface LedgerRows {
  readonly tsUs: Float64Array;
  readonly dtUs: Float64Array;
  /** Rise of the energy counter over seen time, joules, and that time; NaN and 0 where it is not known. */
  readonly rise: Float64Array;
  readonly riseDtUs: Float64Array;
  readonly values: ReadonlyMap<string, Float64Array>;
  readonly owners: readonly Owners[];
  /** Whether SM activity is read in a faster lane at the time of a row. */
  readonly isSmTaken: (row: number) => boolean;
  /** When SM activity is read in this lane. */
  readonly smTimes: readonly Time[];
}

/** fromUs ≤ t < toUs. */
interface Time {
  readonly fromUs: number;
  readonly toUs: number;
}

export interface DeviceLedger {
  readonly device: FleetDevice;
  readonly fleet: Fleet;
  readonly stays: readonly FleetStay[];
  /** By table. */
  readonly lanes: ReadonlyMap<string, LedgerRows>;
  /** First and last moment at which somebody saw it, in any lane or in the inventory. */
  readonly firstSignUs: number;
  readonly lastSignUs: number;
}

/** A step longer than so many intervals is a gap, and dt is 0. */
const GAP_INTERVALS = 2.5;
/** What thirds of a device may add up to beyond 1. */
const ROUNDING_MAX = 1e-9;

/** The bucket that is left of a moment; undefined where samples are. */
type BucketAt = (table: string, us: number) => { readonly fromUs: number; readonly toUs: number } | undefined;

/** @param bucketAt of samples that have aged out only the bucket is known in which a lane began, or ended, to know a column */
export function ledgersOf(fleet: Fleet, bucketAt: BucketAt = () => undefined): DeviceLedger[] {
  return fleet.devices.map((device, place) => {
    const stays = fleet.runs.flatMap((run) => run.stays).filter(({ gpu }) => gpu === device.uuid);
    const byInterval = fleet.lanes.toSorted((a, b) => a.intervalUs - b.intervalUs);
    const lanes = new Map(
      oncePerMoment(
        byInterval.map((lane) => [lane.table, rowsOf(lane, place, stays)]),
        bucketAt,
      ),
    );
    const signs = [
      ...fleet.sightings.filter((one) => one.device === device).map(({ tsUs }) => tsUs),
      ...[...lanes.values()].flatMap(({ tsUs }) => (tsUs.length === 0 ? [] : [tsUs[0]!, tsUs.at(-1)!])),
    ];
    return {
      device,
      fleet,
      stays,
      lanes,
      firstSignUs: Math.min(...signs),
      lastSignUs: Math.max(...signs),
    };
  });
}

function rowsOf({ rows, intervalUs }: FleetLane, place: number, stays: readonly FleetStay[]): LedgerRows {
  const { tsUs, values } = rows[place]!;
  const joules = values.get('energy_joules');
  const dtUs = new Float64Array(tsUs.length);
  const rise = new Float64Array(tsUs.length).fill(NaN);
  const riseDtUs = new Float64Array(tsUs.length);
  /** Row of the last reading, as long as all of the time since was seen. */
  let readingAt = joules !== undefined && joules[0]! >= 0 ? 0 : -1;
  for (let row = 1; row < tsUs.length; row += 1) {
    const stepUs = tsUs[row]! - tsUs[row - 1]!;
    const isSeen = stepUs > 0 && stepUs <= GAP_INTERVALS * intervalUs;
    if (isSeen) dtUs[row] = stepUs;
    else readingAt = -1;
    if (joules === undefined || Number.isNaN(joules[row]!)) continue;
    if (readingAt >= 0 && joules[row]! >= joules[readingAt]!) {
      rise[row] = joules[row]! - joules[readingAt]!;
      riseDtUs[row] = tsUs[row]! - tsUs[readingAt]!;
    }
    readingAt = row;
  }
  const untaken = { isSmTaken: () => false, smTimes: [] };
  return { tsUs, dtUs, rise, riseDtUs, values, owners: ownersOf(tsUs, stays), ...untaken };
}

/** @param lanes the fastest first */
function oncePerMoment(
  lanes: readonly (readonly [table: string, rows: LedgerRows])[],
  bucketAt: BucketAt,
): (readonly [string, LedgerRows])[] {
  /** By column, of the faster lanes: from the first to the last time at which they know it. */
  const taken = new Map<string, Time[]>();
  return lanes.map(([table, rows]) => {
    const { tsUs } = rows;
    const isTaken = (column: string, row: number): boolean =>
      (taken.get(column) ?? []).some(({ fromUs, toUs }) => fromUs <= tsUs[row]! && tsUs[row]! < toUs);
    const smRows = new Set([...tsUs.keys()].filter((row) => isTaken('sm_active_ratio', row)));
    const isSmTaken = (row: number): boolean => smRows.has(row);
    const values = new Map(
      [...rows.values].map(([column, cells]) => [
        column,
        cells.map((x, row) => (isTaken(column, row) ? NaN : x)),
      ]),
    );
    const rise = rows.rise.map((joules, row) => (isTaken('energy_joules', row) ? NaN : joules));
    const riseDtUs = rows.riseDtUs.map((us, row) => (isTaken('energy_joules', row) ? 0 : us));
    const smTimes: Time[] = [];
    for (const [column, cells] of rows.values) {
      const known = [...cells.keys()].filter((row) => !Number.isNaN(cells[row]!));
      if (known.length === 0) continue;
      const [first, last] = [tsUs[known[0]!]!, tsUs[known.at(-1)!]!];
      const time = {
        fromUs: bucketAt(table, first)?.fromUs ?? first,
        toUs: bucketAt(table, last)?.toUs ?? last + 1,
      };
      const others = taken.get(column) ?? [];
      if (column === 'sm_active_ratio') smTimes.push(...without(time, others));
      taken.set(column, [...others, time]);
    }
    return [table, { ...rows, values, rise, riseDtUs, isSmTaken, smTimes }];
  });
}

/** What of a time lies in none of the others. */
function without(time: Time, others: readonly Time[]): Time[] {
  return others.reduce<Time[]>(
    (left, other) =>
      left.flatMap(({ fromUs, toUs }) =>
        [
          { fromUs, toUs: Math.min(toUs, other.fromUs) },
          { fromUs: Math.max(fromUs, other.toUs), toUs },
        ].filter((one) => one.toUs > one.fromUs),
      ),
    [time],
  );
}

/** The owners at each of these times. */
function ownersOf(tsUs: Float64Array, stays: readonly FleetStay[]): Owners[] {
  let before: { readonly live: readonly FleetStay[]; readonly owners: Owners } | undefined;
  return Array.from(tsUs, (us) => {
    const live = stays.filter((stay) => isWithin(stay, us));
    if (
      before === undefined ||
      live.length !== before.live.length ||
      live.some((stay, at) => stay !== before!.live[at])
    )
      before = { live, owners: divided(live) };
    return before.owners;
  });
}

/** A sample belongs whole to every job with start < ts ≤ end. */
export function isWithin({ startUs, endUs }: Pick<FleetStay, 'startUs' | 'endUs'>, us: number): boolean {
  return startUs < us && us <= endUs;
}

/** Told shares first, made smaller where they are more than the device; the others have equal parts of what is left. */
export function divided(live: readonly FleetStay[]): Owners {
  const told = live.filter(({ share }) => !Number.isNaN(share));
  const untold = live.length - told.length;
  const sum = told
    .map(({ share }) => share)
    .sort((a, b) => a - b)
    .reduce((total, share) => total + share, 0);
  const isTooMuch = sum > 1 + ROUNDING_MAX;
  const left = Math.max(0, 1 - sum);
  const parts = live.map((stay): Part => {
    const { share, run } = stay;
    if (Number.isNaN(share)) {
      const way = live.length === 1 ? 'whole' : 'equal';
      return { stay, run, part: left / untold, way, isScaled: false };
    }
    const part = isTooMuch ? share / sum : share;
    return { stay, run, part, way: part === 1 ? 'whole' : 'stated', isScaled: isTooMuch };
  });
  const rest = live.length === 0 || untold > 0 ? 0 : 1 - parts.reduce((total, { part }) => total + part, 0);
  return { parts, rest: Math.abs(rest) < 1e-12 ? 0 : rest };
}

/** Adds without losing what a large sum would swallow (Neumaier). */
export class Sum {
  #sum = 0;
  #lost = 0;

  add(term: number): void {
    const next = this.#sum + term;
    this.#lost += Math.abs(this.#sum) >= Math.abs(term) ? this.#sum - next + term : term - next + this.#sum;
    this.#sum = next;
  }

  get value(): number {
    return this.#sum + this.#lost;
  }
}

/** Positions of the rows with from ≤ ts < to. */
export function rowsBetween({ tsUs }: LedgerRows, fromUs: number, toUs: number): [number, number] {
  return [firstAtOrAfter(tsUs, fromUs), firstAtOrAfter(tsUs, toUs)];
}

function firstAtOrAfter(tsUs: Float64Array, us: number): number {
  let [low, high] = [0, tsUs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tsUs[middle]! < us) low = middle + 1;
    else high = middle;
  }
  return low;
}
