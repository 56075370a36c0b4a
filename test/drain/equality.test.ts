import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEncoder } from '../../src/core/wire/encode.ts';
import { energyColumnOf } from '../../src/core/fields/lane.ts';
import { UNOWNED } from '../../src/core/jobs/label.ts';
import type { PulledRows } from '../../src/core/ring/pulled-rows.ts';
import type { RowBefore } from '../../src/core/ring/row-carry.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import type { SampledLane, Source } from '../../src/core/sampling/source.ts';
import { openDcgmSource } from '../../src/source/dcgm/dcgm.ts';
import { openKeptSource } from '../../src/source/dcgm/kept-source.ts';
import { loadFake } from '../helpers/fakes.ts';
import { FORTY_FIELDS, laneOf } from '../helpers/lanes.ts';

/** The rows of `drain` and those of the resident collector, from one engine over the same minutes. */

const fake = loadFake('dcgm');
const START = 1_800_000_000_000_000;
const SECOND = 1_000_000;
const ENGINE = 'unix:///run/engine';
const LANES: readonly SampledLane[] = [
  laneOf(0, 'profiling', 1_000, FORTY_FIELDS),
  laneOf(1, 'fast', 200, [1002, 1004, 155, 156]),
  // Shares its fields with the lanes above, which are watched faster: every n-th sample.
  laneOf(2, 'slow', 10_000, [155, 156, 150, 1002]),
];

/** The watermarks, as the store would have them. */
const newest = LANES.map(() => new Map<string, RowBefore>());
let resident: Source | undefined;
beforeEach(() => {
  for (const rows of newest) rows.clear();
  fake.reset();
  fake.set('clock_us', START);
  fake.set('store_delay_us', 3_000);
  fake.set('phase_us', 1_700);
  fake.set('spread_us', 20);
});
afterEach(() => {
  resident?.close();
  resident = undefined;
});

function encoderOf(lane: SampledLane, source: Pick<Source, 'devices'>) {
  return createEncoder({
    table: `gpu_${lane.name}`,
    devices: source.devices,
    columns: lane.fields.map(({ column }) => column),
    hasEnergyRise: energyColumnOf(lane) >= 0,
  });
}

/** Rows of the wire, as latin-1 text, so that every byte counts. */
function linesOf(body: Uint8Array): string[] {
  const text = Buffer.from(body).toString('latin1');
  const table = /^[^,]+/.exec(text)?.[0] ?? '';
  return text === '' ? [] : text.split(new RegExp(`(?<=t\n)(?=${table},)`));
}

/** What the resident collector sends of each lane within so many seconds. @param each called at every second */
function collect(seconds: number, each: (second: number) => void): string[][] {
  const source = openDcgmSource({
    node: 'n1',
    lanes: LANES,
    library: fake.path,
    engine: ENGINE,
    route: 'pull',
    flushIntervalMs: 15_000,
    openedUs: START,
    onEvent: () => undefined,
  });
  resident = source;
  const rings = LANES.map(
    (lane) =>
      new Ring({
        capacityTicks: 4_000,
        deviceCount: source.devices.length,
        columnCount: lane.fields.length,
        intervalUs: lane.intervalMs * 1000,
        energyColumn: energyColumnOf(lane),
      }),
  );
  const call = (of: (lane: SampledLane, ring: Ring) => void): void => {
    for (const [index, ring] of rings.entries()) {
      ring.reserve();
      of(LANES[index]!, ring);
      if (ring.isReserved) ring.commit();
    }
  };
  for (let second = 0; second <= seconds; second += 1) {
    fake.set('clock_us', START + second * SECOND);
    call((lane, ring) => {
      source.sample(lane, ring, START + second * SECOND);
    });
    each(second);
  }
  return rings.map((ring, index) => {
    const lines: string[] = [];
    ring.peek(ring.heldTicks, (range) => {
      const { body, ticks } = encoderOf(LANES[index]!, source).encode(ring, range, () => UNOWNED, 1 << 28);
      lines.push(...linesOf(body));
      return ticks;
    });
    return lines;
  });
}

/** What one drain sends of each lane now; the watermark goes along as the store would have it. */
function drainNow(): string[][] {
  const kept = openKeptSource(fake.path).open(ENGINE, 'n1', { lanes: LANES, keepS: 600 }, () => undefined);
  const pulled = kept.pull({ before: newest, sinceUs: 0, eventsSinceUs: 0, throttled: [] });
  const lines = LANES.map((lane, index) => {
    const { rows, gaps } = pulled.lanes[index]!;
    expect(gaps).toEqual([]);
    remember(rows, kept.devices, newest[index]!, energyColumnOf(lane));
    return linesOf(
      encoderOf(lane, kept).encodeRows(
        rows,
        rows.count,
        (row) => rows.deviceOf(row),
        () => UNOWNED,
      ),
    );
  });
  kept.close();
  return lines;
}

function remember(
  rows: PulledRows,
  devices: readonly { readonly uuid: string }[],
  into: Map<string, RowBefore>,
  energyColumn: number,
): void {
  for (let row = 0; row < rows.count; row += 1) {
    const { uuid } = devices[rows.deviceOf(row)]!;
    const tsUs = rows.tsUs[row]!;
    const energyJoules = rows.columns[energyColumn]?.[row] ?? NaN;
    const before = into.get(uuid) ?? { energyJoules: NaN, energyTsUs: NaN, seenUs: NaN };
    const reading = Number.isNaN(energyJoules)
      ? { ...before, seenUs: before.seenUs + rows.dtUs[row]! }
      : { energyJoules, energyTsUs: tsUs, seenUs: 0 };
    into.set(uuid, { ...reading, tsUs });
  }
}

describe('drain and the resident collector', () => {
  it('send the same bytes, row by row, although one is asked now and then only', () => {
    const drained = LANES.map(() => [] as string[]);
    const collected = collect(130, (second) => {
      if (![3, 21, 22, 60, 119, 130].includes(second)) return;
      drainNow().forEach((lines, index) => drained[index]!.push(...lines));
    });
    for (const [index, lane] of LANES.entries()) {
      const sent = new Set(drained[index]);
      expect(sent.size).toBe(drained[index]!.length);
      const missing = collected[index]!.filter((line) => !sent.has(line));
      expect({ lane: lane.name, missing: missing.length }).toEqual({ lane: lane.name, missing: 0 });
      expect(collected[index]!.length).toBeGreaterThan(lane.name === 'slow' ? 70 : 800);
    }
  });

  it('send the same rows when a drain goes on after the collector', () => {
    collect(60, () => undefined);
    drainNow();
    // What both are to say of the minute that follows, told once by small drains and once by one that looks back.
    const small: string[] = [];
    const before = newest.map((rows) => new Map(rows));
    for (const after of [5, 10, 15.5, 30, 50]) {
      fake.set('clock_us', START + Math.round((60 + after) * SECOND));
      small.push(...drainNow().flat());
    }
    before.forEach((rows, index) => {
      newest[index]!.clear();
      for (const [gpu, row] of rows) newest[index]!.set(gpu, row);
    });
    expect(small.length).toBeGreaterThan(2_000);
    const whole = drainNow().flat();
    const told = new Set(small);
    // Counted, since the bytes of a row are no sight.
    expect(whole.filter((line) => !told.has(line)).length).toBe(0);
    expect(whole.length).toBe(small.length);
  });
});
