/**
 * Goal: a change of route while it runs is told, and costs no row and no value. Method: a fake engine under a clock that the test
 * moves; what the thread's CPU time is said to be makes polling dear.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SampledLane } from '../../../src/core/sampling/source.ts';
import { FORTY_FIELDS, laneOf } from '../../helpers/lanes.ts';
import { playedDcgm, START } from '../../helpers/played-dcgm.ts';
import { playSource } from '../../helpers/play-source.ts';
import { createRowSink, type RowSink } from '../../helpers/row-sink.ts';

const SECOND = 1_000_000;
const { fake, open, of } = playedDcgm({ gpus: 8 });
const told = (): ReturnType<typeof of> => of('route_changed');

afterEach(() => {
  vi.restoreAllMocks();
});

/** Of a thread that spends so much between two looks. */
function spend(usPerLook: number): void {
  let user = 0;
  vi.spyOn(process, 'threadCpuUsage').mockImplementation((before) => {
    user += usPerLook;
    return { user: user - (before?.user ?? 0), system: 0 };
  });
}

/** Every sample of the engine is a row, once, and each value of it is there. @param fromUs after the first values of watches */
function expectWhole({ rows }: RowSink, intervalMs: number, fromUs: number, untilUs: number): void {
  for (let device = 0; device < 8; device += 1) {
    const own = rows.filter((row) => row.device === device && row.tsUs > fromUs);
    const steps = own.slice(1).map(({ tsUs }, n) => (tsUs - own[n]!.tsUs) / (1000 * intervalMs));
    expect(Math.min(...steps)).toBeGreaterThan(0.9);
    expect(Math.max(...steps)).toBeLessThan(1.1);
    expect(own[0]!.tsUs - fromUs).toBeLessThan(1_100 * intervalMs);
    expect(untilUs - own.at(-1)!.tsUs).toBeLessThan(Math.max(8 * SECOND, 2_500 * intervalMs));
    expect(own.flatMap(({ values }) => values).filter((value) => Number.isNaN(value))).toEqual([]);
  }
}

describe.each(['unix:///run/engine', 'localhost:5555'])('an engine at %s', (engine) => {
  /** Plays until `lateS`, stands still until `onS`, and goes on until `endS`: seconds. */
  function playWithStall(lanes: readonly SampledLane[], lateS: number, onS: number, endS: number): void {
    const sinks = lanes.map(() => createRowSink());
    const opened = open({ engine, lanes, flushIntervalMs: 5_000 });
    expect(opened.describe!()).toContain('polling at');
    spend(1_000_000);
    playSource(fake, opened, lateS, sinks, lanes);
    fake.set('clock_us', START + onS * SECOND);
    playSource(fake, opened, endS - onS, sinks, lanes);
    for (const [index, lane] of lanes.entries()) opened.finish!(lane, sinks[index]!);
    const text = `samples of ${engine} are pulled every 5 s from now on: polling has cost clearly more than pulling would`;
    expect(told().map((event) => event.text)).toEqual([text]);
    expect(opened.describe!()).toContain('pulling every 5 s');
    for (const [index, { intervalMs }] of lanes.entries())
      expectWhole(sinks[index]!, intervalMs, START + 1_500 * intervalMs, START + endS * SECOND);
    expect([...of('gap'), ...of('rewatched')]).toEqual([]);
  }

  it('is pulled once polling has cost more, from where a lane was polled last that is polled seldom', () => {
    // The slow lane has a sample at 54 s, is polled at 53.55 s and 61.2 s, and the route changes at 60 s.
    const lanes = [laneOf(0, 'fast', 100, [155, 156, 1002]), laneOf(1, 'slow', 9_000, [150, 140])];
    playWithStall(lanes, 7.1, 7.65, 100);
    expect((told()[0]!.tsUs - START) / SECOND).toBeCloseTo(60, 0);
  });

  it('is pulled once polling has cost more, from where polling had yet to fetch what was kept', () => {
    // What was kept meanwhile comes in two portions, and the route changes between them.
    playWithStall([laneOf(0, 'fast', 100, FORTY_FIELDS)], 15, 100, 115);
    expect(told()[0]!.tsUs).toBe(START + 100 * SECOND);
  });

  it('stays on the route that was asked for', () => {
    const lanes = [laneOf(0, 'fast', 100, [155, 156])];
    const opened = open({ engine, lanes, flushIntervalMs: 5_000, route: 'poll' });
    spend(1_000_000);
    playSource(fake, opened, 15, [createRowSink()], lanes);
    fake.set('clock_us', START + 70 * SECOND);
    playSource(fake, opened, 65, [createRowSink()], lanes);
    expect(told()).toEqual([]);
    expect(opened.describe!()).toContain('polling at');
  });

  it('is polled where stamps stand still, told once, and not pulled again for the cost', () => {
    fake.set('frozen_field', 156);
    const lanes = [laneOf(0, 'fast', 100, [155, 156])];
    const sink = createRowSink();
    const opened = open({ engine, lanes, flushIntervalMs: 5_000, route: 'pull' });
    spend(1_000_000);
    playSource(fake, opened, 80, [sink], lanes);
    fake.set('clock_us', START + 81 * SECOND);
    playSource(fake, opened, 65, [sink], lanes);
    expect(told().map(({ text }) => text)).toEqual([
      `samples of ${engine} are polled from now on: stamps stand still, and no pull by time finds such samples`,
    ]);
    expect(opened.describe!()).toContain('polling at');
  });

  it('is pulled where the library is newer, and that is told', () => {
    fake.set('library_minor', 6);
    fake.set('engine_minor', 1);
    const lanes = [laneOf(0, 'fast', 100, [155, 156])];
    const sink = createRowSink();
    const opened = open({ engine, lanes, flushIntervalMs: 2_000, route: 'poll' });
    playSource(fake, opened, 20, [sink], lanes);
    opened.finish!(lanes[0]!, sink);
    expect(told().map(({ text }) => text)).toEqual([
      `samples of ${engine} are pulled every 2 s from now on: the library is newer than the engine, which refuses to read newest values`,
    ]);
    expectWhole(sink, 100, START + SECOND, START + 20 * SECOND);
  });
});
