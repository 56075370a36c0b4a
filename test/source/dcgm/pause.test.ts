/**
 * Goal: an engine that cannot pause profiling goes on being sampled, and whoever asked hears so once. Method: the fake without
 * the closed profiling module, on each route, on a clock of the test's.
 */
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { GpuEvent } from '../../../src/core/sampling/event.ts';
import type { Source } from '../../../src/core/sampling/source.ts';
import { openDcgmSource } from '../../../src/source/dcgm/dcgm.ts';
import { requestPause } from '../../../src/source/profiling-pause.ts';
import { loadFake } from '../../helpers/fakes.ts';
import { laneOf } from '../../helpers/lanes.ts';
import { createRowSink } from '../../helpers/row-sink.ts';

const fake = loadFake('dcgm');
const START = 1_800_000_000_000_000;
const SECOND = 1_000_000;
let source: Source | undefined;

beforeEach(() => {
  fake.reset();
  fake.set('clock_us', START);
  fake.set('gpus', 1);
});
afterEach(() => {
  source?.close();
  source = undefined;
});

it.each(
  ['embedded', 'unix:///run/x.sock', 'localhost:5555'].flatMap((engine) =>
    [100, 1000].map((intervalMs) => [engine, intervalMs] as const),
  ),
)('a refusal is told once, the request withdrawn, and values stay (%s, %i ms)', (engine, intervalMs) => {
  const pauseDir = mkdtempSync(join(tmpdir(), 'gpuledger-pause-'));
  const lane = laneOf(0, 'profiling', intervalMs, [1002, 155]);
  const events: GpuEvent[] = [];
  const opened = openDcgmSource({
    node: 'n1',
    lanes: [lane],
    library: fake.path,
    engine,
    pauseDir,
    openedUs: START,
    onEvent: (event) => events.push(event),
  });
  source = opened;
  const sink = createRowSink();
  const stepUs = (opened.callIntervalMs?.(lane) ?? intervalMs) * 1000;
  const playUntil = (second: number): void => {
    for (let us = fake.get('clock_us') + stepUs; us <= START + second * SECOND; us += stepUs) {
      fake.set('clock_us', us);
      opened.sample(lane, sink, us);
      sink.next();
    }
  };
  playUntil(3);
  for (const name of ['a', 'b']) requestPause(pauseDir, { name, untilUs: Infinity, by: `job ${name}` });
  playUntil(10);
  expect(fake.get('pause_calls')).toBe(1);
  expect(readdirSync(pauseDir)).toEqual([]);
  expect(events.map(({ kind, code, text }) => [kind, code, text])).toEqual([
    [
      'pause_refused',
      -6,
      'this engine cannot pause profiling: it answered NOT_SUPPORTED (-6); the request of job a, job b is withdrawn, sampling goes on',
    ],
  ]);
  // Asked again, it is answered again.
  requestPause(pauseDir, { name: 'a', untilUs: Infinity, by: 'job a' });
  playUntil(20);
  opened.finish?.(lane, sink);
  expect([fake.get('pause_calls'), events.length, readdirSync(pauseDir).length]).toEqual([2, 2, 0]);
  const rows = sink.rows.filter(({ tsUs }) => tsUs > START + SECOND * 2);
  expect(rows.length).toBeGreaterThan(16_000 / intervalMs);
  expect(rows.every(({ values }) => Number.isFinite(values[0]))).toBe(true);
});

it('an engine that does not answer is asked again, once a second, and told of nobody', () => {
  const pauseDir = mkdtempSync(join(tmpdir(), 'gpuledger-pause-'));
  fake.set('prof_module', 1);
  const lane = laneOf(0, 'profiling', 100, [1002, 155]);
  const events: GpuEvent[] = [];
  source = openDcgmSource({
    node: 'n1',
    lanes: [lane],
    library: fake.path,
    pauseDir,
    openedUs: START,
    onEvent: (event) => events.push(event),
  });
  requestPause(pauseDir, { name: 'a', untilUs: Infinity, by: 'job a' });
  fake.set('pause_fails', -34);
  for (let tick = 1; tick <= 30; tick += 1) {
    fake.set('clock_us', START + tick * 100_000);
    source.sample(lane, createRowSink(), START + tick * 100_000);
  }
  expect(fake.get('pause_calls')).toBe(3);
  expect(events).toEqual([]);
  fake.set('pause_fails', 0);
  for (let tick = 31; tick <= 45; tick += 1) {
    fake.set('clock_us', START + tick * 100_000);
    source.sample(lane, createRowSink(), START + tick * 100_000);
  }
  expect(events.map(({ kind }) => kind)).toEqual(['paused']);
});
