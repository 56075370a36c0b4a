import { describe, expect, it } from 'vitest';
import { loadDcgm } from '../../../native/dcgm.ts';
import type { SampledLane, Source } from '../../../src/core/sampling/source.ts';
import type { DcgmOptions } from '../../../src/source/dcgm/dcgm.ts';
import { parseEngineAddress } from '../../../src/source/dcgm/engine-address.ts';
import { FORTY_FIELDS, laneOf } from '../../helpers/lanes.ts';
import { playSource } from '../../helpers/play-source.ts';
import { ENGINE_KNOBS, playedDcgm, START } from '../../helpers/played-dcgm.ts';
import { createRowSink } from '../../helpers/row-sink.ts';
import type { RowSink } from '../../helpers/row-sink.ts';
import { truthDouble, truthInt } from '../../helpers/truth.ts';

const dcgm = playedDcgm(ENGINE_KNOBS);
const { fake, now, of } = dcgm;
const SECOND = 1_000_000;
const lane = laneOf(0, 'profiling', 100, FORTY_FIELDS);
const column = (id: number, of = lane): number => of.fields.findIndex((field) => field.id === id);

function open(options: Partial<DcgmOptions> = {}): Source {
  return dcgm.open({ lanes: [lane], engine: 'unix:///run/engine', ...options });
}

function play(
  from: Source,
  seconds: number,
  sinks: readonly RowSink[],
  lanes: readonly SampledLane[] = [lane],
): void {
  playSource(fake, from, seconds, sinks, lanes);
}

function finish(from: Source, sinks: readonly RowSink[], lanes: readonly SampledLane[] = [lane]): void {
  for (const [index, each] of lanes.entries()) from.finish?.(each, sinks[index]!);
}

/** As if the newest row of every device were of this time. */
function storedBy({ devices }: Source, tsUs: number): Map<string, number> {
  return new Map(devices.map(({ uuid }) => [uuid, tsUs]));
}

/** Every stamp once, rising, and every value the one that the device had then. */
function expectTrue(sink: RowSink, devices = 8): void {
  for (let device = 0; device < devices; device += 1) {
    const stamps = sink.ofDevice(device).map(({ tsUs }) => tsUs);
    expect(stamps).toEqual([...new Set(stamps)].sort((a, b) => a - b));
  }
  for (const { device, tsUs, values } of sink.rows) {
    const sm = values[column(1002)]!;
    // The sample was taken within half an interval of the row's stamp; the truth rises by 0.001 a millisecond.
    const offMs = Math.round(Math.abs(sm - truthDouble(1002, device, tsUs)) * 1000);
    if (!Number.isNaN(sm)) expect(Math.min(offMs, 1000 - offMs)).toBeLessThanOrEqual(50);
    const energy = values[column(156)]!;
    if (!Number.isNaN(energy))
      expect(Math.abs(energy - truthInt(156, device, tsUs) * 0.001)).toBeLessThan(30);
  }
}

/** The rows of a collector that was away from its engine on TCP for 100 s; expects that no reply stalled when it came back. */
function rowsAfterLongAbsence(lanes: readonly SampledLane[]): RowSink {
  const before = open({ engine: 'localhost', lanes });
  play(before, 5, [createRowSink()], lanes);
  dcgm.close(before);
  const storedUs = now();
  fake.set('clock_us', now() + 100 * SECOND);
  fake.set('stalls', 0);
  const sink = createRowSink();
  const opened = open({ engine: 'localhost', lanes, resumeFromUs: [storedBy(before, storedUs)] });
  expect(fake.get('stalls')).toBe(0);
  play(opened, 3, [sink], lanes);
  finish(opened, [sink], lanes);
  return sink;
}

describe.each(['poll', 'pull'] as const)('DCGM host engine by %s', (route) => {
  it('delivers every sample that the engine holds, once, with its values', () => {
    const sink = createRowSink();
    const opened = open({ route, flushIntervalMs: 15_000 });
    play(opened, 60, [sink]);
    finish(opened, [sink]);
    expectTrue(sink);
    for (const device of [0, 3, 7]) {
      const held = fake.get(`held.${device}.1002`);
      expect(held).toBeGreaterThan(590);
      // The pull that would bring the newest 15 s has not come yet.
      expect(sink.ofDevice(device).length).toBeGreaterThanOrEqual(route === 'pull' ? held - 150 : held - 1);
      expect(sink.ofDevice(device).length).toBeLessThanOrEqual(held);
    }
    expect(of('gap')).toEqual([]);
    const blanks = sink.rows
      .flatMap(({ values }) => values.slice(1, 40))
      .filter((value) => Number.isNaN(value));
    // Only the first profiling value of each series may be missing.
    expect(blanks.length).toBeLessThanOrEqual(8 * 12);
  });

  it('records gaps that equal the holes in the stamps when the engine dies and comes back', () => {
    const sink = createRowSink();
    const opened = open({ route, flushIntervalMs: 2_000 });
    play(opened, 10, [sink]);
    fake.set('engine_alive', 0);
    play(opened, 7, [sink]);
    fake.set('engine_alive', 1);
    play(opened, 20, [sink]);
    finish(opened, [sink]);
    expectTrue(sink);
    expect(of('engine_lost')).toHaveLength(1);
    expect(of('engine_found')).toHaveLength(1);
    expect(of('gap')).toHaveLength(8);
    for (const gap of of('gap')) {
      const device = opened.devices.findIndex(({ uuid }) => uuid === gap.gpu);
      const stamps = sink.ofDevice(device).map(({ tsUs }) => tsUs);
      const after = stamps.findIndex((ts) => ts === gap.endUs);
      expect(stamps[after - 1]).toBe(gap.tsUs);
      expect(gap.endUs! - gap.tsUs).toBeGreaterThan(6.5 * SECOND);
      // Fresh watches: the rows after the gap carry values of after it.
      expect(stamps.filter((ts) => ts > gap.tsUs && ts < gap.endUs!)).toEqual([]);
    }
    // The first profiling value after each watch is blank by nature.
    expect(of('blank_begin')).toEqual([]);
  });

  it('tells the silence of one device while the others answer: open at once, closed when it is over', () => {
    const sink = createRowSink();
    const opened = open({ route, flushIntervalMs: 1_000 });
    play(opened, 6, [sink]);
    fake.set('lost_gpu', 3);
    play(opened, 6, [sink]);
    const told = of('gap');
    expect(told.map(({ gpu, subject, endUs }) => [gpu, subject, endUs])).toEqual([
      [opened.devices[2]!.uuid, 'profiling', undefined],
    ]);
    expect(told[0]!.tsUs).toBe(sink.ofDevice(2).at(-1)!.tsUs);
    fake.set('lost_gpu', 0);
    play(opened, 6, [sink]);
    finish(opened, [sink]);
    const after = sink.ofDevice(2).find(({ tsUs }) => tsUs > told[0]!.tsUs)!;
    expect(of('gap').slice(1)).toEqual([
      expect.objectContaining({ gpu: opened.devices[2]!.uuid, tsUs: told[0]!.tsUs, endUs: after.tsUs }),
    ]);
    expect(sink.ofDevice(1).length).toBeGreaterThan(150);
    expect(sink.ofDevice(2).every(({ values }) => values.some(Number.isFinite))).toBe(true);
    // A device that is away is told of by its gap, and not once a field.
    expect(of('blank_begin')).toEqual([]);
  });

  it('tells a device that never answered by its blanks: no row is there that a gap could begin at', () => {
    const sink = createRowSink();
    fake.set('lost_gpu', 3);
    const opened = open({ route, flushIntervalMs: 1_000 });
    play(opened, 6, [sink]);
    expect(sink.ofDevice(2)).toEqual([]);
    expect(of('gap')).toEqual([]);
    expect(new Set(of('blank_begin').map(({ gpu }) => gpu))).toEqual(new Set([opened.devices[2]!.uuid]));
  });

  it('survives 20 deaths in a row', () => {
    const sink = createRowSink();
    const opened = open({ route, flushIntervalMs: 1_000 });
    for (let n = 0; n < 20; n += 1) {
      play(opened, 3, [sink]);
      fake.set('engine_alive', 0);
      play(opened, 3, [sink]);
      fake.set('engine_alive', 1);
    }
    play(opened, 12, [sink]);
    finish(opened, [sink]);
    expectTrue(sink);
    expect(of('engine_found')).toHaveLength(20);
    expect(of('gap')).toHaveLength(20 * 8);
  });

  it('keeps its connection through an engine that is stopped for 20 s, and records that hole', () => {
    const sink = createRowSink();
    const opened = open({ route, flushIntervalMs: 2_000 });
    play(opened, 10, [sink]);
    const connects = fake.get('connects');
    fake.set('hung', 1);
    play(opened, 20, [sink]);
    fake.set('hung', 0);
    play(opened, 10, [sink]);
    finish(opened, [sink]);
    expectTrue(sink);
    expect(fake.get('connects')).toBe(connects);
    expect(of('engine_lost').map(({ code }) => code)).toEqual([-11]);
    expect(of('engine_found')).toHaveLength(1);
    expect(of('gap')).toHaveLength(8);
  });

  it('fetches what the engine kept while it was not running', () => {
    const first = createRowSink();
    let opened = open({ route, flushIntervalMs: 1_000 });
    play(opened, 10, [first]);
    finish(opened, [first]);
    dcgm.close(opened);
    const storedUs = Math.max(...first.rows.map(({ tsUs }) => tsUs));
    fake.set('clock_us', now() + 30 * SECOND);
    const second = createRowSink();
    opened = open({ route, flushIntervalMs: 1_000, resumeFromUs: [storedBy(opened, storedUs)] });
    play(opened, 10, [second]);
    finish(opened, [second]);
    expectTrue(second);
    const both = createRowSink();
    both.rows.push(...first.rows, ...second.rows);
    expectTrue(both);
    const stamps = both.ofDevice(4).map(({ tsUs }) => tsUs);
    expect(Math.max(...stamps.slice(1).map((ts, n) => ts - stamps[n]!))).toBeLessThan(110_000);
    expect(of('gap')).toEqual([]);
    // The second life found the groups of the first instead of making more.
    expect(fake.get('groups')).toBe(1);
  });
});

describe('DCGM host engine: traps', () => {
  it('drops the repeats that polling faster than the engine brings', () => {
    const sink = createRowSink();
    const opened = open();
    play(opened, 10, [sink]);
    expect(fake.get('latest_calls')).toBeGreaterThan(110);
    expect(sink.ofDevice(0).length).toBeLessThanOrEqual(100);
    expectTrue(sink);
  });

  it('fetches what a late poll has missed, so that no kept sample is lost', () => {
    const sink = createRowSink();
    const opened = open();
    play(opened, 5, [sink]);
    fake.set('clock_us', now() + 4 * SECOND);
    play(opened, 5, [sink]);
    finish(opened, [sink]);
    expectTrue(sink);
    expect(sink.ofDevice(5).length).toBeGreaterThanOrEqual(fake.get('held.5.1002') - 1);
    expect(of('gap')).toEqual([]);
  });

  it('splits its reads on TCP so that no reply stalls', () => {
    const sink = createRowSink();
    const opened = open({ engine: 'localhost:5555' });
    play(opened, 20, [sink]);
    expect(fake.get('stalls')).toBe(0);
    expectTrue(sink);
  });

  it('splits its reads of MIG instances on TCP too', () => {
    fake.set('mig', 0b1111_1111);
    fake.set('instances', 7);
    const lanes = [laneOf(0, 'profiling', 100, [1002, 1004, 1005, 252])];
    const sink = createRowSink();
    const opened = open({ engine: 'localhost:5555', lanes });
    expect(opened.devices).toHaveLength(64);
    fake.set('stalls', 0);
    play(opened, 10, [sink], lanes);
    finish(opened, [sink], lanes);
    expect(fake.get('stalls')).toBe(0);
    expect(sink.ofDevice(63).length).toBeGreaterThan(95);
  });

  it('fetches a long past over TCP in pieces that do not stall', () => {
    const sink = rowsAfterLongAbsence([laneOf(0, 'profiling', 100, [1002, 156, 155])]);
    expect(sink.ofDevice(2).length).toBeGreaterThan(1000);
  });

  it('fetches a long past of MIG instances over TCP with small requests beside it, so that no reply stalls', () => {
    fake.set('gpus', 1);
    fake.set('mig', 1);
    fake.set('instances', 2);
    // Longer than a thread of a busy machine waits for its turn.
    fake.set('stall_ms', 2000);
    const sink = rowsAfterLongAbsence([laneOf(0, 'profiling', 100, [1002, 1004])]);
    for (const device of [0, 1]) {
      const rows = sink.ofDevice(1 + device);
      expect(rows.length).toBeGreaterThan(1000);
      expect(new Set(rows.map(({ tsUs }) => tsUs)).size).toBe(rows.length);
      for (const { tsUs, values } of rows) {
        const offMs = Math.round(Math.abs(values[0]! - truthDouble(1002, 100 + device, tsUs)) * 1000);
        expect(Math.min(offMs, 1000 - offMs)).toBeLessThanOrEqual(50);
      }
    }
  });

  it('does not trust a connect that returns 0 with a dead handle', () => {
    fake.set('dead_handles', 1);
    expect(() => open()).toThrow(
      expect.objectContaining({ exit: 'temporary', code: 'dcgm.connection_not_valid' }) as Error,
    );
    const sink = createRowSink();
    const opened = open();
    play(opened, 2, [sink]);
    fake.set('engine_alive', 0);
    play(opened, 1, [sink]);
    fake.set('engine_alive', 1);
    fake.set('dead_handles', 2);
    play(opened, 12, [sink]);
    finish(opened, [sink]);
    expect(sink.rows.at(-1)!.tsUs).toBeGreaterThan(now() - SECOND);
  });

  it('lists the devices without touching the watches of others, or of its own last life', () => {
    const ids = [1002, 155, 250, 54];
    for (const id of ids) fake.foreignWatch(3, id, SECOND / 2, 60);
    const lanes = [laneOf(0, 'profiling', 100, [1002, 155])];
    const opened = open({ lanes });
    // Memory and UUID are what the list asks for, and no lane of this collector has them.
    expect(fake.get('interval.3.250')).toBe(SECOND / 2);
    expect(fake.get('interval.3.54')).toBe(SECOND / 2);
    play(opened, 2, [createRowSink()], lanes);
    fake.set('engine_alive', 0);
    play(opened, 1, [createRowSink()], lanes);
    fake.set('engine_alive', 1);
    for (const id of ids) fake.foreignWatch(3, id, SECOND / 2, 60);
    play(opened, 10, [createRowSink()], lanes);
    expect(of('engine_found')).toHaveLength(1);
    expect(fake.get('interval.3.250')).toBe(SECOND / 2);
  });

  it('goes on when an engine dies again while it tells its devices', () => {
    const sink = createRowSink();
    const opened = open();
    play(opened, 2, [sink]);
    fake.set('engine_alive', 0);
    play(opened, 1, [sink]);
    fake.set('silent_lists', 2);
    fake.set('engine_alive', 1);
    play(opened, 15, [sink]);
    finish(opened, [sink]);
    expect(sink.rows.at(-1)!.tsUs).toBeGreaterThan(now() - SECOND);
  });

  it('ends (75) when an engine comes back with other numbers for its GPUs', () => {
    const opened = open();
    play(opened, 2, [createRowSink()]);
    fake.set('engine_alive', 0);
    play(opened, 1, [createRowSink()]);
    fake.set('renumbered', 1);
    fake.set('engine_alive', 1);
    expect(() => {
      play(opened, 12, [createRowSink()]);
    }).toThrow(expect.objectContaining({ exit: 'temporary', code: 'dcgm.renumbered' }) as Error);
  });

  it('says that a dead engine is worth trying again', () => {
    fake.set('engine_alive', 0);
    expect(() => open({ engine: 'gpu-7:5555' })).toThrow(
      expect.objectContaining({ exit: 'temporary', where: 'gpu-7:5555' }) as Error,
    );
  });

  it('pulls by time from an engine that is older than the library', () => {
    fake.set('engine_minor', 4);
    const sink = createRowSink();
    const opened = open({ route: 'poll', flushIntervalMs: 2_000 });
    expect(opened.devices[0]).toMatchObject({
      uuid: 'GPU-00000000-fade-4000-8000-000000000000',
      model: 'NVIDIA H200',
      driver: '595.45.04',
      facts: {
        ...{ brand: 'NVIDIA', serial: '1650423001234', vbiosVersion: '96.00.A5.00.01' },
        ...{ inforomImageVersion: 'G520.0280.00.01', nvmlVersion: '13.595.45.04' },
        processName: 'nv-hostengine',
      },
    });
    play(opened, 20, [sink]);
    finish(opened, [sink]);
    expectTrue(sink);
    expect(sink.ofDevice(1).length).toBeGreaterThan(170);
    expect(opened.describe?.()).toContain('4.4.0 host engine at unix:///run/engine, pulling every 2 s');
    expect(fake.get('since_calls')).toBeLessThan(60);
  });

  it('watches a field once for two lanes, at the smaller interval, and the slower takes every n-th sample', () => {
    const lanes = [laneOf(0, 'profiling', 100, [1002, 155, 156]), laneOf(1, 'device', 1000, [155, 150])];
    const sinks = [createRowSink(), createRowSink()];
    const opened = open({ lanes });
    expect(fake.get('interval.0.155')).toBe(100_000);
    expect(fake.get('interval.0.150')).toBe(1_000_000);
    play(opened, 30, sinks, lanes);
    finish(opened, sinks, lanes);
    const slow = sinks[1]!.ofDevice(0).map(({ tsUs }) => tsUs);
    expect(slow.length).toBeGreaterThanOrEqual(29);
    expect(slow.length).toBeLessThanOrEqual(31);
    for (const [n, ts] of slow.slice(1).entries())
      expect(Math.abs(ts - slow[n]! - SECOND)).toBeLessThanOrEqual(110_000);
    expect(sinks[0]!.ofDevice(0).length).toBeGreaterThan(290);
    expect(of('gap')).toEqual([]);
    expect(
      sinks[1]!.rows.filter(({ values }) => values.some((value) => Number.isNaN(value))).length,
    ).toBeLessThanOrEqual(8);
  });

  it('places its watches again when another persistent client has slowed them down', () => {
    const sink = createRowSink();
    const opened = open();
    play(opened, 5, [sink]);
    for (let gpu = 0; gpu < 8; gpu += 1)
      for (const { id } of lane.fields) fake.foreignWatch(gpu, id, SECOND, 30);
    play(opened, 10, [sink]);
    expect(fake.get('interval.0.1002')).toBe(100_000);
    expect(sink.rows.at(-1)!.tsUs).toBeGreaterThan(now() - 3 * SECOND);
  });

  it.each(['poll', 'pull'] as const)(
    'places groups and watches again when the engine forgot them (%s)',
    (route) => {
      const sink = createRowSink();
      const opened = open({ route, flushIntervalMs: 2_000 });
      play(opened, 8, [sink]);
      const connects = fake.get('connects');
      fake.set('forget', 1);
      play(opened, 20, [sink]);
      finish(opened, [sink]);
      expect(fake.get('connects')).toBe(connects);
      expect(sink.rows.at(-1)!.tsUs).toBeGreaterThan(now() - 3 * SECOND);
      expectTrue(sink);
    },
  );

  it('reads newest values, at the time of reading, where NVML stamps stand still', () => {
    fake.set('frozen_field', 156);
    const sink = createRowSink();
    const opened = open({ route: 'pull', flushIntervalMs: 2_000 });
    play(opened, 20, [sink]);
    finish(opened, [sink]);
    expect(opened.describe?.()).toContain('polling');
    const late = sink.ofDevice(0).filter(({ tsUs }) => tsUs > START + 8 * SECOND);
    expect(late.length).toBeGreaterThan(100);
    const energies = late.map(({ values }) => values[column(156)]!);
    expect(energies.filter((value) => Number.isFinite(value)).length).toBeGreaterThan(0.9 * late.length);
    for (const { tsUs, values } of late) {
      const energy = values[column(156)]!;
      if (Number.isFinite(energy))
        expect(Math.abs(energy - truthInt(156, 0, tsUs) * 0.001)).toBeLessThan(150);
    }
  });

  it('samples MIG instances and sends their parents’ events', () => {
    fake.set('mig', 0b100);
    const sink = createRowSink();
    const opened = open();
    expect(opened.devices.map(({ uuid }) => uuid.slice(0, 12))).toContain('MIG-00000016');
    play(opened, 6, [sink]);
    fake.set('xid', 2013);
    play(opened, 3, [sink]);
    finish(opened, [sink]);
    expect(of('xid').map(({ gpu }) => gpu)).toEqual(['GPU-00000002-fade-4000-8000-000000000002']);
    // What is not watched on an instance is no series that is too slow.
    play(opened, 20, [sink]);
    expect(of('rewatched')).toEqual([]);
    expect(of('gap')).toEqual([]);
    const row = sink.ofDevice(3).at(-1)!;
    expect(Math.abs(row.values[column(1002)]! - truthDouble(1002, 116, row.tsUs))).toBeLessThan(0.05);
  });

  it.each([
    ['unix', 'unix:///run/x.sock', 'poll'],
    ['unix', 'unix:///run/x.sock', 'pull'],
    ['tcp', 'localhost:5555', 'poll'],
  ] as const)(
    'leaves out the 0 with which an NVLink bandwidth begins, after each watch (%s, %s %s)',
    (_, engine, route) => {
      const lanes = [laneOf(0, 'links', 1000, [155, 449])];
      const sink = createRowSink();
      const opened = open({ engine, route, lanes });
      play(opened, 10, [sink], lanes);
      fake.set('forget', 1);
      play(opened, 90, [sink], lanes);
      finish(opened, [sink], lanes);
      const cells = sink.ofDevice(0).map(({ values }) => values[1]!);
      expect(cells.filter((value) => value === 0)).toEqual([]);
      expect(cells.filter((value) => Number.isNaN(value)).length).toBeGreaterThan(0);
      expect(cells.filter((value) => Number.isFinite(value)).length).toBeGreaterThan(20);
      expect(of('blank_begin')).toEqual([]);
    },
  );

  it.each([
    ['unix', 'unix:///run/x.sock'],
    ['tcp', 'localhost:5555'],
  ])(
    'tells the XIDs that stand under an instance or its compute instance, all of a burst (%s)',
    (_, engine) => {
      fake.set('mig', 0b100);
      const sink = createRowSink();
      const opened = open({ engine });
      play(opened, 6, [sink]);
      fake.set('xid_gi', 17_031);
      play(opened, 0.01, [sink]);
      fake.set('xid_ci', 17_043);
      fake.set('xid_gi', 17_045);
      play(opened, 3, [sink]);
      fake.set('xid', 2013);
      play(opened, 3, [sink]);
      const instance = 'MIG-00000017-fade-4000-8000-000000000000';
      expect(of('xid').map(({ gpu, code, text }) => [gpu, code, text])).toEqual([
        [instance, 31, 'XID 31 on GPU 2, instance 2'],
        // Of one moment.
        [instance, 45, 'XID 45 on GPU 2, instance 2'],
        [instance, 43, 'XID 43 on GPU 2, instance 2'],
        ['GPU-00000002-fade-4000-8000-000000000002', 13, 'XID 13 on GPU 2'],
      ]);
    },
  );

  it('tells a new MIG layout and goes on with the devices that are left', () => {
    fake.set('mig', 0b10);
    const sink = createRowSink();
    const opened = open();
    play(opened, 5, [sink]);
    fake.set('instances', 1);
    play(opened, 60, [sink]);
    expect(of('mig_changed')).toHaveLength(1);
    expect(sink.ofDevice(0).at(-1)!.tsUs).toBeGreaterThan(now() - 3 * SECOND);
  });

  it('follows an engine whose clock is far from ours', () => {
    const sink = createRowSink();
    const opened = open();
    const skewed: Source = {
      ...opened,
      sample: (of, tick, nowUs) => {
        opened.sample(of, tick, nowUs - 3600 * SECOND);
      },
    };
    skewed.callIntervalMs = (of) => opened.callIntervalMs!(of);
    play(skewed, 20, [sink]);
    expect(sink.ofDevice(0).length).toBeGreaterThan(150);
    expectTrue(sink);
  });

  it('pauses profiling while somebody asks for it, and records that as paused', async () => {
    const { mkdtempSync } = await import('node:fs');
    const { requestPause, withdrawPause } = await import('../../../src/source/profiling-pause.ts');
    const pauseDir = mkdtempSync('/tmp/gpuledger-pause-');
    fake.set('prof_module', 1);
    const sink = createRowSink();
    const opened = open({ pauseDir });
    play(opened, 5, [sink]);
    fake.set('watches', 0);
    requestPause(pauseDir, { name: 'job-17', untilUs: Infinity, by: 'job 17' });
    play(opened, 10, [sink]);
    expect(fake.get('paused')).toBe(1);
    withdrawPause(pauseDir, 'job-17');
    play(opened, 10, [sink]);
    expect(fake.get('paused')).toBe(0);
    finish(opened, [sink]);
    // Blank by request is no fault of the engine's.
    expect(fake.get('watches')).toBe(0);
    expect(of('paused').map(({ text, endUs }) => [text, endUs === undefined])).toEqual([
      ['profiling paused by job 17', true],
      ['profiling paused by job 17', false],
    ]);
    const during = sink
      .ofDevice(0)
      .filter(({ tsUs }) => tsUs > START + 7 * SECOND && tsUs < START + 14 * SECOND);
    expect(during.length).toBeGreaterThan(60);
    expect(
      during.every(
        ({ values }) => Number.isNaN(values[column(1002)]) && Number.isFinite(values[column(155)]!),
      ),
    ).toBe(true);
    expect(of('blank_begin')).toEqual([]);
  });
});

describe('engine addresses', () => {
  it.each([
    ['localhost', 'localhost', false],
    ['gpu-7:5555', 'gpu-7:5555', false],
    ['tcp://10.0.0.1:1', '10.0.0.1:1', false],
    ['[::1]:5555', '[::1]:5555', false],
    ['unix:///run/x.sock', '/run/x.sock', true],
  ])('%s', (text, address, isUnixSocket) => {
    expect(parseEngineAddress(text)).toEqual({ text, address, isUnixSocket });
  });
  it.each(['', 'unix://relative', 'a b', 'host:port', 'http://x'])('refuses "%s"', (text) => {
    expect(() => parseEngineAddress(text)).toThrow(expect.objectContaining({ exit: 'config' }) as Error);
  });
  it('knows the version of the library', () => {
    expect(loadDcgm(fake.path).version).toEqual({ major: 4, minor: 6, text: '4.6.0' });
  });
});
