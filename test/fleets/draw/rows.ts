import {
  between,
  HOUR,
  MIN,
  oneOf,
  S,
  type FleetDevice,
  type FleetLane,
  type FleetRows,
  type FleetRun,
  type Random,
} from './fleet.ts';

/** What a lane records, by the names of its columns. */
export interface LanePlan {
  readonly table: string;
  readonly columns: readonly string[];
  /** Intervals of the fastest lane to one of this. */
  readonly times: number;
  /** The configuration was changed: these columns it records only within this time. */
  readonly only?: { readonly columns: readonly string[]; readonly fromUs: number; readonly toUs: number };
}

const PROFILED = [
  'sm_active_ratio',
  'tensor_active_ratio',
  'dram_active_ratio',
  'gr_engine_active_ratio',
  'fp64_active_ratio',
  'fp32_active_ratio',
  'fp16_active_ratio',
];
/** Blank together: profiling is paused, or one sensor does not answer. */
const BLANK_TOGETHER: readonly (readonly string[])[] = [
  PROFILED,
  ['power_watts'],
  ['energy_joules'],
  ['fb_used_bytes'],
  ['power_watts', 'energy_joules'],
];
/** Of MIG instances the driver tells only this. */
const OF_INSTANCES = new Set([...PROFILED, 'fb_used_bytes']);

/** [fromUs, toUs) */
interface Stretch {
  readonly fromUs: number;
  readonly toUs: number;
}

interface Span extends Stretch {
  readonly columns?: readonly string[];
}

interface Ground {
  readonly fromUs: number;
  readonly toUs: number;
  readonly intervalUs: number;
  readonly devices: readonly FleetDevice[];
  readonly runs: readonly FleetRun[];
  readonly random: Random;
}

/** What the devices did and how much of it was answered, in every lane that this fleet has. */
export function drawLanes(plans: readonly LanePlan[], ground: Ground): FleetLane[] {
  const { random, devices } = ground;
  const loads = new Map(devices.map((device) => [device.uuid, loadOf(device, ground)]));
  const silences = new Map(devices.map((device) => [device.uuid, silencesOf(ground)]));
  const pauses = stretchesOf(ground, random() < 0.4 ? between(random, 1, 3) : 0, 2 * HOUR);
  const blanks = new Map(devices.map((device) => [device.uuid, blanksOf(ground)]));
  const counters = new Map(devices.map((device) => [device.uuid, drawCounter(device, ground)]));
  return plans.map(({ table, columns, times, only }): FleetLane => {
    const intervalUs = ground.intervalUs * times;
    const tickCount = Math.floor((ground.toUs - ground.fromUs) / intervalUs);
    const rows = devices.map((device): FleetRows => {
      const { uuid } = device;
      const silent = [...silences.get(uuid)!, ...pauses];
      const [tick, tsUs] = timesOf(ground, { tickCount, intervalUs, silent });
      const values = valuesOf(columns, {
        device,
        tsUs,
        load: loads.get(uuid)!,
        blanks: [...blanks.get(uuid)!, ...outside(only)],
        counter: counters.get(uuid)!,
        random,
      });
      return { gpu: uuid, tick, tsUs, values };
    });
    return { table, columns, intervalUs, rows: rows.map(withoutEmpty), tickCount };
  });
}

/** SM activity of a device at any time. */
type Load = (us: number) => number;

/** Of several jobs the busiest shows; without any the device rests, or, rarely, somebody works there all the same. */
function loadOf(device: FleetDevice, { runs, random }: Ground): Load {
  const stays = runs.flatMap((run) => run.stays).filter(({ gpu }) => gpu === device.uuid);
  const phases = stays.map(({ startUs, endUs }) => phasesOf(startUs, endUs, random));
  const rest = random() < 0.1 ? 0.3 : 0.002;
  return (us) => {
    let level = NaN;
    for (const { fromUs, toUs, at } of phases) {
      if (us <= fromUs || us > toUs) continue;
      const now = at.find(({ untilUs }) => us <= untilUs)?.level ?? 0;
      if (!(level > now)) level = now;
    }
    return Number.isNaN(level) ? rest : level;
  };
}

interface Phase {
  readonly untilUs: number;
  readonly level: number;
}

function phasesOf(fromUs: number, toUs: number, random: Random): Stretch & { readonly at: readonly Phase[] } {
  const how = oneOf(random, ['busy', 'idle', 'mixed', 'tail', 'edge', 'dips'] as const);
  // Between all limits of idleness there are levels.
  const busy = 0.12 + 0.83 * random();
  const levels = {
    busy: [busy],
    idle: [0.001],
    mixed: [busy, 0.03],
    tail: [busy, 0],
    edge: [0.05, busy],
    dips: [busy, 0.01],
  };
  const own = levels[how];
  const lengthUs = toUs - fromUs;
  const steps = {
    ...{ busy: [lengthUs], idle: [lengthUs], tail: [lengthUs / 2], edge: [lengthUs / 2] },
    mixed: [between(random, 3 * MIN, 3 * HOUR)],
    // A regular fall, as that of a job which writes checkpoints.
    dips: dipsOf(lengthUs / between(random, 4, 12)),
  }[how];
  const at: Phase[] = [];
  for (let us = fromUs, number = 0; us < toUs; number += 1) {
    us += steps[number % steps.length]!;
    at.push({ untilUs: us, level: own[number % own.length]! });
  }
  return { fromUs, toUs, at };
}

/** Busy, and a little of the period not. */
function dipsOf(periodUs: number): number[] {
  return [0.9 * periodUs, 0.1 * periodUs];
}

/** A GPU is lost for good, or does not answer for a while. */
function silencesOf(ground: Ground): Stretch[] {
  const { random, fromUs, toUs } = ground;
  const lost = random() < 0.1 ? [{ fromUs: between(random, fromUs + HOUR, toUs), toUs: Infinity }] : [];
  return [...lost, ...stretchesOf(ground, random() < 0.3 ? between(random, 1, 3) : 0, HOUR)];
}

function blanksOf(ground: Ground): Span[] {
  const { random } = ground;
  const count = random() < 0.4 ? between(random, 1, 4) : 0;
  const spans = stretchesOf(ground, count, 4 * HOUR).map((stretch): Span => ({
    ...stretch,
    columns: oneOf(random, BLANK_TOGETHER),
  }));
  // A sensor that never answers.
  if (random() < 0.08) spans.push({ fromUs: 0, toUs: Infinity, columns: oneOf(random, BLANK_TOGETHER) });
  return spans;
}

function outside(only: LanePlan['only']): Span[] {
  if (only === undefined) return [];
  const { columns, fromUs, toUs } = only;
  return [
    { fromUs: 0, toUs: fromUs, columns },
    { fromUs: toUs, toUs: Infinity, columns },
  ];
}

function stretchesOf({ random, fromUs, toUs }: Ground, count: number, longestUs: number): Stretch[] {
  return Array.from({ length: count }, () => {
    const startUs = between(random, fromUs, toUs);
    return { fromUs: startUs, toUs: startUs + between(random, S, longestUs) };
  });
}

/** A counter may stand still from some moment on, and may be reset. */
interface Counter {
  readonly stuckFromUs: number;
  readonly resetUs: number;
  readonly beginsAt: number;
}

function drawCounter({ hasCounter }: FleetDevice, { random, fromUs, toUs }: Ground): Counter | undefined {
  if (!hasCounter) return undefined;
  const how = random();
  return {
    stuckFromUs: how < 0.08 ? 0 : how < 0.16 ? between(random, fromUs, toUs) : Infinity,
    resetUs: how > 0.9 ? between(random, fromUs, toUs) : Infinity,
    beginsAt: between(random, 0, 1e9),
  };
}

/** A device answers a little after the tick, some late ticks leave the next one out. */
function timesOf(
  { random, fromUs }: Ground,
  lane: { readonly tickCount: number; readonly intervalUs: number; readonly silent: readonly Stretch[] },
): [Int32Array, Float64Array] {
  const { tickCount, intervalUs, silent } = lane;
  const ticks: number[] = [];
  const times: number[] = [];
  for (let tick = 0; tick < tickCount; tick += 1) {
    const us = fromUs + tick * intervalUs + between(random, 0, intervalUs / 50);
    if (random() < 0.002 || silent.some((stretch) => stretch.fromUs <= us && us < stretch.toUs)) continue;
    ticks.push(tick);
    times.push(us);
  }
  return [Int32Array.from(ticks), Float64Array.from(times)];
}

interface Answering {
  readonly device: FleetDevice;
  readonly tsUs: Float64Array;
  readonly load: Load;
  readonly blanks: readonly Span[];
  readonly counter: Counter | undefined;
  readonly random: Random;
}

function valuesOf(columns: readonly string[], answering: Answering): Map<string, Float64Array> {
  const { device, tsUs, load, blanks, counter, random } = answering;
  const values = new Map(columns.map((column) => [column, new Float64Array(tsUs.length).fill(NaN)]));
  const [noise, memory] = [random() * 0.04, random()];
  let joules = counter?.beginsAt ?? NaN;
  for (let row = 0; row < tsUs.length; row += 1) {
    const us = tsUs[row]!;
    const level = load(us);
    const isExact = level <= 0.05;
    const sm = isExact ? level : rounded(Math.min(1, level + noise * (random() - 0.5)));
    const watts = rounded(device.idleWatts + sm * (device.fullWatts - device.idleWatts) + random());
    if (row > 0 && counter !== undefined && us < counter.stuckFromUs)
      joules += (watts * (us - tsUs[row - 1]!)) / 1e6;
    if (row > 0 && counter !== undefined && tsUs[row - 1]! < counter.resetUs && counter.resetUs <= us)
      joules = 0;
    const now: Readonly<Record<string, number>> = {
      sm_active_ratio: sm,
      tensor_active_ratio: rounded(sm * 0.6),
      dram_active_ratio: rounded(sm * 0.4 + 0.01 * random()),
      gr_engine_active_ratio: rounded(Math.min(1, sm * 1.2)),
      fp64_active_ratio: rounded(sm * 0.05),
      fp32_active_ratio: rounded(sm * 0.3 + 0.001),
      // Not every device has it.
      fp16_active_ratio: device.index % 2 === 0 ? rounded(sm * 0.1) : NaN,
      gpu_util_ratio: Math.round(sm * 100) / 100,
      power_watts: watts,
      energy_joules: Math.round(joules * 1000) / 1000,
      fb_used_bytes: Math.floor(device.memoryBytes * (sm > 0.05 ? 0.2 + 0.75 * memory : 0.01)),
    };
    for (const [column, cells] of values) {
      if (device.instance !== undefined && !OF_INSTANCES.has(column)) continue;
      cells[row] = isBlank(column, us, blanks) ? NaN : now[column]!;
    }
  }
  return values;
}

function isBlank(column: string, us: number, blanks: readonly Span[]): boolean {
  return blanks.some(({ fromUs, toUs, columns }) => fromUs <= us && us < toUs && columns!.includes(column));
}

function rounded(x: number): number {
  return Math.round(x * 1e6) / 1e6;
}

/** No source gives a row in which nothing is known. */
function withoutEmpty({ gpu, tick, tsUs, values }: FleetRows): FleetRows {
  const kept = [...tsUs.keys()].filter((row) =>
    [...values.values()].some((cells) => !Number.isNaN(cells[row]!)),
  );
  if (kept.length === tsUs.length) return { gpu, tick, tsUs, values };
  return {
    gpu,
    tick: Int32Array.from(kept, (row) => tick[row]!),
    tsUs: Float64Array.from(kept, (row) => tsUs[row]!),
    values: new Map(
      [...values].map(([column, cells]) => [column, Float64Array.from(kept, (row) => cells[row]!)]),
    ),
  };
}
