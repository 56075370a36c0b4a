import { HOUR } from '../draw/fleet.ts';
import { rowsBetween, Sum, type DeviceLedger, type LedgerRows } from './ledger.ts';

/**
 * What MIG instances have of the energy of their GPU, hour by hour, as docs/reports.md says it: the least power by slices and time,
 * the rest by activity × slices. Nothing here is rounded so that it adds up: the product's is, to the last digit.
 */

/** The part of a GPU that a device is; undefined of an instance whose slices, or those of its GPU, nobody knows. */
export function ratioOf({ device: { instance } }: DeviceLedger): number | undefined {
  if (instance === undefined) return 1;
  return instance.totalSlices === undefined ? undefined : instance.slices / instance.totalSlices;
}

/** Of a GPU beside its instances, over one hour or what of it is asked for. */
interface GpuHour {
  readonly dtUs: number;
  readonly counterJoules: number;
  readonly counterUs: number;
  readonly powerJoules: number;
  readonly powerUs: number;
  readonly leastWatts: number | undefined;
}

/** Σ x·dt and Σ dt where x was known, each by the part that counts. */
interface Known {
  readonly sum: Sum;
  readonly us: Sum;
}

/** What somebody had of one instance in that hour. */
export interface Use {
  readonly instance: DeviceLedger;
  readonly dt: Sum;
  readonly sm: Known;
  readonly engine: Known;
}

export function emptyUse(instance: DeviceLedger): Use {
  const known = (): Known => ({ sum: new Sum(), us: new Sum() });
  return { instance, dt: new Sum(), sm: known(), engine: known() };
}

/** Adds one row of an instance. */
export function addUse(use: Use, rows: LedgerRows, row: number, part: number, isPrimary: boolean): void {
  const partUs = rows.dtUs[row]! * part;
  if (isPrimary) use.dt.add(partUs);
  for (const [known, column] of [
    [use.sm, 'sm_active_ratio'],
    [use.engine, 'gr_engine_active_ratio'],
  ] as const) {
    const x = rows.values.get(column)?.[row] ?? NaN;
    if (Number.isNaN(x)) continue;
    known.sum.add(x * partUs);
    known.us.add(partUs);
  }
}

/** A part of the GPU's energy, by the counter and by the integral of power, each with the time for which it is known. */
export interface CutPart {
  readonly counterJoules: number;
  readonly counterUs: number;
  readonly powerJoules: number;
  readonly powerUs: number;
}

export interface DividedHour {
  /** In the order of the uses; undefined where it could not be divided. */
  readonly parts: readonly CutPart[] | undefined;
  /** Of the slices that no instance has, or all of it where it could not be divided. */
  readonly rest: CutPart;
  /** Time of the GPU that no instance had. */
  readonly restUs: number;
}

/** @param uses of all of its instances by whoever, or what is left would be too much */
export function divideHour(hour: GpuHour, uses: readonly Use[]): DividedHour {
  const ratios = uses.map(({ instance }) => ratioOf(instance));
  const takenUs = uses.map(({ dt }, at) => dt.value * (ratios[at] ?? 0));
  const takenSum = sumOf(takenUs);
  const { counterJoules, counterUs, powerJoules, powerUs, leastWatts } = hour;
  const restUs = Math.max(0, hour.dtUs - takenSum);
  if (ratios.includes(undefined))
    return { parts: undefined, rest: { counterJoules, counterUs, powerJoules, powerUs }, restUs };
  const wholeUs = Math.max(hour.dtUs, takenSum);
  const bySlices = takenUs.map((us) => (wholeUs > 0 ? us / wholeUs : 0));
  const restBySlices = 1 - sumOf(bySlices);
  const active = activeTimes(uses)?.map((us, at) => us * ratios[at]!);
  const activeSum = sumOf(active ?? []);
  const byActivity = active !== undefined && activeSum > 0 ? active.map((us) => us / activeSum) : bySlices;
  const restByActivity = activeSum > 0 ? 0 : restBySlices;
  const partOf = (joules: number, us: number, slices: number, activity: number): number => {
    const floor = leastWatts === undefined ? joules : Math.min((leastWatts * us) / 1e6, joules);
    return floor * slices + (joules - floor) * activity;
  };
  const cutPart = (slices: number, activity: number): CutPart => ({
    counterJoules: partOf(counterJoules, counterUs, slices, activity),
    counterUs: counterUs * slices,
    powerJoules: partOf(powerJoules, powerUs, slices, activity),
    powerUs: powerUs * slices,
  });
  return {
    parts: uses.map((_, at) => cutPart(bySlices[at]!, byActivity[at]!)),
    rest: cutPart(restBySlices, restByActivity),
    restUs,
  };
}

function sumOf(numbers: readonly number[]): number {
  const sum = new Sum();
  for (const each of numbers) sum.add(each);
  return sum.value;
}

/** Activity·dt of each use: SM activity where it is known of all instances, else engine activity; undefined where that is not either. */
function activeTimes(uses: readonly Use[]): number[] | undefined {
  const byInstance = [...Map.groupBy(uses, ({ instance }) => instance).values()];
  const seen = byInstance.filter((own) => own.some(({ dt }) => dt.value > 0));
  const what = (['sm', 'engine'] as const).find((key) =>
    seen.every((own) => sumOf(own.map((use) => use[key].us.value)) > 0),
  );
  if (what === undefined) return undefined;
  return uses.map((use) => {
    // What rounding leaves of it is no time.
    if (use.dt.value <= 0.5) return 0;
    // Over the time in which it is not known the instance's mean of the hour stands for it.
    const own = uses.filter(({ instance }) => instance === use.instance);
    const mean = sumOf(own.map((one) => one[what].sum.value)) / sumOf(own.map((one) => one[what].us.value));
    // Another lane's samples may speak for more time than the use has: it is no less than nothing.
    return Math.max(0, use[what].sum.value + mean * (use.dt.value - use[what].us.value));
  });
}

/** What a GPU had in a stretch of time; undefined where it was not sampled. */
export function gpuHour(
  { lanes }: DeviceLedger,
  fromUs: number,
  toUs: number,
  table: string,
): GpuHour | undefined {
  const [dt, counter, counterUs, power, powerUs] = Array.from({ length: 5 }, () => new Sum());
  let leastWatts: number | undefined;
  let isSampled = false;
  for (const [lane, rows] of lanes) {
    const [first, end] = rowsBetween(rows, fromUs, toUs);
    isSampled ||= end > first;
    for (let row = first; row < end; row += 1) {
      if (lane === table) dt!.add(rows.dtUs[row]!);
      if (!Number.isNaN(rows.rise[row]!)) {
        counter!.add(rows.rise[row]!);
        counterUs!.add(rows.riseDtUs[row]!);
      }
      const watts = rows.values.get('power_watts')?.[row] ?? NaN;
      if (Number.isNaN(watts)) continue;
      power!.add((watts * rows.dtUs[row]!) / 1e6);
      powerUs!.add(rows.dtUs[row]!);
      leastWatts = Math.min(leastWatts ?? Infinity, watts);
    }
  }
  if (!isSampled) return undefined;
  return {
    dtUs: dt!.value,
    counterJoules: counter!.value,
    counterUs: counterUs!.value,
    powerJoules: power!.value,
    powerUs: powerUs!.value,
    leastWatts,
  };
}

/** Whether the counter of a GPU can be believed over all of these hours. */
export function isCounted(hours: readonly (GpuHour | undefined)[]): boolean {
  const sum = (of: (hour: GpuHour) => number): number =>
    sumOf(hours.map((hour) => (hour === undefined ? 0 : of(hour))));
  const joules = sum(({ counterJoules }) => counterJoules);
  const isStuck = joules === 0 && sum(({ powerJoules }) => powerJoules) > 0;
  return sum(({ counterUs }) => counterUs) > 0 && !isStuck;
}

/** Whole hours, the first and the last one only as far as they lie in the time. */
export function hoursBetween(fromUs: number, toUs: number): [fromUs: number, toUs: number][] {
  const hours: [number, number][] = [];
  for (let us = fromUs; us < toUs; us = hours.at(-1)![1])
    hours.push([us, Math.min(toUs, (Math.floor(us / HOUR) + 1) * HOUR)]);
  return hours;
}

/** Parts of the energy of GPUs, added up, and which of them counts. */
export interface CutEnergy {
  readonly counter: Sum;
  readonly counterUs: Sum;
  readonly power: Sum;
  readonly powerUs: Sum;
  readonly best: Sum;
  readonly bestUs: Sum;
  /** What of the best was divided among instances. */
  readonly divided: Sum;
  readonly dividedUs: Sum;
}

export function emptyCutEnergy(): CutEnergy {
  const sum = (): Sum => new Sum();
  return {
    ...{ counter: sum(), counterUs: sum(), power: sum(), powerUs: sum() },
    ...{ best: sum(), bestUs: sum(), divided: sum(), dividedUs: sum() },
  };
}

export function mergeCutEnergy(to: CutEnergy, more: CutEnergy): void {
  for (const key of Object.keys(to) as (keyof CutEnergy)[]) to[key].add(more[key].value);
}

export function addCutPart(
  to: CutEnergy,
  part: CutPart,
  { isCounter, isDivided }: { readonly isCounter: boolean; readonly isDivided: boolean },
): void {
  const { counterUs, powerUs } = part;
  const [joules, us] = isCounter ? [part.counterJoules, counterUs] : [part.powerJoules, powerUs];
  to.counter.add(part.counterJoules);
  to.counterUs.add(counterUs);
  to.power.add(part.powerJoules);
  to.powerUs.add(powerUs);
  to.best.add(joules);
  to.bestUs.add(us);
  if (!isDivided) return;
  to.divided.add(joules);
  to.dividedUs.add(us);
}
