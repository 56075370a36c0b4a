import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requestPause, withdrawPause } from '../../../src/source/profiling-pause.ts';
import { loadFake } from '../../helpers/fakes.ts';
import { FORTY_FIELDS, laneOf } from '../../helpers/lanes.ts';
import { cell, createNvmlPlay, START } from '../../helpers/nvml-play.ts';
import { truthDouble, truthInt } from '../../helpers/truth.ts';

const fake = loadFake('nvml');
const nvml = createNvmlPlay(fake);
const lane = laneOf(0, 'profiling', 100, FORTY_FIELDS);
const { of, open, play } = nvml;
const SM_ACTIVE = 1002;
const POWER = 155;

beforeEach(nvml.reset);
afterEach(nvml.close);

describe('NVML samples', () => {
  it('give profiling by GPM and the rest by getters and field values, in the columns of DCGM', () => {
    open([lane]);
    const rows = play(lane, 10).rows;
    expect(rows).toHaveLength(80);
    const row = rows.at(-1)!;
    const nowUs = fake.get('clock_us');
    const at = (id: number): number => cell(lane, row, id);
    expect(row).toMatchObject({ device: 7, tsUs: START + 1_000_000 });
    // GPM metric 2 in percent is DCGM's 1002 as ratio; metric 20 in MiB/s is 1009 in bytes per second.
    expect(at(1002)).toBe((truthDouble(2, 7, nowUs) * 100) / 100);
    expect(at(1005)).toBe((truthDouble(10, 7, nowUs) * 100) / 100);
    expect(at(1009)).toBeCloseTo(truthDouble(20, 7, nowUs) * 100 * 1_048_576, 6);
    expect(at(1011)).toBeCloseTo(truthDouble(61, 7, nowUs) * 100 * 1_048_576, 6);
    expect(at(1012)).toBeCloseTo(truthDouble(60, 7, nowUs) * 100 * 1_048_576, 6);
    expect([at(155), at(157)]).toEqual([507, 507]);
    expect(at(156)).toBe(truthInt(156, 7, nowUs) * 0.001);
    expect(at(252)).toBe(truthInt(252, 7, nowUs) * 1_048_576);
    expect([100, 101, 102].map(at)).toEqual([100, 101, 102].map((id) => truthInt(id, 7, nowUs) * 1e6));
    expect([203, 206].map(at)).toEqual([203, 206].map((id) => (truthInt(id, 7, nowUs) % 101) * 0.01));
    expect(at(150)).toBe((truthInt(150, 7, nowUs) % 90) - 5);
    expect([160, 164]).toSatisfy(() => at(160) === 650 && at(164) === 700);
    expect([235, 236, 237, 238].map(at)).toEqual([6, 32, 5, 16]);
    // NVML counts throttle time in ns under field 74.
    expect(at(240)).toBe(74 * 1e-9);
    expect(of('blank_begin')).toEqual([]);
  });

  it('give what is rarely asked for too', () => {
    const ids = [
      52, 55, 65, 66, 67, 90, 92, 93, 110, 111, 113, 114, 151, 152, 153, 158, 159, 161, 162, 163, 191,
    ];
    const rare = laneOf(0, 'slow', 1000, [...ids, 250, 251, 253, 254, 317, 344, 1200, 396]);
    open([rare]);
    const row = play(rare, 2).ofDevice(3).at(-1)!;
    const used = truthInt(252, 3, fake.get('clock_us'));
    expect(Object.fromEntries(rare.fields.map(({ id }, k) => [id, row.values[k]]))).toEqual({
      52: 3,
      55: 4,
      65: 3,
      66: 1,
      67: 0,
      90: 262_144 * 1_048_576,
      92: 4 * 1_048_576,
      93: 262_140 * 1_048_576,
      110: 1830e6,
      111: 3200e6,
      113: 1980e6,
      114: 3201e6,
      151: 85,
      152: 80,
      153: -2,
      158: 90,
      159: 95,
      161: 200,
      162: 710,
      163: 690,
      191: 0.42,
      250: 143_771 * 1_048_576,
      251: (143_771 - 600 - used) * 1_048_576,
      253: 600 * 1_048_576,
      254: used / (143_771 - 600),
      317: 2 ** 32 + 101,
      344: 2 ** 32 + 17,
      // The sum over all links.
      1200: 0xffff_ffff,
      396: 0,
    });
  });

  it('asks for the batched fields by one call a device', () => {
    open([lane]);
    play(lane, 1);
    const before = fake.get('field_calls');
    play(lane, 1);
    expect(fake.get('field_calls') - before).toBe(8);
  });

  it('is NULL and one event a device where the GPU has nothing, and the rest goes on', () => {
    fake.set('unsupported_field', 83);
    fake.set('forbidden_field', 186);
    fake.set('pstate', 32);
    open([lane]);
    const rows = play(lane, 4).rows;
    expect(rows.every((row) => [156, 157, 190].every((id) => Number.isNaN(cell(lane, row, id))))).toBe(true);
    expect(rows.every((row) => cell(lane, row, POWER) >= 500)).toBe(true);
    const told = of('blank_begin').map(({ gpu, text, code }) => [gpu?.slice(0, 12), code, text]);
    expect(told).toHaveLength(24);
    expect(told).toContainEqual(['GPU-00000000', 3, 'energy_joules: not supported']);
    expect(told).toContainEqual(['GPU-00000000', 4, 'power_instant_watts: not permitted']);
    expect(told).toContainEqual(['GPU-00000000', 1, 'performance_state_code: blank']);
  });

  it('does not take an entry that the driver left alone for what was read before', () => {
    open([lane]);
    play(lane, 2);
    fake.set('untouched_field', 83);
    expect(play(lane, 2).rows.every((row) => Number.isNaN(cell(lane, row, 156)))).toBe(true);
  });

  it.each([
    ['double', 0, Buffer.from(new Float64Array([2.5]).buffer).readBigUInt64LE(), 2.5],
    ['unsigned int', 1, 0xffff_ffff_ffff_fffen, 0xffff_fffe],
    ['unsigned long', 2, 2n ** 40n, 2 ** 40],
    ['unsigned long long', 3, 2n ** 52n + 1n, 2 ** 52 + 1],
    ['signed long long', 4, 2n ** 64n - 3n, -3],
    ['signed int', 5, 0xffff_fffen, -2],
    ['unsigned short', 6, 0x7_ffffn, 0xffff],
    ['unknown type', 9, 1n, NaN],
  ])('obeys the type of a field value: %s', (_name, type, bits, value) => {
    const counters = laneOf(0, 'slow', 1000, [311, POWER]);
    fake.set('wide_field', 4);
    fake.set('wide_type', type);
    fake.set('wide_value', BigInt.asIntN(64, bits));
    open([counters]);
    expect(cell(counters, play(counters, 1).rows[0]!, 311)).toEqual(value);
  });

  it('reads the memory temperature as the integer that it is, whatever its type says', () => {
    fake.set('r545', 1);
    open([lane]);
    expect(play(lane, 1).rows.every((row) => cell(lane, row, 140) === 60)).toBe(true);
  });

  it('has the stamp of when its device was read', () => {
    open([lane]);
    play(lane, 3);
    fake.set('slow_gpu', 3);
    fake.set('slow_us', 1000);
    const rows = play(lane, 1).rows;
    expect(rows[2]!.tsUs).toBe(START + 400_000);
    expect(rows[3]!.tsUs).toBeGreaterThan(START + 410_000);
  });
});

describe('GPM', () => {
  it('is asked for the newest pair that is more than 100 ms apart, by one call a device and tick', () => {
    open([lane]);
    play(lane, 5);
    const before = fake.get('metrics_calls');
    play(lane, 10);
    expect(fake.get('metrics_calls') - before).toBe(80);
    expect(fake.get('young_pairs')).toBe(0);
    // At 100 ms a tick the sample before is not old enough: the one before that is.
    expect(fake.get('last_window_us')).toBe(200_000);
  });

  it('speaks for the tick before where that is long enough', () => {
    const slow = laneOf(0, 'profiling', 1000, [SM_ACTIVE]);
    open([slow]);
    play(slow, 5);
    expect(fake.get('last_window_us')).toBe(1_000_000);
  });

  it('keeps the pairs of two lanes apart', () => {
    const slow = laneOf(1, 'slow', 1000, [SM_ACTIVE]);
    const opened = open([lane, slow]);
    for (let n = 0; n < 3; n += 1) {
      play(lane, 10);
      opened.sample(
        slow,
        { setRow: () => undefined, set: () => undefined, next: () => true },
        fake.get('clock_us'),
      );
    }
    expect(fake.get('last_window_us')).toBe(1_000_000);
  });

  it('does not count the time that taking a sample took towards the 100 ms', () => {
    const one = laneOf(0, 'profiling', 110, [SM_ACTIVE]);
    open([one], { devices: 'g:0' });
    play(one, 3);
    expect(fake.get('last_window_us')).toBe(110_000);
    // One sample takes 15 ms until it is there.
    fake.set('slow_gpu', 1);
    fake.set('slow_us', 15_000);
    play(one, 1);
    fake.set('slow_gpu', 0);
    nvml.wait(-15_000);
    // The tick after it is 110 ms later, and 95 ms after the sample was there.
    play(one, 1);
    expect(fake.get('young_pairs')).toBe(0);
    expect(fake.get('last_window_us')).toBe(220_000);
  });

  it('makes no pair over a hole in the ticks', () => {
    open([lane]);
    play(lane, 5);
    nvml.wait(60_000_000);
    expect(play(lane, 1).rows.every((row) => Number.isNaN(cell(lane, row, SM_ACTIVE)))).toBe(true);
    expect(cell(lane, play(lane, 3).rows.at(-1)!, SM_ACTIVE)).not.toBeNaN();
  });

  it.each([
    ['nan_metric', 'blank'],
    ['infinite_metric', 'blank'],
    ['unsupported_metric', 'not supported'],
  ])('makes NULL of a %s, and of that alone', (knob, reason) => {
    fake.set(knob, 2);
    open([lane]);
    const rows = play(lane, 8).rows.slice(32);
    expect(rows.every((row) => Number.isNaN(cell(lane, row, SM_ACTIVE)))).toBe(true);
    expect(rows.every((row) => Number.isFinite(cell(lane, row, 1003)))).toBe(true);
    expect(of('blank_begin').filter(({ text }) => text === `sm_active_ratio: ${reason}`)).toHaveLength(8);
  });

  it('is left alone for half a minute when it is not permitted, said once; the other fields go on', () => {
    fake.set('gpm_forbidden', 1);
    const opened = open([lane]);
    expect(opened.describe?.()).toMatch(/not permitted on 8 of 8 devices: it needs root or CAP_SYS_ADMIN/);
    const rows = play(lane, 4).rows;
    expect(
      rows.every((row) => Number.isNaN(cell(lane, row, SM_ACTIVE)) && cell(lane, row, POWER) >= 500),
    ).toBe(true);
    expect(of('blank_begin').filter(({ subject }) => subject === 'sm_active_ratio')).toHaveLength(8);
    expect(of('blank_begin')[0]?.code).toBe(4);
    fake.set('gpm_forbidden', 0);
    const before = fake.get('gpm_takes');
    play(lane, 250);
    expect(fake.get('gpm_takes')).toBe(before);
    expect(cell(lane, play(lane, 50).rows.at(-1)!, SM_ACTIVE)).not.toBeNaN();
    expect(of('blank_end').filter(({ subject }) => subject === 'sm_active_ratio')).toHaveLength(8);
  });

  it('may lose the permission while it runs', () => {
    open([lane]);
    play(lane, 5);
    fake.set('gpm_forbidden', 1);
    play(lane, 5);
    expect(of('blank_begin').filter(({ text }) => text === 'sm_active_ratio: not permitted')).toHaveLength(8);
  });

  it('is not sampled while somebody asked for a pause, which is told as such', () => {
    const pauseDir = mkdtempSync(join(tmpdir(), 'gpuledger-pause-'));
    try {
      open([lane], { pauseDir });
      play(lane, 5);
      requestPause(pauseDir, { name: 'job-7', untilUs: Infinity, by: 'job 7' });
      play(lane, 10);
      const before = fake.get('gpm_takes');
      const rows = play(lane, 10).rows;
      expect(fake.get('gpm_takes')).toBe(before);
      expect(rows.every((row) => Number.isNaN(cell(lane, row, SM_ACTIVE)))).toBe(true);
      expect(rows.every((row) => cell(lane, row, POWER) >= 500)).toBe(true);
      withdrawPause(pauseDir, 'job-7');
      const after = play(lane, 20).ofDevice(0);
      expect(cell(lane, after.at(-1)!, SM_ACTIVE)).not.toBeNaN();
      expect(of('paused').map(({ endUs }) => endUs === undefined)).toEqual([true, false]);
      expect(of('blank_begin')).toEqual([]);
      expect(fake.get('young_pairs')).toBe(0);
    } finally {
      rmSync(pauseDir, { recursive: true });
    }
  });

  it('makes no pair over a pause, however short', () => {
    const pauseDir = mkdtempSync(join(tmpdir(), 'gpuledger-pause-'));
    const slow = laneOf(0, 'profiling', 1000, [SM_ACTIVE]);
    try {
      open([slow], { pauseDir });
      play(slow, 3);
      requestPause(pauseDir, { name: 'job-7', untilUs: Infinity, by: 'job 7' });
      play(slow, 1);
      withdrawPause(pauseDir, 'job-7');
      // The first tick has no pair yet, and is no row: a lane of nothing but blanks is of a device that did not answer.
      const sm = play(slow, 3)
        .ofDevice(0)
        .map((row) => cell(slow, row, SM_ACTIVE));
      expect(sm.map(Number.isNaN)).toEqual([false, false]);
    } finally {
      rmSync(pauseDir, { recursive: true });
    }
  });

  it('is refused below 100 ms', () => {
    expect(() => open([laneOf(0, 'profiling', 50, [SM_ACTIVE])])).toThrow(
      expect.objectContaining({ exit: 'config', code: 'config.profiling_floor' }) as Error,
    );
    expect(fake.get('inits')).toBe(0);
    expect(() => open([laneOf(0, 'device', 50, [POWER])])).not.toThrow();
  });
});

describe('GPUs before Hopper', () => {
  const slow = laneOf(0, 'device', 1000, [SM_ACTIVE, 203, POWER]);

  it.each([
    ['that have no GPM', 'gpm', 0],
    ['whose driver refuses the question', 'gpm_version_refused', 1],
  ])('have no profiling (%s), and say where there is some', (_name, knob, value) => {
    fake.set(knob, value);
    expect(open([slow]).describe?.()).toContain('no profiling on 8 of 8 devices');
    expect(play(slow, 5).rows.every((row) => Number.isNaN(cell(slow, row, SM_ACTIVE)))).toBe(true);
    expect(of('blank_begin')).toHaveLength(8);
    expect(of('blank_begin')[0]?.text).toBe('sm_active_ratio: not supported');
  });

  it('give the mean of all that the driver has buffered since the last tick', () => {
    fake.set('gpm', 0);
    open([slow]);
    // The fake measures at multiples of 139 ms what the number of the multiple is, modulo 101.
    const buffered = (toUs: number): number => {
      const last = Math.floor(toUs / 139_000);
      const first = Math.floor((toUs - 1_000_000) / 139_000) + 1;
      // It spoils the fourth newest (out of range) and the sixth (no stamp).
      const percents = Array.from({ length: last - first + 1 }, (_, k) => last - k)
        .filter((_, age) => age !== 5 && age !== 3)
        .map((n) => n % 101);
      return percents.reduce((sum, percent) => sum + percent, 0) / percents.length / 100;
    };
    // At first the buffer reaches back beyond the tick: the single reading is taken.
    const first = play(slow, 1).ofDevice(0)[0]!;
    expect(cell(slow, first, 203)).toBe((truthInt(203, 0, first.tsUs) % 101) * 0.01);
    for (let n = 0; n < 5; n += 1) {
      const row = play(slow, 1).ofDevice(0)[0]!;
      expect(cell(slow, row, 203)).toBeCloseTo(buffered(row.tsUs), 9);
    }
  });

  it('give the single reading in a fast lane and where nothing is buffered', () => {
    fake.set('gpm', 0);
    const fast = laneOf(0, 'device', 100, [203, POWER]);
    open([fast]);
    const row = play(fast, 3).rows.at(-1)!;
    expect(fake.get('sample_calls')).toBe(0);
    expect(cell(fast, row, 203)).toBe((truthInt(203, 7, row.tsUs) % 101) * 0.01);
  });

  it('are the only ones whose buffer is asked', () => {
    open([slow]);
    play(slow, 3);
    expect(fake.get('sample_calls')).toBe(0);
  });
});
