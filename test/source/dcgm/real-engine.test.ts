/** What a real engine was seen to do beside us, a row of the table of faults a test: over both transports, fast and slow. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { SampledLane, Source } from '../../../src/core/sampling/source.ts';
import type { DcgmOptions } from '../../../src/source/dcgm/dcgm.ts';
import { laneOf } from '../../helpers/lanes.ts';
import { playSource } from '../../helpers/play-source.ts';
import { ENGINE_KNOBS, playedDcgm, START } from '../../helpers/played-dcgm.ts';
import { createRowSink, type RowSink } from '../../helpers/row-sink.ts';

const SECOND = 1_000_000;
const IDS = [1002, 1004, 155, 156, 150, 203];
const DEVICES = 2;
const dcgm = playedDcgm({ ...ENGINE_KNOBS, gpus: DEVICES });
const { fake, now, of } = dcgm;

function open(lane: SampledLane, options: Partial<DcgmOptions> = {}): Source {
  return dcgm.open({ lanes: [lane], ...options });
}

function play(from: Source, lane: SampledLane, seconds: number, sink: RowSink = createRowSink()): RowSink {
  playSource(fake, from, seconds, [sink], [lane]);
  return sink;
}

/** Part of the cells of a column that are NULL, in the rows from a time on. */
function nullRatio(sink: RowSink, column: number, sinceUs: number, untilUs = Infinity): number {
  const rows = sink.rows.filter(({ tsUs }) => tsUs >= sinceUs && tsUs < untilUs);
  return rows.filter(({ values }) => Number.isNaN(values[column])).length / rows.length;
}

function expectSpacing(sink: RowSink, device: number, sinceUs: number, intervalMs: number): void {
  const stamps = sink
    .ofDevice(device)
    .map(({ tsUs }) => tsUs)
    .filter((tsUs) => tsUs >= sinceUs);
  const spanMs = (stamps.at(-1)! - stamps[0]!) / 1000;
  expect(stamps.length - 1).toBeGreaterThan((0.95 * spanMs) / intervalMs);
  expect(stamps.length - 1).toBeLessThan((1.05 * spanMs) / intervalMs);
}

const ENGINES = ['unix:///run/engine', 'localhost:5555'] as const;
const INTERVALS = [100, 1000] as const;
const ENGINE_CASES = ENGINES.flatMap((engine) => INTERVALS.map((ms) => [engine, ms] as const));

describe.each(ENGINE_CASES)('an engine at %s, %i ms', (engine, ms) => {
  const lane = laneOf(0, 'lane', ms, IDS);
  const column = (id: number): number => IDS.indexOf(id);
  /** Ten intervals are what a series is judged by. */
  const window = (10 * ms) / 1000;

  it.each(['poll', 'pull'] as const)(
    'F1: gives an instance nothing that the engine says of its GPU (%s)',
    (route) => {
      fake.set('mig', 0b10);
      const opened = open(lane, { engine, route, flushIntervalMs: 1_000 });
      const sink = play(opened, lane, 2 * window);
      opened.finish!(lane, sink);
      expect(
        opened.devices.map(({ isCut, parentUuid }) => [isCut === true, parentUuid !== undefined]),
      ).toEqual([
        [false, false],
        [true, false],
        [false, true],
        [false, true],
      ]);
      for (const device of [2, 3]) {
        const rows = sink.ofDevice(device).filter(({ tsUs }) => tsUs > START + window * SECOND);
        expect(rows.length).toBeGreaterThan(5);
        expect(rows.every(({ values }) => values[column(1002)]! > 0)).toBe(true);
        for (const id of [155, 156, 150, 203])
          expect(rows.every(({ values }) => Number.isNaN(values[column(id)]))).toBe(true);
      }
      expect(nullRatio({ ...sink, rows: sink.ofDevice(1) }, column(155), START + window * SECOND)).toBe(0);
      expect(of('blank_begin')).toEqual([]);
    },
  );

  it.each(['poll', 'pull'] as const)(
    'F4: leaves out the 0 with which an NVLink bandwidth begins after each watch (%s)',
    (route) => {
      const links = laneOf(0, 'links', ms, [155, 449]);
      const opened = open(links, { engine, route, flushIntervalMs: 1_000 });
      const sink = play(opened, links, window);
      fake.set('forget', 1);
      play(opened, links, window + 30, sink);
      opened.finish!(links, sink);
      const cells = sink.ofDevice(0).map(({ values }) => values[1]!);
      expect(cells.filter((value) => value === 0)).toEqual([]);
      expect(cells.filter((value) => value > 0).length).toBeGreaterThan(10);
      expect(of('blank_begin')).toEqual([]);
    },
  );

  it('F5: tells an XID that stands under an instance as the instance’s', () => {
    fake.set('mig', 0b10);
    const opened = open(lane, { engine, route: 'poll' });
    const sink = play(opened, lane, 2 * window);
    fake.set('xid_gi', 8_031);
    fake.set('xid_ci', 9_043);
    play(opened, lane, 2 * window + 2, sink);
    const [, , first, second] = opened.devices.map(({ uuid }) => uuid);
    expect(of('xid').map(({ gpu, code }) => [gpu, code])).toEqual([
      [first, 31],
      [second, 43],
    ]);
  });

  it('F6: takes fresh stamps on nothing but blanks for a device that is away', () => {
    const opened = open(lane, { engine, route: 'poll' });
    const sink = play(opened, lane, window);
    fake.set('lost_gpu', 2);
    const lostUs = now();
    play(opened, lane, 2 * window, sink);
    fake.set('lost_gpu', 0);
    const foundUs = now();
    play(opened, lane, window, sink);
    opened.finish!(lane, sink);
    expect(sink.ofDevice(1).filter(({ tsUs }) => tsUs > lostUs && tsUs <= foundUs)).toEqual([]);
    expectSpacing(sink, 0, START, ms);
    const [first, last] = of('gap');
    expect(of('gap').map(({ gpu, endUs }) => [gpu, endUs === undefined])).toEqual([
      [opened.devices[1]!.uuid, true],
      [opened.devices[1]!.uuid, false],
    ]);
    expect(last!.tsUs).toBe(first!.tsUs);
    expect(last!.endUs! - last!.tsUs).toBeGreaterThan(2 * window * SECOND);
    expect(of('blank_begin')).toEqual([]);
  });

  it.each(['poll', 'pull'] as const)(
    'F7: places the watch of one field of one GPU again when it was slowed down (%s)',
    (route) => {
      const opened = open(lane, { engine, route, flushIntervalMs: 1_000 });
      const sink = play(opened, lane, 2 * window);
      fake.foreignWatch(1, 155, 10 * ms * 1000, 30);
      play(opened, lane, 6 * window, sink);
      expect(fake.get('interval.1.155')).toBe(ms * 1000);
      expect(nullRatio(sink, column(155), now() - 2.5 * window * SECOND)).toBe(0);
      // The other fields had their rows all the while.
      expectSpacing(sink, 1, START + SECOND, ms);
      expect(of('gap')).toEqual([]);
      expect(of('rewatched')).toEqual([
        expect.objectContaining({
          gpu: opened.devices[1]!.uuid,
          subject: 'lane',
          text: 'power_watts of one device came too seldom or not at all: another client of the engine had changed their watch; it was placed again',
        }),
      ]);
    },
  );

  it.each(['poll', 'pull'] as const)(
    'F7: tells once, with what cures it, of a watch that is slowed down again and again (%s)',
    (route) => {
      const opened = open(lane, { engine, route, flushIntervalMs: 1_000 });
      const sink = play(opened, lane, 2 * window);
      for (let playedS = 0; playedS < 100 + 6 * window; playedS += window / 2) {
        fake.foreignWatch(1, 155, 10 * ms * 1000, 30);
        play(opened, lane, window / 2, sink);
      }
      expect(of('rewatched').map(({ gpu, text }) => [gpu, text.split(': ')[0]])).toEqual([
        [
          opened.devices[1]!.uuid,
          'power_watts of one device keep coming too seldom or not at all, though their watch is placed again every 30 s',
        ],
      ]);
      play(opened, lane, 60 + 4 * window, sink);
      expect(of('rewatched').map(({ text }) => text.split(': ')[0]!.slice(26))).toEqual([
        'keep coming too seldom or not at all, though their watch is placed again every 30 s',
        'came too seldom or not at all',
      ]);
    },
  );

  it('F7: places watches again that another client ended, the anchor among them', () => {
    const opened = open(lane, { engine, route: 'poll' });
    const sink = play(opened, lane, 2 * window);
    for (const gpu of [0, 1]) for (const id of [1002, 156]) fake.foreignUnwatch(gpu, id);
    play(opened, lane, 6 * window, sink);
    for (const id of [1002, 156]) {
      expect(fake.get(`interval.0.${id}`)).toBe(ms * 1000);
      expect(nullRatio(sink, column(id), now() - 2.5 * window * SECOND)).toBe(0);
    }
    expect(of('gap')).toEqual([]);
    expect(of('rewatched').map(({ gpu, text }) => [gpu, text.split(' came')[0]])).toEqual([
      [undefined, `${[1002, 156].map((id) => lane.fields[column(id)]!.column).join(', ')} of 2 devices`],
    ]);
  });

  it('F9: jitter beyond 1.5 intervals makes no request for kept samples, places no watch again and loses no row', () => {
    fake.set('jitter_us', 0.85 * ms * 1000);
    const opened = open(lane, { engine, route: 'poll' });
    play(opened, lane, window);
    for (const knob of ['multiple_calls', 'since_calls', 'watches']) fake.set(knob, 0);
    const fromUs = now();
    const sink = play(opened, lane, 10 * window);
    opened.finish!(lane, sink);
    expect(['multiple_calls', 'since_calls', 'watches'].map((knob) => fake.get(knob))).toEqual([0, 0, 0]);
    expect(of('rewatched')).toEqual([]);
    const stamps = sink.ofDevice(0).map(({ tsUs }) => tsUs);
    const steps = stamps.slice(1).map((tsUs, n) => (tsUs - stamps[n]!) / (ms * 1000));
    expect(Math.max(...steps)).toBeGreaterThan(1.5);
    expect(Math.max(...steps)).toBeLessThan(2);
    expect(stamps.at(-1)! - fromUs).toBeGreaterThan(9 * window * SECOND);
  });

  it('F9: asks for the kept samples of 16 series a second at most, however long the steps', () => {
    fake.set('gpus', 8);
    fake.set('jitter_us', 5 * ms * 1000);
    const opened = open(lane, { engine, route: 'poll' });
    play(opened, lane, window);
    for (const knob of ['multiple_calls', 'since_calls']) fake.set(knob, 0);
    play(opened, lane, 10 * window);
    expect(fake.get('since_calls')).toBe(0);
    expect(fake.get('multiple_calls')).toBeGreaterThan(16);
    expect(fake.get('multiple_calls')).toBeLessThanOrEqual(16 * 10 * window);
  });

  it('F9: fetches what a late poll has missed series by series, and no more', () => {
    const opened = open(lane, { engine, route: 'poll' });
    const sink = play(opened, lane, window);
    fake.set('multiple_calls', 0);
    fake.set('since_calls', 0);
    fake.set('clock_us', now() + 10 * ms * 1000);
    play(opened, lane, window, sink);
    opened.finish!(lane, sink);
    expect(fake.get('since_calls')).toBe(0);
    expect(fake.get('multiple_calls')).toBe(DEVICES * IDS.length);
    expect(of('gap')).toEqual([]);
    for (const device of [0, 1]) expectSpacing(sink, device, START, ms);
  });

  it.each([
    ['2020', 1_600_000_000_000_000, 'poll', IDS],
    ['0', 0, 'poll', IDS],
    ['0, in all fields', 0, 'poll', [156, 140]],
    ['0, in all fields', 0, 'pull', [156, 140]],
  ] as const)(
    'F10: reads at the engine’s clock what NVML stamps with %s (%i, %s)',
    (_, fromUs, route, ids) => {
      fake.set('frozen_field', -1);
      fake.set('frozen_from_us', fromUs);
      const stamped = laneOf(0, 'lane', ms, ids);
      const opened = open(stamped, { engine, route, flushIntervalMs: 1_000 });
      const sink = play(opened, stamped, 6 * window);
      opened.finish!(stamped, sink);
      expect(sink.rows.every(({ tsUs }) => tsUs > START - SECOND && tsUs <= now())).toBe(true);
      const settledUs = START + 2 * window * SECOND;
      expectSpacing(sink, 0, settledUs, ms);
      expect(nullRatio(sink, ids.indexOf(156), settledUs)).toBeLessThan(0.02);
      expect(of('gap')).toEqual([]);
      expect(of('frozen_stamps')).toHaveLength(1);
    },
  );

  it.each(['poll', 'pull'] as const)(
    'F11, F12: a stop at any moment of a pass leaves no half row, and the next life goes on without a hole (%s)',
    (route) => {
      // The fields drift apart, up to 0.4 intervals in the end, so that stops fall between them.
      fake.set('spread_us', 0.0018 * ms * 1000);
      const rows = createRowSink();
      let stored: Map<string, number> | undefined;
      for (let life = 0; life < 8; life += 1) {
        const opened = open(lane, {
          engine,
          route,
          flushIntervalMs: 1_000,
          ...(stored && { resumeFromUs: [stored] }),
        });
        const sink = play(opened, lane, window + (life * ms) / 8_000);
        opened.finish!(lane, sink);
        dcgm.close(opened);
        rows.rows.push(...sink.rows);
        stored = new Map(
          opened.devices.map(({ uuid }, device) => [uuid, rows.ofDevice(device).at(-1)!.tsUs]),
        );
        fake.set('clock_us', now() + 3.3 * ms * 1000);
      }
      for (const device of [0, 1]) {
        const stamps = rows.ofDevice(device).map(({ tsUs }) => tsUs);
        const steps = stamps.slice(1).map((tsUs, n) => (tsUs - stamps[n]!) / (ms * 1000));
        expect(Math.min(...steps)).toBeGreaterThan(0.9);
        expect(Math.max(...steps)).toBeLessThan(1.1);
      }
      // The first value of a watch is blank, as are all profiling fields then.
      const halves = rows.rows.filter(
        ({ tsUs, values }) => tsUs > START + 2 * ms * 1000 && values.some(Number.isNaN),
      );
      expect(halves).toEqual([]);
      expect(of('gap')).toEqual([]);
    },
  );

  it('F13: takes a call that lasts for an engine that was lost, though it answers once it is awake', () => {
    const opened = open(lane, { engine, route: 'poll' });
    const sink = play(opened, lane, window);
    const clock = vi.spyOn(performance, 'now');
    onTestFinished(() => {
      clock.mockRestore();
    });
    clock.mockReturnValueOnce(1_000).mockReturnValueOnce(21_500);
    const fellAsleepUs = now() + 250;
    opened.sample(lane, sink, fellAsleepUs);
    const tsUs = now();
    fake.set('clock_us', now() + 20.5 * SECOND);
    play(opened, lane, window, sink);
    expect(of('engine_lost')).toEqual([expect.objectContaining({ tsUs, code: -11, subject: engine })]);
    expect(of('engine_found')).toEqual([
      expect.objectContaining({ tsUs, endUs: fellAsleepUs + 20.5 * SECOND }),
    ]);
  });

  it('F10: takes stamps that move for the engine’s clock, wherever they stand', () => {
    const opened = open(lane, { engine, route: 'poll' });
    const skewed: Source = {
      ...opened,
      sample: (each, tick, nowUs) => {
        opened.sample(each, tick, nowUs + 86_400 * SECOND);
      },
      callIntervalMs: (each) => opened.callIntervalMs!(each),
    };
    const sink = play(skewed, lane, 4 * window);
    expectSpacing(sink, 0, START + window * SECOND, ms);
    expect(of('frozen_stamps')).toEqual([]);
  });
});

it.each(ENGINES)(
  'F9: an engine at %s that stalled, all series alike, has no watch placed again',
  (engine) => {
    const lane = laneOf(0, 'lane', 100, IDS);
    const opened = open(lane, { engine, route: 'poll' });
    play(opened, lane, 2);
    fake.set('watches', 0);
    fake.set('jitter_us', 4 * SECOND);
    play(opened, lane, 1);
    fake.set('jitter_us', 0);
    const sink = play(opened, lane, 5);
    const stamps = sink.ofDevice(0).map(({ tsUs }) => tsUs);
    expect(Math.max(...stamps.slice(1).map((tsUs, n) => tsUs - stamps[n]!))).toBeGreaterThan(0.4 * SECOND);
    expect(fake.get('watches')).toBe(0);
  },
);

describe('GPM series that stay blank though they are sampled', () => {
  it('are watched anew, which an engine needs that holds on to an earlier, faster watch, and that is told', () => {
    const fast = laneOf(0, 'lane', 100, IDS);
    const slow = laneOf(0, 'lane', 1000, IDS);
    const engine = 'unix:///run/engine';
    const before = open(fast, { engine });
    play(before, fast, 3);
    dcgm.close(before);
    const opened = open(slow, { engine });
    const sink = play(opened, slow, 20);
    expect(nullRatio(sink, 0, START + 5 * SECOND)).toBe(1);
    play(opened, slow, 40, sink);
    expect(nullRatio(sink, 0, now() - 15 * SECOND)).toBe(0);
    expect(of('rewatched').map(({ text }) => text)).toEqual([
      expect.stringMatching(/were blank at every sample: .*; they were watched anew$/),
    ]);
  });

  it('are said to need a restart of the engine where that does not help, once', () => {
    fake.set('blank_field', 1002);
    const lane = laneOf(0, 'lane', 100, IDS);
    fake.set('watches', 0);
    play(open(lane, { engine: 'unix:///run/engine' }), lane, 150);
    expect(of('rewatched').map(({ text }) => text)).toEqual([
      'sm_active_ratio of 2 devices stay blank though they were watched anew: where the GPU has them and nobody has paused profiling, a restart of the engine cures that',
    ]);
    expect(fake.get('watches')).toBeLessThanOrEqual(10);
  });
});
