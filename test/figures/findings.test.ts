/** Goal: the rules of "what stands out" speak exactly when they should. Method: figures made by hand around each limit. */
import { describe, expect, test } from 'vitest';
import { findDips, type ActivityStep } from '../../src/figures/job/dips.ts';
import type { GaugeFigures, JobDevice, JobEvent, JobFigures } from '../../src/figures/job/figures.ts';
import { standOut } from '../../src/report/stand-out.ts';

const SECOND = 1e6;
const HOUR = 3600 * SECOND;
const GIB = 2 ** 30;

function gauge(mean: number, max = mean): GaugeFigures {
  return { mean, max, knownUs: HOUR };
}

interface DeviceChanges {
  readonly sm?: GaugeFigures;
  readonly idleUs?: number;
  readonly memoryPeakBytes?: number;
  readonly events?: readonly JobEvent[];
}

function device(index: number, changes: DeviceChanges = {}): JobDevice {
  return {
    gpu: `GPU-${index}`,
    node: 'n1',
    index,
    model: 'NVIDIA H200',
    memoryBytes: 140 * GIB,
    ownedUs: HOUR,
    sampledUs: HOUR,
    attributedUs: HOUR,
    samples: 3600,
    gauges: {
      smActive: changes.sm ?? gauge(0.8, 0.95),
      memoryUsed: gauge(80 * GIB, changes.memoryPeakBytes ?? 100 * GIB),
    },
    energy: { counterJoules: 1e6, counterUs: HOUR, powerJoules: 1e6, powerUs: HOUR },
    lastActiveUs: HOUR,
    idleUs: changes.idleUs ?? 0,
    events: changes.events ?? [],
  };
}

function job(devices: readonly JobDevice[], changes: Partial<JobFigures> = {}): JobFigures {
  const sum = (value: (one: JobDevice) => number): number =>
    devices.reduce((total, one) => total + value(one), 0);
  return {
    jobId: '1',
    run: 0,
    otherRuns: [],
    state: 'COMPLETED',
    exitCode: 0,
    isSynthetic: false,
    startUs: 0,
    endUs: HOUR,
    isOpen: false,
    boundaryUs: SECOND,
    sharing: 'whole',
    ownedUs: sum(({ ownedUs }) => ownedUs),
    sampledUs: sum(({ sampledUs }) => sampledUs),
    attributedUs: sum(({ attributedUs }) => attributedUs),
    samples: sum(({ samples }) => samples),
    gapCount: 0,
    gapUs: 0,
    gaps: [],
    devices,
    gauges: [],
    energy: { counterJoules: 1e6, counterUs: HOUR, powerJoules: 1e6, powerUs: HOUR },
    idleUs: sum(({ idleUs }) => idleUs ?? 0),
    lastActiveUs: HOUR,
    nodeEvents: [],
    throttleEffects: [],
    notMeasured: [],
    ...changes,
  };
}

const rulesOf = (figures: JobFigures): string[] => standOut(figures).map(({ rule }) => rule);
const textOf = (figures: JobFigures): string =>
  standOut(figures)
    .map(({ text }) => text)
    .join('\n');

const throttle: JobEvent = {
  tsUs: 0,
  endUs: HOUR / 2,
  node: 'n1',
  gpu: 'GPU-1',
  kind: 'throttle',
  code: 32,
  subject: 'sw_thermal_slowdown',
  text: 'hot',
};

describe('what stands out', () => {
  test('nothing, in a job that uses what it has', () => {
    expect(standOut(job([device(0), device(1)]))).toEqual([]);
  });

  test('GPUs that were never used, with their number and what to ask for', () => {
    const never = { sm: gauge(0.001, 0.049), idleUs: HOUR };
    const figures = job([device(0), device(1), device(2, never), device(3, never)]);
    expect(rulesOf(figures)).toEqual(['unused']);
    expect(textOf(figures)).toContain('2 of 4 GPUs were never used (n1 gpu 2, 3;');
    expect(textOf(figures)).toContain('2 GPU-hours. Ask for 2.');
    expect(rulesOf(job([device(0), device(1, { sm: gauge(0.04, 0.05) })]))).not.toContain('unused');
  });

  test('a job that used none of them', () => {
    const figures = job([device(0, { sm: gauge(0, 0.01), idleUs: HOUR })]);
    expect(rulesOf(figures)).toEqual(['unused']);
    expect(textOf(figures)).toContain('never used its GPU');
  });

  test('idleness from half of the time on', () => {
    expect(rulesOf(job([device(0, { idleUs: 0.49 * HOUR })]))).toEqual([]);
    const figures = job([device(0, { idleUs: 0.5 * HOUR })]);
    expect(rulesOf(figures)).toEqual(['idle']);
    expect(textOf(figures)).toContain('below 5 % for 50 % of the time: 0.5 GPU-hours idle');
  });

  test('an idle end from ten minutes and a tenth of the job on', () => {
    const idleFor = (seconds: number): JobFigures =>
      job([device(0)], { lastActiveUs: HOUR - seconds * SECOND });
    expect(rulesOf(idleFor(599))).toEqual([]);
    expect(rulesOf(idleFor(600))).toEqual(['idle-tail']);
    expect(rulesOf({ ...idleFor(600), startUs: -2 * HOUR })).toEqual([]);
  });

  test('a throttled GPU that others wait for, not one that keeps up', () => {
    const effect = { event: throttle, gpu: 'GPU-1', smRatio: 0.464, othersSmRatio: 0.8 };
    const devices = [device(0), device(1, { sm: gauge(0.5, 0.9), events: [throttle] })];
    expect(textOf(job(devices, { throttleEffects: [effect] }))).toContain(
      "n1 gpu 1 ran at 58 % of the others' SM activity while throttled",
    );
    expect(rulesOf(job(devices, { throttleEffects: [{ ...effect, smRatio: 0.79 }] }))).toEqual([]);
  });

  test('an uneven load, unless a throttle explains it', () => {
    const devices = [device(0), device(1, { sm: gauge(0.55, 0.9) })];
    expect(textOf(job(devices))).toContain('n1 gpu 1 had 55 % SM activity, n1 gpu 0 80 %');
    const effect = { event: throttle, gpu: 'GPU-1', smRatio: 0.7, othersSmRatio: 0.75 };
    expect(rulesOf(job(devices, { throttleEffects: [effect] }))).toEqual([]);
    expect(rulesOf(job([device(0), device(1, { sm: gauge(0.57, 0.9) })]))).toEqual([]);
  });

  test('a memory peak of at most half the device, in a job long enough to know', () => {
    expect(rulesOf(job([device(0, { memoryPeakBytes: 71 * GIB })]))).toEqual([]);
    const half = job([device(0, { memoryPeakBytes: 70 * GIB })]);
    expect(textOf(half)).toContain('peaked at 70 GiB (50 % of the device)');
    expect(rulesOf({ ...half, endUs: 599 * SECOND, lastActiveUs: 599 * SECOND })).toEqual([]);
  });

  test('an end out of memory, of the GPU or of the host', () => {
    const full = [device(0, { memoryPeakBytes: 137 * GIB })];
    expect(textOf(job(full, { state: 'OUT_OF_MEMORY', exitCode: 125 }))).toContain(
      'reached 98 % on n1 gpu 0.',
    );
    expect(textOf(job([device(0)], { state: 'OUT_OF_MEMORY' }))).toContain("so it was the host's memory");
    expect(textOf(job(full, { state: 'FAILED', exitCode: 1 }))).toContain('failed with its GPU memory full');
    expect(rulesOf(job(full))).toEqual([]);
    expect(rulesOf(job([device(0)], { state: 'FAILED', exitCode: 1 }))).toEqual([]);
  });

  test('an XID with its number, GPU and time, and its text once', () => {
    const xid: JobEvent = {
      tsUs: 61 * SECOND,
      node: 'n1',
      gpu: 'GPU-0',
      kind: 'xid',
      code: 79,
      subject: '',
      text: 'XID 79: GPU has fallen off the bus.',
    };
    expect(textOf(job([device(0, { events: [xid] })]))).toBe(
      'XID 79 on n1 gpu 0 at 00:01:01: GPU has fallen off the bus.',
    );
  });

  test('low coverage, and sensors that contradict each other', () => {
    expect(rulesOf(job([device(0)], { sampledUs: 0.96 * HOUR }))).toEqual([]);
    expect(rulesOf(job([device(0)], { sampledUs: 0.94 * HOUR }))).toEqual(['coverage']);
    const energy = { counterJoules: 1e6, counterUs: HOUR, powerJoules: 1.2e6, powerUs: HOUR };
    expect(rulesOf(job([device(0)], { energy }))).toEqual(['energy-check']);
    expect(rulesOf(job([device(0)], { energy: { ...energy, powerJoules: 1.05e6 } }))).toEqual([]);
  });
});

describe('dips', () => {
  const series = (length: number, isLow: (step: number) => boolean): ActivityStep[] =>
    Array.from({ length }, (_, step) => ({ step, ratio: isLow(step) ? 0.03 : 0.9, dtUs: SECOND }));

  test('are found with depth, length, period and part of the time', () => {
    const dips = findDips(
      series(1000, (step) => step % 200 >= 190),
      SECOND,
    );
    expect(dips).toMatchObject({ count: 4, lengthUs: 10 * SECOND, periodUs: 200 * SECOND });
    expect(dips!.floorRatio).toBeCloseTo(0.03, 12);
    expect(dips!.timeRatio).toBeCloseTo(0.04, 12);
  });

  test('two are a rhythm only if the first is as far from the start as from the second', () => {
    expect(
      findDips(
        series(500, (step) => [200, 400].includes(step)),
        SECOND,
      )?.periodUs,
    ).toBe(200 * SECOND);
    expect(
      findDips(
        series(500, (step) => [100, 400].includes(step)),
        SECOND,
      ),
    ).toBeUndefined();
  });

  test('uneven ones, ones that stop, start-up and a constantly low job are no rhythm', () => {
    expect(
      findDips(
        series(1000, (step) => [100, 150, 700, 900].includes(step)),
        SECOND,
      ),
    ).toBeUndefined();
    expect(
      findDips(
        series(3000, (step) => step < 300 && step % 30 > 25),
        SECOND,
      ),
    ).toBeUndefined();
    expect(
      findDips(
        series(1000, (step) => step < 50),
        SECOND,
      ),
    ).toBeUndefined();
    expect(
      findDips(
        series(1000, (step) => step % 4 !== 0),
        SECOND,
      ),
    ).toBeUndefined();
    expect(findDips([], SECOND)).toBeUndefined();
  });
});
