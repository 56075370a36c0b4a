import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SampledLane, Source } from '../../../src/core/sampling/source.ts';
import type { DcgmOptions } from '../../../src/source/dcgm/dcgm.ts';
import { requestPause, withdrawPause } from '../../../src/source/profiling-pause.ts';
import { FORTY_FIELDS, laneOf } from '../../helpers/lanes.ts';
import { playedDcgm, START } from '../../helpers/played-dcgm.ts';
import { createRowSink } from '../../helpers/row-sink.ts';
import { truthDouble, truthInt } from '../../helpers/truth.ts';

const dcgm = playedDcgm();
const { fake, of } = dcgm;
const lane = laneOf(0, 'profiling', 100, FORTY_FIELDS);

function open(options: Partial<DcgmOptions> = {}): Source {
  return dcgm.open({ lanes: [lane], ...options });
}

/** Ticks a lane at its interval, the fake's clock going along. */
function play(
  from: Source,
  ticks: number,
  of: SampledLane = lane,
  sink = createRowSink(),
): ReturnType<typeof createRowSink> {
  for (let n = 0; n < ticks; n += 1) {
    fake.set('clock_us', fake.get('clock_us') + of.intervalMs * 1000);
    from.sample(of, sink, fake.get('clock_us'));
    sink.next();
  }
  return sink;
}

const column = (id: number, of = lane): number => of.fields.findIndex((field) => field.id === id);

describe('DCGM embedded', () => {
  it('samples every field of every GPU at every tick, with the values that the device had', () => {
    const rows = play(open(), 20).rows;
    expect(rows).toHaveLength(8 * 20);
    for (const row of rows.slice(8)) {
      const at = (id: number): number => row.values[column(id)]!;
      // The stamp of the row is the anchor's; the others of the pass come at most 3 ms later.
      expect([0, 1, 2, 3].map((ms) => truthDouble(1002, row.device, row.tsUs + ms * 1000))).toContain(
        at(1002),
      );
      expect(at(155)).toBe(500 + row.device);
      expect(at(156) / 0.001 - truthInt(156, row.device, row.tsUs)).toBeLessThan(1500);
      expect(row.values.every((value) => Number.isFinite(value))).toBe(true);
    }
  });

  it('has spent the first profiling value after a watch, which is blank with status 0, before its first tick', () => {
    const rows = play(open(), 2).rows;
    expect(rows.every(({ values }) => Number.isFinite(values[column(1002)]!))).toBe(true);
    expect(of('blank_begin')).toEqual([]);
  });

  it('converts to base units by the catalogue', () => {
    fake.set('call_us', 0);
    const row = play(open(), 2).rows.at(-1)!;
    const raw = (id: number): number => truthInt(id, row.device, row.tsUs);
    expect(row.values[column(252)]).toBe(raw(252) * 1_048_576);
    expect(row.values[column(100)]).toBe(raw(100) * 1e6);
    expect(row.values[column(203)]).toBe(raw(203) * 0.01);
  });

  it.each([
    ['not supported', 'unsupported_field', 3],
    ['not permitted', 'forbidden_field', 4],
    ['blank', 'blank_field', 1],
  ])('makes NULL and one event a device of what is %s', (reason, knob, code) => {
    fake.set(knob, 150);
    const opened = open();
    const rows = play(opened, 10).rows;
    expect(rows.every(({ values }) => Number.isNaN(values[column(150)]))).toBe(true);
    expect(rows.every(({ values }) => Number.isFinite(values[column(140)]!))).toBe(true);
    expect(of('blank_begin')).toHaveLength(8);
    expect(of('blank_begin')[0]).toMatchObject({
      subject: 'gpu_temp_celsius',
      code,
      text: `gpu_temp_celsius: ${reason}`,
    });
    fake.set(knob, 0);
    play(opened, 2);
    expect(of('blank_end')).toHaveLength(8);
  });

  it('makes NULL of infinity, which the store would keep as NULL without a word', () => {
    fake.set('infinite_field', 1003);
    expect(play(open(), 3).rows.every(({ values }) => Number.isNaN(values[column(1003)]))).toBe(true);
    expect(of('blank_begin')).toHaveLength(8);
  });

  it('goes on with the other fields when the engine does not know one of them', () => {
    fake.set('unknown_field', 1007);
    const opened = open();
    const rows = play(opened, 3).rows;
    expect(rows).toHaveLength(24);
    expect(rows.every(({ values }) => Number.isNaN(values[column(1007)]))).toBe(true);
    expect(
      rows.slice(8).every(({ values }) => values.filter(Number.isFinite).length === FORTY_FIELDS.length - 1),
    ).toBe(true);
    expect(of('blank_begin')).toHaveLength(8);
    expect(opened.describe?.()).toContain('fields 1007 refused: BADPARAM (-1)');
  });

  it('goes on without the profiling fields when they need root, and says once what to do', () => {
    fake.set('prof_needs_root', 1);
    const opened = open();
    const rows = play(opened, 3).rows;
    expect(
      rows.every(({ values }) => Number.isNaN(values[column(1002)]) && Number.isFinite(values[column(155)]!)),
    ).toBe(true);
    expect(opened.describe?.()).toContain('REQUIRES_ROOT (-29); profiling needs root or CAP_SYS_ADMIN');
    expect(of('blank_begin')).toHaveLength(12 * 8);
    expect(of('blank_begin')[0]).toMatchObject({ code: 4 });
  });

  it('never asks the driver for a profiling field, which kills the engine', () => {
    // The fake aborts the process on it.
    expect(play(open(), 3).rows).toHaveLength(24);
  });

  it('holds back the profiling values of a pause, and tells it as one', () => {
    const pauseDir = mkdtempSync(join(tmpdir(), 'gpuledger-pause-'));
    fake.set('prof_module', 1);
    const sink = createRowSink();
    const opened = open({ pauseDir });
    play(opened, 20, lane, sink);
    requestPause(pauseDir, { name: 'job-17', untilUs: Infinity, by: 'job 17' });
    play(opened, 50, lane, sink);
    expect(fake.get('paused')).toBe(1);
    const before = sink.rows.length;
    // An engine that goes on giving values of the time before must not make the pause look sampled.
    fake.set('paused', 0);
    play(opened, 10, lane, sink);
    withdrawPause(pauseDir, 'job-17');
    play(opened, 60, lane, sink);
    for (const { values } of sink.rows.slice(before, before + 80)) {
      expect(values[column(1002)]).toBeNaN();
      expect(values[column(155)]).toBeGreaterThan(0);
    }
    expect(sink.rows.at(-1)!.values[column(1002)]).toBeGreaterThanOrEqual(0);
    expect(of('paused').map(({ endUs }) => endUs === undefined)).toEqual([true, false]);
    expect(of('blank_begin')).toEqual([]);
  });

  it.each([100, 1000])(
    'leaves out the 0 with which an NVLink bandwidth begins after a watch (%i ms)',
    (ms) => {
      const links = laneOf(0, 'links', ms, [155, 449]);
      const opened = open({ lanes: [links] });
      const sink = createRowSink();
      // Before the watch is due again: what there is is what the watch itself has read.
      opened.sample(links, sink, fake.get('clock_us'));
      expect(sink.rows.every(({ values }) => Number.isNaN(values[1]))).toBe(true);
      const later = play(opened, 2, links).rows;
      expect(later.every(({ values }) => Number.isFinite(values[1]))).toBe(true);
      expect(of('blank_begin')).toEqual([]);
    },
  );

  it('does not take a repeated value for a sample', () => {
    const opened = open();
    play(opened, 3);
    const sink = createRowSink();
    opened.sample(lane, sink, fake.get('clock_us'));
    expect(sink.rows).toEqual([]);
  });

  it.each([
    ['beside others', lane, 1_600_000_000_000_000],
    ['as the first of its lane', laneOf(0, 'energy', 100, [156, 155]), 1_600_000_000_000_000],
    ['in 1970 and alone', laneOf(0, 'energy', 100, [156]), 0],
    ['at 1 s', laneOf(0, 'energy', 1000, [156, 155]), 1_600_000_000_000_000],
    ['in 1970 and alone at 1 s', laneOf(0, 'energy', 1000, [156]), 0],
  ])('keeps sampling a field whose NVML stamps stand still in the past, %s', (_, frozen, fromUs) => {
    fake.set('frozen_field', 156);
    fake.set('frozen_from_us', fromUs);
    fake.set('call_us', 0);
    const rows = play(open({ lanes: [frozen] }), 5, frozen).rows;
    expect(rows).toHaveLength(5 * 8);
    for (const row of rows) {
      expect(row.tsUs).toBeGreaterThan(START);
      const energy = row.values[column(156, frozen)]!;
      expect(Math.abs(energy - truthInt(156, row.device, row.tsUs) * 0.001)).toBeLessThan(0.01);
    }
    expect(of('frozen_stamps').map(({ text }) => text)).toEqual([
      expect.stringMatching(/^the stamps of 8 series stand still/),
    ]);
  });

  it('makes no ids out of group numbers beyond 2^53', () => {
    fake.set('first_id', 0x7ffffffffffff001n);
    expect(play(open(), 2).rows).toHaveLength(16);
  });

  it('watches a slow lane so that its own tick finds it due', () => {
    const slow = laneOf(1, 'device', 1000, [150, 155]);
    const opened = open({ lanes: [laneOf(0, 'profiling', 100, [1002, 155]), slow] });
    const fast = opened;
    const sink = createRowSink();
    for (let n = 1; n <= 100; n += 1) {
      fake.set('clock_us', START + n * 100_000);
      fast.sample(laneOf(0, 'profiling', 100, [1002, 155]), createRowSink(), fake.get('clock_us'));
      if (n % 10 === 0) {
        opened.sample(slow, sink, fake.get('clock_us'));
        sink.next();
      }
    }
    const temperatures = sink.ofDevice(0).map(({ values }) => values[0]);
    expect(temperatures).toHaveLength(10);
    expect(temperatures.every((value) => Number.isFinite(value))).toBe(true);
  });

  it('refuses a lane of profiling fields below 100 ms', () => {
    expect(() => open({ lanes: [laneOf(0, 'profiling', 50, [1002])] })).toThrow(
      /interval 50ms is below 100 ms/,
    );
    expect(() => open({ lanes: [laneOf(0, 'device', 50, [155])] })).not.toThrow();
  });
});

describe('DCGM embedded, on a busy node', () => {
  it.each([100, 1000])(
    'has every field at every tick of %i ms though a pass of the engine takes a third of 100 ms',
    (ms) => {
      fake.set('call_us', 100);
      fake.set('busy_us', 12_000);
      const busy = laneOf(0, 'busy', ms, FORTY_FIELDS);
      const rows = play(open({ lanes: [busy] }), 300, busy).rows;
      expect(rows).toHaveLength(8 * 300);
      const cells = rows.slice(8).flatMap(({ values }) => values);
      expect(cells.filter(Number.isNaN).length).toBeLessThanOrEqual(0.001 * cells.length);
      for (const { device, tsUs, values } of rows) {
        const behind = values[column(156, busy)]! / 0.001 - truthInt(156, device, tsUs);
        // 500 W, stamped at the end of a pass of at most 45 ms.
        expect(behind).toBeGreaterThanOrEqual(-1);
        expect(behind).toBeLessThan(0.5 * 45_000);
      }
    },
  );

  it('keeps the profiling values of a tick that comes late by more than half an interval', () => {
    const opened = open();
    play(opened, 5);
    const sink = createRowSink();
    for (const lateMs of [150, 100, 170, 100]) {
      fake.set('clock_us', fake.get('clock_us') + lateMs * 1000);
      opened.sample(lane, sink, fake.get('clock_us'));
      sink.next();
    }
    expect(sink.ofDevice(3).map(({ values }) => Number.isFinite(values[column(1002)]))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it('gives a lane what the pass of another lane has taken, once, where that lies within half an interval', () => {
    const [fast, slow] = [laneOf(0, 'fast', 100, [155, 1002]), laneOf(1, 'slow', 250, [150])];
    const opened = open({ lanes: [fast, slow] });
    const sink = createRowSink();
    play(opened, 3, fast);
    for (const [at, each, into] of [
      [70, slow, createRowSink()],
      [100, fast, sink],
      [200, fast, sink],
    ] as const) {
      fake.set('clock_us', START + 300_000 + at * 1000);
      opened.sample(each, into, fake.get('clock_us'));
      into.next();
    }
    expect(sink.ofDevice(0)).toHaveLength(2);
    expect(sink.ofDevice(0).every(({ values }) => values.every(Number.isFinite))).toBe(true);
  });
});

describe('DCGM devices', () => {
  it('lists every identity of a GPU', () => {
    expect(open().devices[2]).toEqual({
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
        serial: '1650423001234',
        vbiosVersion: '96.00.A5.00.01',
        inforomImageVersion: 'G520.0280.00.01',
        inforomOemVersion: '2.1',
        inforomEccVersion: '7.16',
        nvmlVersion: '13.595.45.04',
        processName: 'node',
      },
    });
  });

  it.each([100, 1000])(
    'samples the instances of a GPU that is cut, with what an instance has (%i ms)',
    (ms) => {
      fake.set('mig', 0b10);
      const timed = laneOf(0, 'profiling', ms, FORTY_FIELDS);
      const opened = open({ lanes: [timed] });
      expect(opened.devices.map(({ uuid }) => uuid).slice(0, 5)).toEqual([
        'GPU-00000000-fade-4000-8000-000000000000',
        'GPU-00000001-fade-4000-8000-000000000001',
        'MIG-00000008-fade-4000-8000-000000000000',
        'MIG-00000009-fade-4000-8000-000000000000',
        'GPU-00000002-fade-4000-8000-000000000002',
      ]);
      expect(opened.devices[2]).toMatchObject({
        parentUuid: 'GPU-00000001-fade-4000-8000-000000000001',
        gpuInstanceId: 1,
        computeInstanceId: 0,
      });
      const sink = play(opened, 3, timed);
      const row = sink.ofDevice(2).at(-1)!;
      expect(row.values[column(1002)]).toBe(truthDouble(1002, 108, row.tsUs));
      // Asked of an instance, the engine answers these with the parent's.
      const ofGpus = [1009, 155, 156, 100, 150, 203, 202];
      expect(ofGpus.map((id) => row.values[column(id)])).toEqual(ofGpus.map(() => NaN));
      const parent = sink.ofDevice(1).at(-1)!;
      expect(opened.devices[1]!.isCut).toBe(true);
      expect(parent.values[column(155)]).toBe(501);
      expect(of('blank_begin')).toEqual([]);
    },
  );

  it.each([100, 1000])('tells the XIDs of an instance as events of that instance (%i ms)', (ms) => {
    fake.set('mig', 0b10);
    const timed = laneOf(0, 'profiling', ms, FORTY_FIELDS);
    const opened = open({ lanes: [timed] });
    play(opened, 15, timed);
    fake.set('xid_ci', 8_031);
    fake.set('xid_gi', 9_043);
    play(opened, 15, timed);
    expect(of('xid').map(({ gpu, code }) => [gpu, code])).toEqual([
      ['MIG-00000009-fade-4000-8000-000000000000', 43],
      ['MIG-00000008-fade-4000-8000-000000000000', 31],
    ]);
  });

  it('samples what the selector names, and tells what is absent', () => {
    expect(open({ devices: 'g:1,3,12' }).devices.map(({ index }) => index)).toEqual([1, 3]);
    expect(of('unresolved').map(({ subject }) => subject)).toEqual(['g:12']);
  });
});

describe('DCGM events', () => {
  it.each([
    [100, lane],
    [1000, laneOf(0, 'slow', 1000, FORTY_FIELDS)],
  ])(
    'tells the silence of one device while the others answer: open at once, closed when it is over (%i ms)',
    (_, timed) => {
      const opened = open({ lanes: [timed] });
      play(opened, 5, timed);
      fake.set('lost_gpu', 3);
      const away = play(opened, 20, timed);
      expect(away.ofDevice(2)).toEqual([]);
      expect(away.ofDevice(1)).toHaveLength(20);
      expect(of('gap').map(({ gpu, endUs }) => [gpu, endUs])).toEqual([[opened.devices[2]!.uuid, undefined]]);
      fake.set('lost_gpu', 0);
      const back = play(opened, 2, timed);
      expect(of('gap')).toHaveLength(2);
      expect(of('gap')[1]).toMatchObject({ tsUs: of('gap')[0]!.tsUs, endUs: back.ofDevice(2)[0]!.tsUs });
      // A device that is away is told of by its gap, and not once a field.
      expect(of('blank_begin')).toEqual([]);
    },
  );

  it('tells a device that never answered by its blanks: no row is there that a gap could begin at', () => {
    fake.set('lost_gpu', 3);
    const opened = open();
    expect(play(opened, 3).ofDevice(2)).toEqual([]);
    expect(of('gap')).toEqual([]);
    expect(new Set(of('blank_begin').map(({ gpu }) => gpu))).toEqual(new Set([opened.devices[2]!.uuid]));
  });

  it('tells every XID of a burst once, and none of before', () => {
    fake.set('xid', 2043);
    fake.set('clock_us', START + 1000);
    const opened = open();
    play(opened, 12);
    expect(of('xid')).toEqual([]);
    for (const code of [31, 45, 13]) fake.set('xid', 2000 + code);
    play(opened, 25);
    expect(of('xid').map(({ gpu, code }) => [gpu, code])).toEqual([
      ['GPU-00000002-fade-4000-8000-000000000002', 31],
      ['GPU-00000002-fade-4000-8000-000000000002', 45],
      ['GPU-00000002-fade-4000-8000-000000000002', 13],
    ]);
  });

  it.each([
    ['there was none before', []],
    ['there was one before', [43]],
  ])('goes on after the clock was set back by an hour, and tells XIDs once: %s', (_, before) => {
    const opened = open();
    play(opened, 1);
    for (const code of before) fake.set('xid', 2000 + code);
    play(opened, 25);
    fake.set('clock_us', fake.get('clock_us') - 3_600_000_000);
    // Nothing waits until the clock has come to where it was.
    expect(play(opened, 12).rows).toHaveLength(12 * 8);
    for (const code of [31, 45]) fake.set('xid', 2000 + code);
    play(opened, 25);
    expect(of('xid').map(({ code }) => code)).toEqual([...before, 31, 45]);
  });

  it('tells throttle edges: open at the rise, the same row with its end at the fall', () => {
    const opened = open();
    play(opened, 12);
    fake.set('throttle', 0x48);
    play(opened, 12);
    fake.set('throttle', 0x40);
    play(opened, 12);
    const first = of('throttle').filter(({ gpu }) => gpu === opened.devices[0]!.uuid);
    expect(first.map(({ subject, endUs }) => [subject, endUs === undefined])).toEqual([
      ['hw_slowdown', true],
      ['hw_thermal_slowdown', true],
      ['hw_slowdown', false],
    ]);
    expect(first[2]?.tsUs).toBe(first[0]?.tsUs);
  });

  it('tells a rise of the ECC counter', () => {
    const opened = open();
    play(opened, 12);
    fake.set('step_field', 311);
    fake.set('step_value', 3);
    play(opened, 120);
    expect(of('ecc')).toHaveLength(8);
    expect(of('ecc')[0]).toMatchObject({ code: 3 });
  });

  it('tells a health incident when it comes and when it goes', () => {
    const opened = open();
    play(opened, 2);
    fake.set('incident', 7);
    play(opened, 620);
    fake.set('incident', 0);
    play(opened, 620);
    expect(
      of('health').map(({ code, subject, gpu, endUs }) => [code, subject, gpu, endUs === undefined]),
    ).toEqual([
      [7, 'mem', opened.devices[3]!.uuid, true],
      [7, 'mem', opened.devices[3]!.uuid, false],
    ]);
  });

  it('does without health where the engine has no module for it', () => {
    fake.set('no_health_module', 1);
    fake.set('incident', 7);
    expect(play(open(), 3).rows).toHaveLength(24);
    expect(of('health')).toEqual([]);
  });
});
