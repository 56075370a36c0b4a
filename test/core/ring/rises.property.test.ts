import { expect, test } from 'vitest';
import { PulledRows } from '../../../src/core/ring/pulled-rows.ts';
import { Ring } from '../../../src/core/ring/ring.ts';
import type { RowBefore } from '../../../src/core/ring/row-carry.ts';
import { SeriesJoin } from '../../../src/core/sampling/series-to-ticks.ts';
import type { TickWriter } from '../../../src/core/ring/ring.ts';

/**
 * A minute of eight GPUs at 100 ms, whose counter is not due at every tick, with restarts and gaps: through the ring as an embedded
 * engine fills it, through the join into the ring, and through the join into what a drain pulls.
 */
const DEVICES = 8;
const INTERVAL_US = 100_000;
const TICKS = 600;
const START_US = 1_800_000_000_000_000;
const FAR_US = START_US + 3600e6;
/** Ticks that nobody saw. */
const GAPS = [
  [150, 163],
  [400, 441],
] as const;
const LIVES = 21;
const SHAPE = { deviceCount: DEVICES, columnCount: 2, intervalUs: INTERVAL_US, energyColumn: 1 };

/** Rows of one life: what the store would have of them. */
interface Life {
  readonly rows: Told[];
  readonly ends: readonly RowBefore[];
}

interface Told {
  readonly device: number;
  readonly tsUs: number;
  readonly dtUs: number;
  readonly rise: number;
  readonly riseDtUs: number;
  readonly energy: number;
}

type Sample = readonly [device: number, field: number, tsUs: number, value: number];

function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** The samples of one tick: power always, the counter when it is due. Whole joules, so that sums are exact. */
function samplesOf(tick: number, random: () => number): Sample[] {
  if (GAPS.some(([from, to]) => tick >= from && tick < to)) return [];
  return Array.from({ length: DEVICES }, (_, device): Sample[] => {
    const tsUs = START_US + tick * INTERVAL_US + Math.floor(random() * 9_000);
    const power: Sample = [device, 0, tsUs, 500];
    const energy: Sample = [device, 1, tsUs + Math.floor(random() * 40_000), 1_000 * device + 50 * tick];
    return random() < 0.3 ? [power] : [power, energy];
  }).flat();
}

function ringOf(before: readonly RowBefore[] | undefined): Ring {
  const ring = new Ring({ ...SHAPE, capacityTicks: TICKS });
  before?.forEach((row, device) => {
    ring.carry.continueFrom(device, row);
  });
  return ring;
}

function lifeOf(ring: Ring): Life {
  const rows: Told[] = [];
  ring.peek(TICKS, ({ from, to }) => {
    for (let tick = from; tick < to; tick += 1) {
      for (let device = 0; device < DEVICES; device += 1) {
        const at = ring.baseOf(tick) + device;
        if (Number.isNaN(ring.tsUs[at]!)) continue;
        const [rise, riseDtUs] = [ring.energyRise[at]!, ring.energyRiseDtUs[at]!];
        rows.push({
          ...{ device, tsUs: ring.tsUs[at]!, dtUs: ring.dtUs[at]!, rise, riseDtUs },
          energy: ring.columns[1]![at]!,
        });
      }
    }
    return to - from;
  });
  return { rows, ends: Array.from({ length: DEVICES }, (_, device) => ring.carry.before(device)) };
}

/** As an embedded engine writes its ticks. */
function sampled(ticks: readonly (readonly Sample[])[], before: readonly RowBefore[] | undefined): Life {
  const ring = ringOf(before);
  for (const samples of ticks) {
    ring.reserve();
    for (const [device, field, tsUs, value] of samples) {
      if (field === 0) ring.setRow(device, tsUs);
      ring.set(device, field, value);
    }
    ring.commit();
  }
  return lifeOf(ring);
}

function joinInto(
  ticks: readonly (readonly Sample[])[],
  before: readonly RowBefore[] | undefined,
  sink: TickWriter,
): void {
  const join = new SeriesJoin(
    {
      ...{ deviceCount: DEVICES, fieldCount: 2, intervalUs: INTERVAL_US, minSpacingUs: INTERVAL_US / 2 },
      anchorOrder: [0, 1],
    },
    { onGap: () => undefined },
  );
  for (const samples of ticks)
    for (const [device, field, tsUs, value] of samples) join.push(device, field, tsUs, value, FAR_US);
  before?.forEach(({ tsUs }, device) => {
    join.resumeAfter(device, tsUs);
  });
  join.emit(Infinity, sink);
}

function joined(ticks: readonly (readonly Sample[])[], before: readonly RowBefore[] | undefined): Life {
  const ring = ringOf(before);
  ring.reserve();
  joinInto(ticks, before, ring);
  ring.commit();
  return lifeOf(ring);
}

function pulled(ticks: readonly (readonly Sample[])[], before: readonly RowBefore[] | undefined): Life {
  const pulledRows = new PulledRows(SHAPE);
  before?.forEach((row, device) => {
    pulledRows.continueFrom(device, row);
  });
  joinInto(ticks, before, pulledRows);
  pulledRows.finish();
  const rows = Array.from({ length: pulledRows.count }, (_, row): Told => ({
    ...{ device: pulledRows.deviceOf(row), tsUs: pulledRows.tsUs[row]!, dtUs: pulledRows.dtUs[row]! },
    ...{ rise: pulledRows.energyRise[row]!, riseDtUs: pulledRows.energyRiseDtUs[row]! },
    energy: pulledRows.columns[1]![row]!,
  }));
  // As the store tells it: the newest row, the newest reading, and what was seen since.
  const ends = Array.from({ length: DEVICES }, (_, device): RowBefore => {
    const own = rows.filter((row) => row.device === device);
    const reading = own.findLastIndex(({ energy }) => !Number.isNaN(energy));
    const last = before?.[device] ?? { tsUs: NaN, energyJoules: NaN, energyTsUs: NaN, seenUs: NaN };
    const tsUs = own.at(-1)?.tsUs ?? last.tsUs;
    const seen = own.slice(reading + 1).reduce((sum, { dtUs }) => sum + dtUs, 0);
    if (reading < 0) return { ...last, tsUs, seenUs: last.seenUs + seen };
    return { tsUs, energyJoules: own[reading]!.energy, energyTsUs: own[reading]!.tsUs, seenUs: seen };
  });
  return { rows, ends };
}

test.each([
  { by: 'the ring', live: sampled },
  { by: 'the join and the ring', live: joined },
  { by: 'the join and a pull', live: pulled },
])('the rises are what the counter rose, and dt what was seen, by $by', ({ live }) => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const random = createRandom(seed);
    const ticks = Array.from({ length: TICKS }, (_, tick) => samplesOf(tick, random));
    const borders = Array.from({ length: LIVES - 1 }, () => 1 + Math.floor(random() * (TICKS - 1)));
    const cuts = [0, ...borders.sort((a, b) => a - b), TICKS];
    const rows: Told[] = [];
    let before: readonly RowBefore[] | undefined;
    for (let life = 0; life < LIVES; life += 1) {
      const made = live(ticks.slice(cuts[life], cuts[life + 1]), before);
      rows.push(...made.rows);
      before = made.ends;
    }
    for (let device = 0; device < DEVICES; device += 1) {
      const own = rows.filter((row) => row.device === device);
      const sum = (of: (row: Told) => number): number =>
        own.reduce((total, row) => total + (Number.isNaN(of(row)) ? 0 : of(row)), 0);
      const readings = own.filter(({ energy }) => !Number.isNaN(energy));
      expect(sum(({ rise }) => rise)).toBe(readings.at(-1)!.energy - readings[0]!.energy);
      const steps = own.slice(1).map(({ tsUs }, index) => tsUs - own[index]!.tsUs);
      const gaps = steps.filter((stepUs) => stepUs > 2.5 * INTERVAL_US);
      expect(gaps.length).toBe(GAPS.length);
      const gapUs = gaps.reduce((total, stepUs) => total + stepUs, 0);
      expect(sum(({ dtUs }) => dtUs) + gapUs).toBe(own.at(-1)!.tsUs - own[0]!.tsUs);
      // Of seen time: 500 W, whatever was not due, and no more time than was seen.
      const seen = own.filter(({ dtUs, riseDtUs }) => dtUs > 0 && riseDtUs > 0);
      const [seenUs, seenJoules] = seen.reduce(
        ([us, joules], { rise, riseDtUs }) => [us + riseDtUs, joules + rise],
        [0, 0],
      );
      expect(seenUs).toBeLessThanOrEqual(sum(({ dtUs }) => dtUs));
      expect(Math.abs((seenJoules / seenUs) * 1e6 - 500)).toBeLessThan(3);
      expect(seenUs).toBeGreaterThan(0.98 * sum(({ dtUs }) => dtUs));
    }
  }
});
