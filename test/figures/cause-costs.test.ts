/** Goal: money by cause adds up to what the job pays, by the model of each device. Method: two devices made by hand, without a store. */
import { expect, test } from 'vitest';
import type { Cause } from '../../src/core/analysis/causes.ts';
import type { CostRates } from '../../src/core/costs/costs.ts';
import type { JobCauses } from '../../src/figures/job/causes/figures.ts';
import type { JobDevice } from '../../src/figures/job/figures.ts';
import { jobCosts } from '../../src/figures/job/job-costs.ts';
import { causesJson } from '../../src/report/causes-json.ts';
import { causesLines } from '../../src/report/causes-text.ts';

const HOUR = 3600e6;
const KWH = 3.6e6;
const RATES: CostRates = {
  currency: 'CHF',
  gpuHour: { models: new Map([['NVIDIA H200', 4]]), others: undefined },
  rgu: undefined,
  kwhPrice: 0.2,
  pue: 1.25,
  gramsPerKwh: 50,
};

function device(gpu: string, model: string, hours: number): JobDevice {
  const best = { value: 4 * KWH, unit: 'joules' as const, knownUs: hours * HOUR };
  return {
    gpu,
    model,
    sliceRatio: 1,
    ownedUs: hours * HOUR,
    sampledUs: hours * HOUR,
    attributedUs: hours * HOUR,
    energy: { counter: best, power: undefined, best },
  } as JobDevice;
}

const amounts = (some: readonly (readonly [Cause, number, number | undefined])[]) =>
  new Map(some.map(([cause, hours, kwh]) => [cause, { us: hours * HOUR, joules: kwh && kwh * KWH }]));
const devices = [device('GPU-a', 'NVIDIA H200', 10), device('GPU-b', 'Tesla T4', 10)];
const own = [
  amounts([
    ['effective', 7, 3],
    ['idleTail', 2, 1],
    ['notSeen', 1, undefined],
  ]),
  amounts([['effective', 10, 4]]),
];
const causes: JobCauses = {
  origin: 'samples',
  isCut: false,
  isKept: false,
  waiting: undefined,
  contexts: [],
  causes: amounts([
    ['effective', 17, 7],
    ['idleTail', 2, 1],
    ['notSeen', 1, undefined],
  ]),
  devices: devices.map(({ gpu }, index) => ({ gpu, waiting: undefined, causes: own[index]! })),
};
const costs = jobCosts({ devices, causes }, RATES, new Map());

test('each cause has the price of its time on each device', () => {
  expect(costs.causes.get('effective')!.gpuHours).toEqual({ value: 28, covered: 7 * HOUR, of: 17 * HOUR });
  expect(costs.causes.get('idleTail')!.gpuHours!.value).toBe(8);
  expect(costs.causes.get('notSeen')).toEqual({
    gpuHours: { value: 4, covered: HOUR, of: HOUR },
    energy: { value: undefined, covered: 0, of: HOUR },
  });
});

test('causes add up to the job', () => {
  const sum = (key: 'gpuHours' | 'energy'): number =>
    [...costs.causes.values()].reduce((all, cause) => all + (cause[key]?.value ?? 0), 0);
  expect(sum('gpuHours')).toBeCloseTo(costs.all.gpuHours!.value!, 9);
  expect(sum('energy')).toBeCloseTo(costs.all.energy!.value!, 9);
  expect(costs.all.energy!.value).toBeCloseTo(8 * 1.25 * 0.2, 9);
});

test('they are columns of the table, and keys in JSON', () => {
  const lines = causesLines({ causes, costs }, 100);
  expect(lines[1]!.trim().split(/\s{2,}/)).toEqual([
    'of the time',
    'GPU-hours',
    'energy',
    'cost',
    'energy cost',
  ]);
  expect(lines[2]).toMatch(/effective +85.% +17\.0 h +7\.00.kWh +28\.00.CHF +1\.75.CHF +█{8}/);
  expect(lines[4]).toMatch(/not seen .* 4\.00.CHF +– /);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(causesJson({ causes, costs })).toMatchObject({
    parts: { idleTail: { costs: { gpuCost: 8, gpuCostUs: 2 * HOUR, ofUs: 2 * HOUR } } },
  });
  expect(causesLines({ causes, costs: undefined }, 100).join('')).not.toContain('CHF');
});
