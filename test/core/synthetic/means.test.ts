import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultLanes } from '../../../src/core/fields/lane.ts';
import type { SampledLane } from '../../../src/core/sampling/source.ts';
import type { TickWriter } from '../../../src/core/ring/ring.ts';
import { createScenario } from '../../../src/core/synthetic/create-scenario.ts';
import type { Scenario } from '../../../src/core/synthetic/scenario.ts';
import { openSynthetic } from '../../../src/source/synthetic.ts';
import { BEFORE_US, oneJob, SECOND_US, START_US, ticksOf } from './one-job.ts';

const RATIOS = [1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008];
const RATES = [1009, 1010, 1011];
const demo = createScenario({ kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs: START_US });
const steady = createScenario({
  kind: 'steady',
  seed: 1,
  nodes: 1,
  gpusPerNode: 3,
  mig: true,
  startUs: START_US,
});
const DEMO_US = 21_600 * SECOND_US;

/** Σ x·dt over (fromUs, toUs], in the field's unit times µs. */
const amount = (
  scenario: Scenario,
  place: number,
  id: number,
  [fromUs, toUs]: readonly [number, number],
): number => scenario.value(place, id, toUs, toUs - fromUs) * (toUs - fromUs);

describe('ratios and rates are means over the interval', () => {
  const place = fc.integer({ min: 0, max: 15 });
  const begin = fc.integer({ min: 0, max: DEMO_US - 600 * SECOND_US });
  const later = fc.integer({ min: 1, max: 600 * SECOND_US });

  test.each([
    ['demo', demo],
    ['steady', steady],
  ] as const)('that add up over neighbouring intervals of the %s, wherever they are cut', (_, scenario) => {
    fc.assert(
      fc.property(
        place,
        begin,
        fc.uniqueArray(later, { minLength: 3, maxLength: 6 }),
        (wanted, us, times) => {
          const device = wanted % scenario.devices.length;
          const cuts = times.sort((a, b) => a - b).map((afterUs) => START_US + us + afterUs);
          const whole = [cuts[0]!, cuts.at(-1)!] as const;
          for (const id of [...RATIOS, ...RATES]) {
            const sum = cuts
              .slice(1)
              .reduce((total, cut, at) => total + amount(scenario, device, id, [cuts[at]!, cut]), 0);
            if (Number.isNaN(sum)) continue;
            // Rates are whole bytes per second.
            const stray = RATES.includes(id) ? 0.5 * (whole[1] - whole[0]) * 2 : 1e-3;
            expect(Math.abs(sum - amount(scenario, device, id, whole))).toBeLessThanOrEqual(stray);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('so a lane of 100 ms and one of a second agree', () => {
    fc.assert(
      fc.property(
        place,
        fc.integer({ min: 1, max: 21_599 }),
        fc.constantFrom(...RATIOS),
        (device, second, id) => {
          const tsUs = START_US + second * SECOND_US;
          const parts = ticksOf(tsUs - SECOND_US, tsUs, SECOND_US / 10).map((us) =>
            demo.value(device, id, us, SECOND_US / 10),
          );
          const mean = parts.reduce((sum, x) => sum + x, 0) / 10;
          const whole = demo.value(device, id, tsUs, SECOND_US);
          if (!Number.isNaN(mean) && !Number.isNaN(whole)) expect(mean).toBeCloseTo(whole, 12);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('also over the end of a cycle of a steady scenario', () => {
    const edgeUs = 1_735_689_600_000_000 + 4 * 3600 * SECOND_US * 4000;
    for (const device of steady.devices.keys()) {
      const whole = amount(steady, device, 1002, [edgeUs - 4e8, edgeUs + 4e8]);
      const parts = [
        amount(steady, device, 1002, [edgeUs - 4e8, edgeUs]),
        amount(steady, device, 1002, [edgeUs, edgeUs + 4e8]),
      ];
      expect(parts[0]! + parts[1]!).toBeCloseTo(whole, 3);
    }
  });

  test('steps shorter than a tick are averaged, and not read at a point', () => {
    const { scenario } = oneJob({
      shape: 'training',
      gpus: 1,
      seconds: 900,
      pace: { stepUs: 400_000, jitter: 0 },
    });
    const fromUs = START_US + BEFORE_US + 100 * SECOND_US;
    const read = (everyUs: number): number[] =>
      ticksOf(fromUs, fromUs + 20 * SECOND_US, everyUs).map((us) => scenario.value(0, 1002, us, everyUs));
    const [slow, fast] = [read(SECOND_US), read(SECOND_US / 500)];
    expect(Math.max(...fast) - Math.min(...fast)).toBeGreaterThan(0.85);
    expect(Math.max(...slow) - Math.min(...slow)).toBeLessThan(0.25);
  });

  test('samples of 100 ms scatter by some per cent, and those of a second by less', () => {
    const { scenario } = oneJob({ shape: 'memory-bound', gpus: 1, seconds: 900 });
    const fromUs = START_US + BEFORE_US + 200 * SECOND_US;
    const spread = (everyUs: number): number => {
      const xs = ticksOf(fromUs, fromUs + 100 * SECOND_US, everyUs).map((us) =>
        scenario.value(0, 1005, us, everyUs),
      );
      const high = xs.filter((x) => x > 0.5 * Math.max(...xs));
      return (Math.max(...high) - Math.min(...high)) / Math.max(...high);
    };
    expect(spread(SECOND_US / 10)).toBeGreaterThan(0.05);
    expect(spread(SECOND_US)).toBeLessThan(spread(SECOND_US / 10));
  });
});

test('an engine is never less busy than its SMs, and those never less than their tensor cores', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(demo, steady),
      fc.integer({ min: 0, max: 15 }),
      fc.integer({ min: 0, max: DEMO_US }),
      fc.constantFrom(1000, 100_000, SECOND_US, 60 * SECOND_US),
      (scenario, wanted, us, overUs) => {
        const device = wanted % scenario.devices.length;
        const [engine, sm, tensor] = [1001, 1002, 1004].map((id) =>
          scenario.value(device, id, START_US + us, overUs),
        );
        expect(engine).toBeLessThanOrEqual(1);
        expect(engine).toBeGreaterThanOrEqual(sm!);
        if (!Number.isNaN(tensor!)) expect(sm).toBeGreaterThanOrEqual(tensor!);
        expect(tensor).not.toBeLessThan(0);
      },
    ),
    { numRuns: 500 },
  );
});

describe('the source', () => {
  const lane: SampledLane = { ...defaultLanes[0]!, index: 0 };

  /** Values of device 0 by time. */
  function sampled(ticks: readonly number[]): Map<number, number[]> {
    const rows = new Map<number, number[]>();
    let row: number[] | undefined;
    const writer = {
      setRow: (device: number, tsUs: number) => {
        row = device === 0 ? [] : undefined;
        if (row !== undefined) rows.set(tsUs, row);
      },
      set: (_: number, column: number, value: number) => {
        if (row !== undefined) row[column] = value;
      },
    } as Partial<TickWriter> as TickWriter;
    const source = openSynthetic(demo, () => undefined);
    for (const us of ticks) source.sample(lane, writer, us);
    return rows;
  }
  const at = (second: number): number => START_US + Math.round(second * SECOND_US);

  test('reads the same after a restart, the first row too where it comes an interval later', () => {
    const ticks = Array.from({ length: 40 }, (_, index) => at(5000 + index));
    const whole = sampled(ticks);
    for (const [us, row] of sampled(ticks.slice(17))) expect(row).toEqual(whole.get(us));
  });

  test('speaks for the time since the last row, after a gap and at first for an interval', () => {
    const engine = lane.fields.findIndex(({ id }) => id === 1002);
    const rows = sampled([5000, 5001.3, 5003.3, 5009].map(at));
    const expected = [
      [5000, 1],
      [5001.3, 1.3],
      [5003.3, 2],
      [5009, 1],
    ].map(([second, over]) => demo.value(0, 1002, at(second!), over! * SECOND_US));
    expect([...rows.values()].map((row) => row[engine])).toEqual(expected);
    expect(new Set(expected).size).toBe(4);
  });
});
