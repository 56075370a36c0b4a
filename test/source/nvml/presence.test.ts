import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadFake } from '../../helpers/fakes.ts';
import { FORTY_FIELDS, laneOf } from '../../helpers/lanes.ts';
import { cell, createNvmlPlay, START } from '../../helpers/nvml-play.ts';
import { truthDouble, truthInt } from '../../helpers/truth.ts';

const fake = loadFake('nvml');
const nvml = createNvmlPlay(fake);
const lane = laneOf(0, 'profiling', 100, [...FORTY_FIELDS, 52]);
const { of, open, play } = nvml;
const SM_ACTIVE = 1002;
const POWER = 155;
const FB_USED = 252;
const SAMPLES_A_DEVICE = 4;

beforeEach(nvml.reset);
afterEach(nvml.close);

describe('NVML devices', () => {
  it('have every identity', () => {
    expect(open([lane]).devices[2]).toEqual({
      uuid: 'GPU-00000002-fade-4000-8000-000000000002',
      node: 'n1',
      index: 2,
      model: 'NVIDIA H200',
      memoryBytes: 143_771 * 1_048_576,
      driver: '595.45.04',
      minor: 5,
      pciBusId: '00000000:2F:00.0',
      facts: {
        brand: 'NVIDIA',
        serial: '1650423001232',
        vbiosVersion: '96.00.A5.00.01',
        inforomImageVersion: 'G520.0280.00.01',
        inforomOemVersion: '2.1',
        inforomEccVersion: '7.16',
        nvmlVersion: '13.595.45.04',
      },
    });
  });

  it('are those that the selector names; what is absent is told', () => {
    fake.set('mig', 0b10);
    expect(open([lane], { devices: 'g:0,12+i:9' }).devices.map(({ uuid }) => uuid)).toEqual([
      'GPU-00000000-fade-4000-8000-000000000000',
      'GPU-00000001-fade-4000-8000-000000000001',
      'MIG-00000009-fade-4000-8000-000000000000',
    ]);
    expect(of('unresolved').map(({ subject }) => subject)).toEqual(['g:12']);
  });

  it('are those that may be had; the others are told', () => {
    fake.set('forbidden_gpu', 2);
    expect(open([lane]).devices.map(({ index }) => index)).toEqual([0, 2, 3, 4, 5, 6, 7]);
    expect(of('unresolved').map(({ text }) => text)).toEqual(['GPU 1 cannot be had: NO_PERMISSION (4)']);
  });

  it('must be one at least', () => {
    fake.set('gpus', 1);
    fake.set('forbidden_gpu', 1);
    expect(() => open([lane])).toThrow(
      expect.objectContaining({ exit: 'unavailable', code: 'source.no_device' }) as Error,
    );
    expect(fake.get('inits')).toBe(0);
  });

  it('give back every sample and initialisation at the end', () => {
    open([lane]);
    play(lane, 3);
    expect([fake.get('gpm_samples'), fake.get('inits')]).toEqual([8 * SAMPLES_A_DEVICE, 1]);
    nvml.close();
    expect(['gpm_samples', 'inits', 'early_shutdowns'].map((name) => fake.get(name))).toEqual([0, 0, 0]);
  });
});

describe('MIG', () => {
  it('has its GPU instances as devices, whatever holes are between them', () => {
    fake.set('mig', 0b10);
    const { devices } = open([lane]);
    expect(devices.map(({ uuid }) => uuid).slice(0, 5)).toEqual([
      'GPU-00000000-fade-4000-8000-000000000000',
      'GPU-00000001-fade-4000-8000-000000000001',
      'MIG-00000008-fade-4000-8000-000000000000',
      'MIG-00000009-fade-4000-8000-000000000000',
      'GPU-00000002-fade-4000-8000-000000000002',
    ]);
    expect(devices[1]).toMatchObject({ isCut: true, memoryBytes: 143_771 * 1_048_576 });
    expect(devices[3]).toMatchObject({
      parentUuid: 'GPU-00000001-fade-4000-8000-000000000001',
      index: 1,
      gpuInstanceId: 2,
      computeInstanceId: 0,
      migProfile: '3g.71gb',
      memoryBytes: 71_424 * 1_048_576,
    });
  });

  it('has one device a GPU instance, however many compute instances that has', () => {
    fake.set('mig', 1);
    fake.set('split_gi', 1);
    const { devices } = open([lane]);
    expect(devices.filter(({ parentUuid }) => parentUuid !== undefined)).toHaveLength(2);
    expect(devices[1]).toMatchObject({ gpuInstanceId: 1, computeInstanceId: 0, migProfile: '3g.71gb' });
  });

  it('is sampled with what an instance has: profiling through its GPU, and memory', () => {
    fake.set('mig', 0b10);
    open([lane]);
    const row = play(lane, 5).ofDevice(2).at(-1)!;
    expect(cell(lane, row, SM_ACTIVE)).toBe((truthDouble(2, 108, row.tsUs) * 100) / 100);
    expect(cell(lane, row, FB_USED)).toBe(truthInt(252, 108, row.tsUs) * 1_048_576);
    // Of the whole GPU: PCIe, power, clocks, index. NVML answers the first and the last with numbers of no use.
    for (const id of [1009, POWER, 100, 203, 52]) expect(cell(lane, row, id)).toBeNaN();
  });

  it('is told when its layout changes: what is gone ends, and no pair is made of two instances', () => {
    fake.set('mig', 0b10);
    open([lane]);
    play(lane, 5);
    fake.set('instances', 1);
    const sink = play(lane, 105);
    expect(of('mig_changed')).toHaveLength(1);
    expect(cell(lane, sink.ofDevice(2).at(-1)!, SM_ACTIVE)).not.toBeNaN();
    expect(sink.ofDevice(3).length).toBeLessThan(105);
    expect(of('engine_lost')).toEqual([]);
  });

  it('is told when a GPU is cut that was whole, and when what was taken away is there again', () => {
    open([lane]);
    play(lane, 5);
    fake.set('mig', 0b10);
    play(lane, 100);
    expect(of('mig_changed')).toHaveLength(1);
    fake.set('mig', 0);
    play(lane, 100);
    expect(of('mig_changed')).toHaveLength(2);
  });

  it('has its instances sampled again when they are there again', () => {
    fake.set('mig', 0b10);
    open([lane], { devices: 'i' });
    play(lane, 5);
    fake.set('mig', 0);
    play(lane, 200);
    fake.set('mig', 0b10);
    const sink = play(lane, 105);
    expect(of('mig_changed')).toHaveLength(2);
    expect(sink.ofDevice(2).length).toBeGreaterThan(0);
    expect(cell(lane, sink.ofDevice(2).at(-1)!, SM_ACTIVE)).not.toBeNaN();
    expect(of('gap').map(({ gpu }) => gpu?.slice(0, 12))).toEqual(['MIG-00000008', 'MIG-00000009']);
  });

  it('is not thought to have changed while its GPU is away', () => {
    fake.set('mig', 0b10);
    open([lane]);
    play(lane, 99);
    fake.set('lost_gpu', 2);
    expect(play(lane, 10).ofDevice(2)).toEqual([]);
    fake.set('lost_gpu', 0);
    expect(play(lane, 60).ofDevice(2).length).toBeGreaterThan(0);
    expect(of('mig_changed')).toEqual([]);
    expect(of('engine_found').map(({ gpu }) => gpu)).toEqual([
      'GPU-00000001-fade-4000-8000-000000000001',
      'MIG-00000008-fade-4000-8000-000000000000',
      'MIG-00000009-fade-4000-8000-000000000000',
    ]);
  });

  it('is looked at while another GPU is lost for good', () => {
    fake.set('mig', 0b10);
    open([lane]);
    play(lane, 5);
    fake.set('lost_gpu', 8);
    // Searches at once, then 5, 10, 20 and 40 s after one another: there is none for half a minute now.
    play(lane, 400);
    fake.set('instances', 1);
    const sink = play(lane, 120);
    expect(of('mig_changed')).toHaveLength(1);
    expect(sink.ofDevice(3).length).toBeLessThan(120);
    expect(of('engine_lost').map(({ gpu }) => gpu?.slice(0, 12))).toEqual(['GPU-00000007']);
  });

  it('may be another when its GPU is back', () => {
    fake.set('mig', 0b10);
    open([lane]);
    play(lane, 5);
    fake.set('lost_gpu', 2);
    play(lane, 1);
    fake.set('lost_gpu', 0);
    fake.set('instances', 1);
    const sink = play(lane, 100);
    expect(sink.ofDevice(2)).toHaveLength(100);
    expect(sink.ofDevice(3)).toEqual([]);
    expect(of('mig_changed').map(({ tsUs }) => tsUs)).toEqual([sink.rows[0]!.tsUs]);
    // Nobody looks any longer for what was taken away, and the next change is seen too.
    expect(fake.get('starts')).toBe(2);
    fake.set('instances', 2);
    expect(play(lane, 105).ofDevice(3).length).toBeGreaterThan(0);
    expect(of('mig_changed')).toHaveLength(2);
  });

  it('does not take a new instance of the same number for the old one', () => {
    fake.set('mig', 0b10);
    open([lane]);
    // The look at the layout comes every 10 s: the change falls just before one.
    play(lane, 99);
    fake.set('generation', 1);
    const sink = play(lane, 50);
    expect(fake.get('mixed_pairs')).toBe(0);
    expect([sink.ofDevice(2), sink.ofDevice(3)]).toEqual([[], []]);
    expect(sink.ofDevice(0)).toHaveLength(50);
  });
});

describe('a lost GPU', () => {
  it('has no rows, costs the others one pair a search, and leaves a gap when it is back', () => {
    open([lane]);
    play(lane, 5);
    fake.set('lost_gpu', 4);
    const sink = play(lane, 300);
    expect(sink.ofDevice(3)).toEqual([]);
    const others = sink.ofDevice(2);
    expect(others).toHaveLength(300);
    // Searches at once, then 5 and 10 s later: each costs the pairs of two ticks.
    expect(others.filter((row) => Number.isNaN(cell(lane, row, SM_ACTIVE)))).toHaveLength(6);
    expect(others.every((row) => cell(lane, row, POWER) === 502)).toBe(true);
    expect(of('engine_lost')).toEqual([
      {
        tsUs: START + 600_000,
        node: 'n1',
        gpu: 'GPU-00000003-fade-4000-8000-000000000003',
        kind: 'engine_lost',
        code: 15,
        subject: 'nvml',
        text: 'GPU-00000003-fade-4000-8000-000000000003 is lost: NVML answered GPU_IS_LOST (15)',
      },
    ]);
    fake.set('lost_gpu', 0);
    const back = play(lane, 100).ofDevice(3);
    expect(back.length).toBeGreaterThan(0);
    expect(of('engine_found')).toHaveLength(1);
    expect(of('engine_found')[0]).toMatchObject({ tsUs: START + 600_000, endUs: back[0]!.tsUs });
    expect(of('gap').map(({ gpu, tsUs, endUs, subject }) => [gpu, tsUs, endUs, subject])).toEqual([
      ['GPU-00000003-fade-4000-8000-000000000003', START + 500_000, back[0]!.tsUs, 'profiling'],
    ]);
    expect(of('blank_begin')).toEqual([]);
  });

  it('has its gap up to its first row, though its first answers are blank', () => {
    const profiling = laneOf(0, 'profiling', 100, [1002, 1003]);
    open([profiling]);
    play(profiling, 5);
    fake.set('lost_gpu', 4);
    play(profiling, 300);
    fake.set('lost_gpu', 0);
    const back = play(profiling, 100).ofDevice(3);
    expect(of('gap').map(({ endUs }) => endUs)).toEqual([back[0]!.tsUs]);
  });

  it('is looked for less and less often', () => {
    open([lane]);
    fake.set('lost_gpu', 4);
    const slow = laneOf(0, 'profiling', 1000, FORTY_FIELDS);
    const before = fake.get('starts');
    play(slow, 600);
    // At once and after 5, 10, 20, 40, 80, 160 s; the next would be 300 s after that.
    expect(fake.get('starts') - before).toBe(7);
  });

  it('that hangs in the driver is left alone for a minute', () => {
    open([lane]);
    play(lane, 5);
    fake.set('slow_gpu', 4);
    fake.set('slow_us', 1_500_000);
    const before = fake.get('clock_us');
    const rows = play(lane, 1).rows;
    // Not one call after the two seconds were over.
    expect(fake.get('clock_us') - before).toBe(3_100_000);
    expect(rows.map(({ device }) => device)).toEqual([0, 1, 2, 4, 5, 6, 7]);
    expect(rows.at(-1)!.tsUs).toBe(START + 3_600_000);
    const starts = fake.get('starts');
    const restedUs = fake.get('clock_us');
    expect(play(lane, 500).ofDevice(3)).toEqual([]);
    // Nothing is asked of it: each call would move the clock.
    expect(fake.get('clock_us') - restedUs).toBe(50_000_000);
    expect(fake.get('starts')).toBe(starts);
    expect(of('engine_lost').map(({ code }) => code)).toEqual([10]);
    // The search for it asks one question.
    const searchedUs = fake.get('clock_us');
    expect(play(lane, 150).ofDevice(3)).toEqual([]);
    const searches = fake.get('starts') - starts;
    expect(searches).toBeGreaterThan(0);
    expect(fake.get('clock_us') - searchedUs).toBe(15_000_000 + searches * 1_500_000);
    fake.set('slow_gpu', 0);
    expect(play(lane, 300).ofDevice(3).length).toBeGreaterThan(0);
  });
});

describe('a driver that starts anew', () => {
  it('makes every handle stale: the library is initialised anew and all goes on', () => {
    open([lane]);
    play(lane, 5);
    fake.set('lose_handles', 1);
    const sink = play(lane, 10);
    expect(of('engine_lost')).toHaveLength(8);
    expect(of('engine_found')).toHaveLength(8);
    expect(sink.ofDevice(3)).toHaveLength(9);
    expect(cell(lane, sink.ofDevice(3).at(-1)!, SM_ACTIVE)).not.toBeNaN();
    expect([fake.get('gpm_samples'), fake.get('inits')]).toEqual([8 * SAMPLES_A_DEVICE, 1]);
    // Its search at the next tick was the only one.
    expect(fake.get('starts')).toBe(2);
  });

  it.each([
    ['UNINITIALIZED', 1],
    ['DRIVER_NOT_LOADED', 9],
    ['GPU_NOT_FOUND', 28],
  ])('is noticed by %s', (_name, code) => {
    open([lane]);
    play(lane, 5);
    fake.set('fail_all', code);
    expect(play(lane, 1).rows).toEqual([]);
    fake.set('fail_all', 0);
    expect(play(lane, 1).rows).toHaveLength(8);
    expect(of('engine_lost')[0]?.code).toBe(code);
  });

  it('may be away for a while', () => {
    open([lane]);
    play(lane, 5);
    fake.set('fail_all', 9);
    fake.set('init_fails', 9);
    expect(play(lane, 100).rows).toEqual([]);
    fake.set('fail_all', 0);
    fake.set('init_fails', 0);
    const sink = play(lane, 100);
    expect(sink.ofDevice(0).length).toBeGreaterThan(0);
    expect(of('engine_lost')).toHaveLength(8);
    expect(of('gap')).toHaveLength(8);
    expect(fake.get('inits')).toBe(1);
  });

  it('that was replaced by another version needs a new process', () => {
    open([lane]);
    play(lane, 5);
    fake.set('fail_all', 18);
    fake.set('init_fails', 18);
    play(lane, 1);
    expect(() => play(lane, 1)).toThrow(
      expect.objectContaining({ exit: 'temporary', code: 'nvml.driver_replaced' }) as Error,
    );
  });
});
