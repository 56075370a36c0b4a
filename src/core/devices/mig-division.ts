/** What a GPU that is cut into MIG instances had in one hour. */
export interface CutHour {
  /** Over `knownUs`, 0 or more. */
  readonly joules: number;
  /** The time for which the energy is known, µs. */
  readonly knownUs: number;
  /** The least power that was seen; undefined where power was not sampled. */
  readonly powerMinWatts: number | undefined;
  /** Σ dt of its samples, µs. */
  readonly sampledUs: number;
  /** Compute slices of the whole GPU, 1 or more. */
  readonly slices: number;
}

/** Σ x·dt and Σ dt where x was known, µs. */
export interface KnownSum {
  readonly sum: number;
  readonly knownUs: number;
}

/** What one instance had in that hour for one owner. */
export interface InstanceRow {
  /** Compute slices of the instance, 1 or more. */
  readonly slices: number;
  /** Σ dt·part, µs. */
  readonly dtUs: number;
  /** Activities, each of the instance's own slices; undefined where they were not sampled. */
  readonly smActive: KnownSum | undefined;
  readonly engineActive: KnownSum | undefined;
}

/** A part of the GPU's energy, and of the time for which that is known. */
export interface EnergyPart {
  readonly joules: number;
  readonly knownUs: number;
}

export interface DividedHour {
  /** In the order of the rows. */
  readonly rows: readonly EnergyPart[];
  /** Of the slices that no instance has. */
  readonly unallocated: EnergyPart;
}

/**
 * Divides the energy of a cut GPU among its instances and what they leave over. The floor, least power × known time, goes by
 * slices and time: what a GPU draws at rest is everybody's. The rest goes by slices × activity. Where an activity is not
 * known, or all are 0, the rest goes as the floor does; where the least power is not known all of it does.
 *
 * The joules add up to those of the GPU exactly, in any order: each part is a whole multiple of the last binary digit of the
 * whole, and the largest part takes what the rounding leaves.
 */
export function divideCutHour(hour: CutHour, rows: readonly InstanceRow[]): DividedHour {
  if (hour.joules === 0 && hour.knownUs === 0) return { rows: rows.map(() => NOTHING), unallocated: NOTHING };
  const taken = rows.map(({ slices, dtUs }) => slices * dtUs);
  const takenSum = taken.reduce((sum, each) => sum + each, 0);
  // Instances may have been seen while their GPU was not.
  const whole = Math.max(hour.slices * hour.sampledUs, takenSum);
  const bySlices = [...taken, whole - takenSum].map((each) => (whole > 0 ? each / whole : 0));
  if (whole <= 0) bySlices[rows.length] = 1;
  const active = activeTimes(rows)?.map((us, index) => us * rows[index]!.slices);
  const activeSum = active?.reduce((sum, each) => sum + each, 0) ?? 0;
  const byActivity =
    active !== undefined && activeSum > 0 ? [...active.map((each) => each / activeSum), 0] : bySlices;
  const floor = floorOf(hour);
  const joules = addingUpTo(
    hour.joules,
    bySlices.map((ratio, index) => floor * ratio + (hour.joules - floor) * byActivity[index]!),
  );
  const parts = bySlices.map((ratio, index) => ({ joules: joules[index]!, knownUs: hour.knownUs * ratio }));
  return { rows: parts.slice(0, -1), unallocated: parts.at(-1)! };
}

const NOTHING: EnergyPart = { joules: 0, knownUs: 0 };

/** What the GPU drew whether or not anything was computed, J. */
function floorOf({ joules, knownUs, powerMinWatts }: CutHour): number {
  if (powerMinWatts === undefined) return joules;
  return Math.min(Math.max(0, (powerMinWatts * knownUs) / 1e6), joules);
}

/**
 * Activity × dt of each row: SM activity where all rows have it, else engine activity where all have that. Over a time that is
 * known in part the mean of the known time stands for all of it.
 */
function activeTimes(rows: readonly InstanceRow[]): number[] | undefined {
  for (const key of ['smActive', 'engineActive'] as const) {
    const times = rows.map((row) => activeTimeOf(row.dtUs, row[key]));
    if (times.every((us) => us !== undefined)) return times;
  }
  return undefined;
}

function activeTimeOf(dtUs: number, known: KnownSum | undefined): number | undefined {
  if (dtUs === 0) return 0;
  if (known === undefined || known.knownUs <= 0) return undefined;
  return Math.max(0, known.sum / known.knownUs) * dtUs;
}

/** The parts, each to a whole multiple of the sum's last digit, the largest one such that all add up to the sum exactly. */
function addingUpTo(sum: number, parts: readonly number[]): number[] {
  const digit = lastDigitOf(sum);
  const rounded = parts.map((part) => Math.floor(part / digit) * digit);
  const largest = rounded.indexOf(Math.max(...rounded));
  rounded[largest] = 0;
  rounded[largest] = sum - rounded.reduce((all, each) => all + each, 0);
  return rounded;
}

const BITS = new DataView(new ArrayBuffer(8));

/** The worth of the last of a number's 53 binary digits. */
function lastDigitOf(value: number): number {
  BITS.setFloat64(0, value);
  const exponent = (BITS.getUint32(0) >>> 20) & 0x7ff;
  return 2 ** (Math.max(1, exponent) - 1075);
}
