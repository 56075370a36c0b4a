import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { defaultLanes } from '../../src/core/fields/lane.ts';
import type { Notice, NoticeEvent } from '../../src/core/base/notice.ts';
import { SamplerControl } from '../../src/sampler/sampler-control.ts';
import type { SourceSpec } from '../../src/source/open-source.ts';
import { watchSilence, type SilenceWatch } from '../../src/sampler/source-silence.ts';

const device = { uuid: 'GPU-a', node: 'n1', index: 0, model: 'H200', memoryBytes: 1 };
const lane = { ...defaultLanes[0]!, name: 'fast' };
const EMBEDDED: SourceSpec = { name: 'dcgm', node: 'n1', engine: 'embedded' };
const HOST: SourceSpec = { name: 'dcgm', node: 'n1', engine: 'localhost' };
let control: SamplerControl;
let events: NoticeEvent[];
let logged: Notice[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'hrtime'] });
  // The faked clock begins at 0, as no machine does.
  vi.advanceTimersByTime(1);
  control = new SamplerControl();
  events = [];
  logged = [];
});

afterEach(() => {
  vi.useRealTimers();
});

function watch(source: SourceSpec): SilenceWatch {
  return watchSilence({
    sampler: { control, devices: [device] },
    lanes: [lane],
    source,
    tell: (notice) => {
      logged.push(notice);
      events.push(...(notice.events ?? []));
    },
  });
}

/** A call that began so long ago. @returns the stamp of its tick, epoch µs */
function callFor(ms: number): number {
  const tickUs = Date.now() * 1000;
  control.beginCall(tickUs);
  vi.advanceTimersByTime(ms);
  return tickUs;
}

it('tells a call that lasts, once, and its end, once', () => {
  const silence = watch(EMBEDDED);
  callFor(1_000);
  silence.look();
  expect(logged).toEqual([]);
  vi.advanceTimersByTime(5_000);
  silence.look();
  silence.look();
  control.endCall();
  silence.look();
  silence.look();
  expect(logged.map(({ level, code }) => [level, code])).toEqual([
    ['warn', 'source.silent'],
    ['info', 'source.back'],
  ]);
});

it.each([-3_600_000, 3_600_000])('measures a call while the clock is set by %d ms', (stepMs) => {
  const silence = watch(EMBEDDED);
  callFor(4_000);
  vi.setSystemTime(Date.now() + stepMs);
  silence.look();
  expect(logged).toEqual([]);
  vi.advanceTimersByTime(2_000);
  silence.look();
  expect(logged.map(({ sentence }) => sentence)).toEqual([
    'the source has not answered for 6.0 s: nothing is sampled meanwhile',
  ]);
});

it('tells that a host engine is lost while it hangs, by the row that the source tells later', () => {
  const silence = watch(HOST);
  const tsUs = callFor(6_000);
  silence.look();
  silence.look();
  const lost = { kind: 'engine_lost', node: 'n1', subject: 'localhost', tsUs };
  expect(events).toEqual([expect.objectContaining(lost)]);
});

it('makes a gap of a call that lasts when sampling is stopped', () => {
  const tsUs = callFor(4_000);
  const nowUs = Date.now() * 1000;
  watch(EMBEDDED).stopped(nowUs);
  expect(events).toEqual([
    expect.objectContaining({ kind: 'gap', gpu: 'GPU-a', subject: 'fast', endUs: nowUs }),
  ]);
  expect(events[0]!.tsUs).toBe(tsUs);
});

it.each([
  ['that just began', EMBEDDED, 500],
  ['whose host engine keeps what it samples', HOST, 4_000],
])('makes no gap of a call %s', (_, source, ms) => {
  callFor(ms);
  watch(source).stopped(Date.now() * 1000);
  expect(events).toEqual([]);
});
