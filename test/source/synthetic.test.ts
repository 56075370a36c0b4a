import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GpuEvent } from '../../src/core/sampling/event.ts';
import type { JobFact, JobRecord } from '../../src/core/jobs/job-fact.ts';
import { defaultLanes, energyColumnOf } from '../../src/core/fields/lane.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import type { SampledLane } from '../../src/core/sampling/source.ts';
import { createScenario } from '../../src/core/synthetic/create-scenario.ts';
import type { Scenario, ScenarioOptions } from '../../src/core/synthetic/scenario.ts';
import { createSyntheticJobs } from '../../src/ownership/synthetic-jobs.ts';
import { openSynthetic } from '../../src/source/synthetic.ts';

const START_US = Date.UTC(2026, 10, 21, 8) * 1000;
const DEMO: ScenarioOptions = { kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs: START_US };
const STEADY: ScenarioOptions = { kind: 'steady', seed: 5, nodes: 1, gpusPerNode: 8, startUs: START_US };
const demo = createScenario(DEMO);
const at = (seconds: number): number => START_US + Math.round(seconds * 1e6);
const profiling: SampledLane = { ...defaultLanes[0]!, index: 0 };
const slow: SampledLane = { ...defaultLanes[2]!, index: 2 };

function ringOf(scenario: Scenario, lane: SampledLane, capacityTicks: number): Ring {
  return new Ring({
    capacityTicks,
    deviceCount: scenario.devices.length,
    columnCount: lane.fields.length,
    intervalUs: lane.intervalMs * 1000,
    energyColumn: energyColumnOf(lane),
  });
}

describe('the synthetic source', () => {
  test('writes one row per device with the time of the tick and the values of the scenario', () => {
    const source = openSynthetic(demo, () => undefined);
    const ring = ringOf(demo, profiling, 4);
    ring.reserve();
    source.sample(profiling, ring, at(5000.25));
    ring.commit();
    expect(ring.rowCountOf(0)).toBe(16);
    expect([...ring.tsUs.subarray(0, 16)]).toEqual(Array<number>(16).fill(at(5000.25)));
    for (const [column, field] of profiling.fields.entries()) {
      expect(ring.columns[column]![9]).toBe(demo.value(9, field.id, at(5000.25), 1e6));
    }
  });

  test('leaves out the row of a device that does not answer', () => {
    const source = openSynthetic(demo, () => undefined);
    const lost = 2;
    const rows = [16_200, 16_201, 18_600, 18_601].map((second) => {
      const ring = ringOf(demo, profiling, 2);
      ring.reserve();
      source.sample(profiling, ring, at(second));
      ring.commit();
      return [ring.rowCountOf(0), Number.isNaN(ring.tsUs[lost]!)];
    });
    expect(rows).toEqual([
      [16, false],
      [15, true],
      [15, true],
      [16, false],
    ]);
  });

  test('tells every event of the demo once, in order, whichever lanes are sampled', () => {
    const told: GpuEvent[] = [];
    const source = openSynthetic(demo, (event) => told.push(event));
    const [fast, rare] = [ringOf(demo, profiling, 2), ringOf(demo, slow, 2)];
    for (let second = 0; second < 21_600; second += 20) {
      for (const [lane, ring] of [
        [profiling, fast],
        [slow, rare],
      ] as const) {
        if (lane === slow && second % 60 !== 0) continue;
        ring.reserve();
        source.sample(lane, ring, at(second));
        ring.commit();
      }
    }
    const happened = told.filter(({ text }) => !text.includes('does not have'));
    expect(happened).toEqual(demo.eventsBetween(START_US, at(21_600)));
    expect(happened.filter(({ kind }) => kind === 'xid').map(({ code, tsUs }) => [code, tsUs])).toEqual([
      [31, at(2222.2)],
      [79, at(16_200.4)],
    ]);
    const throttles = happened.filter(({ kind }) => kind === 'throttle');
    expect(throttles.map(({ tsUs, endUs }) => [tsUs, endUs])).toEqual([
      [at(8722), undefined],
      [at(8722), at(9562)],
      [at(15_001.3), undefined],
      [at(15_001.3), at(15_240.3)],
    ]);
    const blanks = happened.filter(({ kind }) => kind === 'blank_begin' || kind === 'blank_end');
    expect(blanks.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual([
      'blank_begin tensor_active_ratio',
      'blank_begin dram_active_ratio',
      'blank_begin energy_joules',
      'blank_begin memory_temp_celsius',
      'blank_end tensor_active_ratio',
      'blank_end dram_active_ratio',
    ]);
    // Three fields that no H200 has, once for each of 16 devices.
    expect(told.length - happened.length).toBe(48);
  });

  test('blanks are blank from the very begin of their event to its end', () => {
    const place = 6;
    const isBlank = (seconds: number): boolean => Number.isNaN(demo.value(place, 1004, at(seconds), 1e6));
    expect([18_700, 18_700.000001, 19_300.5, 19_300.500001].map(isBlank)).toEqual([false, true, true, false]);
    expect(
      [19_000, 19_001, 21_599].map((second) => Number.isNaN(demo.value(7, 156, at(second), 1e6))),
    ).toEqual([false, true, true]);
  });

  test('an open-ended source tells nothing of the time before its first tick', () => {
    const steady = createScenario(STEADY);
    const told: GpuEvent[] = [];
    const source = openSynthetic(steady, (event) => told.push(event));
    const ring = ringOf(steady, profiling, 2);
    for (const second of [0, 4 * 3600]) {
      ring.reserve();
      source.sample(profiling, ring, at(second));
      ring.commit();
    }
    expect(told.length).toBeGreaterThan(0);
    expect(told).toEqual(steady.eventsBetween(START_US, at(4 * 3600)));
  });
});

describe('the jobs of a scenario as job facts', () => {
  const readAll = (
    scenario: Scenario,
    times: readonly number[],
  ): { facts: JobFact[]; records: JobRecord[] } => {
    const input = createSyntheticJobs(scenario);
    const news = times.map((time) => input.read(time));
    return { facts: news.flatMap(({ facts }) => facts), records: news.flatMap(({ records }) => records) };
  };

  test('every begin and end is told once and in time order, however often one reads', () => {
    const whole = readAll(demo, [at(21_600)]);
    expect(whole.facts).toHaveLength(150);
    expect(whole.records).toHaveLength(84);
    expect(whole.facts.map(({ atUs }) => atUs)).toEqual(
      whole.facts.map(({ atUs }) => atUs).sort((a, b) => a - b),
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 21_600_000 }), { maxLength: 40 }), (milliseconds) => {
        const times = milliseconds.sort((a, b) => a - b).map((ms) => START_US + ms * 1000);
        expect(readAll(demo, [...times, at(21_600)])).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  test('a GPU is given back before it is given out again at the same microsecond', () => {
    const facts = readAll(demo, [at(21_600)]).facts.filter(
      ({ atUs, gpu }) => atUs === at(3000) && gpu === demo.devices[3]!.uuid,
    );
    expect(facts.map(({ kind, jobId }) => [kind, jobId])).toEqual([
      ['end', '4203'],
      ['start', '4204'],
    ]);
  });

  test('a record says RUNNING at the start, and the outcome at the end', () => {
    const records = readAll(demo, [at(21_600)]).records.filter(({ jobId }) => jobId === '4210');
    expect(records).toEqual([
      expect.objectContaining({ state: 'RUNNING', startUs: at(150) }),
      expect.objectContaining({ state: 'OUT_OF_MEMORY', exitCode: 125, endUs: at(1837.318) }),
    ]);
    expect(records[0]).not.toHaveProperty('endUs');
    expect(records[0]).not.toHaveProperty('exitCode');
  });

  test('unknown shares are NaN, array tasks know their array', () => {
    const { facts, records } = readAll(demo, [at(21_600)]);
    expect(facts.filter(({ jobId }) => jobId === '4212').map(({ share }) => share)).toEqual([NaN, NaN]);
    expect(records.filter(({ arrayJobId }) => arrayJobId === '4219')).toHaveLength(12);
  });

  test('a steady input tells at its first read who runs already, with the true start', () => {
    const steady = createScenario(STEADY);
    const input = createSyntheticJobs(steady);
    const job = steady.jobsBetween(at(1800), at(3600)).find(({ startUs }) => startUs > at(1800))!;
    const nowUs = Math.floor((job.startUs + job.endUs) / 2);
    const { facts } = input.read(nowUs);
    const running = steady.jobsBetween(nowUs - 1, nowUs);
    expect(running.map(({ jobId }) => jobId)).toContain(job.jobId);
    for (const { jobId, startUs } of running) {
      expect(facts).toContainEqual(expect.objectContaining({ kind: 'start', jobId, atUs: startUs }));
    }
    expect(input.read(nowUs)).toEqual({ facts: [], records: [] });
    const later = input.read(at(7200)).facts.filter(({ kind }) => kind === 'start');
    expect(later.every(({ atUs }) => atUs > nowUs)).toBe(true);
  });

  test('a clock that is set a year ahead tells the end of what ran, and what runs now', () => {
    const steady = createScenario(STEADY);
    const input = createSyntheticJobs(steady);
    const [job] = steady.jobsBetween(at(1800), at(7200));
    const nowUs = job!.startUs + 1;
    input.read(nowUs);
    const ran = steady.jobsBetween(nowUs, nowUs + 1).map(({ jobId }) => jobId);
    const [later] = steady.jobsBetween(nowUs + 366 * 86_400e6, nowUs + 367 * 86_400e6);
    const laterUs = later!.startUs + 1;
    const { facts } = input.read(laterUs);
    const ended = facts.filter(({ kind }) => kind === 'end').map(({ jobId }) => jobId);
    expect(ended).toEqual(expect.arrayContaining(ran));
    const started = facts.filter(({ kind }) => kind === 'start').map(({ jobId }) => jobId);
    const running = steady.jobsBetween(laterUs, laterUs + 1).map(({ jobId }) => jobId);
    expect(started).toEqual(expect.arrayContaining(running));
    expect(running).toContain(later!.jobId);
    expect(ran).toContain(job!.jobId);
    expect(facts.length).toBeLessThan(100);
  });
});
