import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { GpuEvent } from '../../src/core/sampling/event.ts';
import { defaultLanes, energyColumnOf } from '../../src/core/fields/lane.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import type { SampledLane, Source } from '../../src/core/sampling/source.ts';
import { createScenario } from '../../src/core/synthetic/create-scenario.ts';
import { openRecorder } from '../../scripts/recorder.ts';
import { openRecording } from '../../src/source/recording.ts';
import { openSynthetic } from '../../src/source/synthetic.ts';

const START_US = Date.UTC(2026, 10, 21, 8) * 1000;
const directory = mkdtempSync(join(tmpdir(), 'gpuledger-recording-'));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const profiling: SampledLane = { ...defaultLanes[0]!, index: 0 };
const device: SampledLane = { ...defaultLanes[1]!, index: 1 };
const at = (seconds: number): number => START_US + seconds * 1e6;

function ringOf(lane: SampledLane, deviceCount: number): Ring {
  const { intervalMs, fields } = lane;
  return new Ring({
    capacityTicks: 400,
    deviceCount,
    columnCount: fields.length,
    intervalUs: intervalMs * 1000,
    energyColumn: energyColumnOf(lane),
  });
}

function sampleAll(source: Source, lanes: readonly SampledLane[], fromUs: number, seconds: number): Ring[] {
  const rings = lanes.map((lane) => ringOf(lane, source.devices.length));
  for (let second = 0; second < seconds; second += 1) {
    for (const [index, lane] of lanes.entries()) {
      if (second % (lane.intervalMs / 1000) !== 0) continue;
      rings[index]!.reserve();
      source.sample(lane, rings[index]!, fromUs + second * 1e6);
      if (rings[index]!.isReserved) rings[index]!.commit();
    }
  }
  return rings;
}

/** Records 200 seconds of the demo around the time at which a GPU is lost. */
function record(name: string): { file: string; rings: Ring[]; events: GpuEvent[] } {
  const file = join(directory, name);
  const scenario = createScenario({ kind: 'demo', seed: 1, nodes: 2, gpusPerNode: 8, startUs: at(-16_100) });
  const events: GpuEvent[] = [];
  const recorder = openRecorder(file);
  const source = recorder.wrap(
    openSynthetic(
      scenario,
      recorder.listen((event) => events.push(event)),
    ),
  );
  const rings = sampleAll(source, [profiling, device], START_US, 200);
  source.close();
  return { file, rings, events };
}

const recorded = record('demo.jsonl');

describe('a replayed recording', () => {
  test('at the recorded time is the recorded source: same rows, same blanks, same events', () => {
    const events: GpuEvent[] = [];
    const source = openRecording(recorded.file, (event) => events.push(event));
    const rings = sampleAll(source, [profiling, device], START_US, 200);
    for (const [index, ring] of rings.entries()) {
      const original = recorded.rings[index]!;
      expect(ring.heldTicks).toBe(original.heldTicks);
      expect(ring.tsUs).toEqual(original.tsUs);
      expect(ring.dtUs).toEqual(original.dtUs);
      expect(ring.energyRise).toEqual(original.energyRise);
      expect(ring.columns).toEqual(original.columns);
    }
    expect(events.filter(({ subject }) => subject !== 'recording')).toEqual(recorded.events);
    expect(recorded.events.some(({ kind }) => kind === 'xid')).toBe(true);
    source.close();
  });

  test('at another time is the same, shifted', () => {
    const events: GpuEvent[] = [];
    const source = openRecording(recorded.file, (event) => events.push(event));
    const shiftUs = 86_400_000_123;
    const [ring] = sampleAll(source, [profiling], START_US + shiftUs, 200);
    expect([...ring!.tsUs.subarray(0, 200 * 16)]).toEqual(
      [...recorded.rings[0]!.tsUs.subarray(0, 200 * 16)].map((ts) => ts + shiftUs),
    );
    expect(events.find(({ kind }) => kind === 'xid')!.tsUs).toBe(
      recorded.events.find(({ kind }) => kind === 'xid')!.tsUs + shiftUs,
    );
    source.close();
  });

  test('asked late, brings every tick with the distance that it had', () => {
    const source = openRecording(recorded.file, () => undefined);
    const ring = ringOf(profiling, 16);
    for (const second of [0, 7.5, 199]) {
      ring.reserve();
      source.sample(profiling, ring, at(second));
      ring.commit();
    }
    expect(ring.heldTicks).toBe(200);
    expect(ring.dtUs).toEqual(recorded.rings[0]!.dtUs);
    source.close();
  });

  test('feeds a lane of another name from the one that has its fields, and leaves the others blank', () => {
    const source = openRecording(recorded.file, () => undefined);
    const fields = [profiling.fields[1]!, defaultLanes[2]!.fields[0]!];
    const lane = { index: 5, name: 'other', intervalMs: 1000, fields };
    const [ring] = sampleAll(source, [lane], START_US, 3);
    expect(ring!.columns[0]![17]).toBe(recorded.rings[0]!.columns[1]![17]);
    expect(ring!.columns[1]!.subarray(0, 3 * 16).every(Number.isNaN)).toBe(true);
    source.close();
  });

  test('ends with one event, and then no device answers', () => {
    const events: GpuEvent[] = [];
    const source = openRecording(recorded.file, (event) => events.push(event));
    const [ring] = sampleAll(source, [profiling], START_US, 250);
    expect(ring!.heldTicks).toBe(200);
    expect(events.filter(({ kind }) => kind === 'engine_lost').map(({ tsUs }) => tsUs)).toEqual([at(199)]);
    source.close();
  });
});

describe('bad recordings', () => {
  const first = readFileSync(recorded.file, 'utf8').split('\n').slice(0, 60);
  const fileOf = (name: string, content: string): string => {
    const file = join(directory, name);
    writeFileSync(file, content);
    return file;
  };
  const play = (file: string): void => {
    const source = openRecording(file, () => undefined);
    try {
      sampleAll(source, [profiling], START_US, 100);
    } finally {
      source.close();
    }
  };

  test('a last line that was cut off is left out', () => {
    const file = fileOf('cut.jsonl', `${first.join('\n')}\n`);
    appendFileSync(file, '{"tick":[0,17952480');
    expect(() => {
      play(file);
    }).not.toThrow();
  });

  test.each([
    ['no file', () => join(directory, 'none.jsonl'), /recording cannot be read/],
    ['an empty file', () => fileOf('empty.jsonl', ''), /expected the first line of a recording, came none/],
    [
      'another file',
      () => fileOf('other.jsonl', '{"name":"x"}\n'),
      /expected a line of a recording, came name/,
    ],
    ['no tick', () => fileOf('bare.jsonl', `${first[0]!}\n`), /holds no tick/],
    ['text', () => fileOf('text.jsonl', `${first.join('\n')}\nhello\n`), /expected a JSON object/],
    [
      'a tick without lane',
      () => fileOf('lane.jsonl', `${first[0]!}\n{"tick":[9,${START_US},[]]}\n`),
      /lane line before the ticks of lane 9/,
    ],
  ])('%s is refused with what was expected', (_, file, message) => {
    expect(() => {
      play(file());
    }).toThrow(message);
  });

  test('the place of a malformed line is named', () => {
    const file = fileOf('place.jsonl', `${first.slice(0, 3).join('\n')}\n{"tick":[0,"x",[]]}\n`);
    expect(() => {
      play(file);
    }).toThrow(expect.objectContaining({ where: `${file}, line 4`, exit: 'data' }));
  });

  test('a recording is never overwritten', () => {
    expect(() => openRecorder(recorded.file)).toThrow(/exists already/);
  });
});

test('a recording holds no serial numbers, and replays without', () => {
  const file = join(directory, 'facts.jsonl');
  const scenario = createScenario({ kind: 'steady', seed: 1, nodes: 1, gpusPerNode: 1, startUs: START_US });
  const synthetic = openSynthetic(scenario, () => undefined);
  const devices = synthetic.devices.map((each) => ({ ...each, facts: { serial: '1650423001234' } }));
  const source = openRecorder(file).wrap({ ...synthetic, devices });
  sampleAll(source, [profiling], START_US, 2);
  source.close();
  expect(readFileSync(file, 'utf8')).not.toContain('1650423001234');
  expect(openRecording(file, () => undefined).devices).toEqual(synthetic.devices);
});

test('a source whose recording fails samples on, and says so once', () => {
  const scenario = createScenario({ kind: 'steady', seed: 1, nodes: 1, gpusPerNode: 1, startUs: START_US });
  const events: GpuEvent[] = [];
  // A device that is always full: what is written to it fails with ENOSPC.
  const recorder = openRecorder('/dev/full');
  const source = recorder.wrap(
    openSynthetic(
      scenario,
      recorder.listen((event) => events.push(event)),
    ),
  );
  const [ring] = sampleAll(source, [profiling], START_US, 5);
  expect(ring!.heldTicks).toBe(5);
  expect(
    events
      .filter(({ kind }) => kind === 'drop')
      .map(({ subject, text }) => [subject, text.includes('ENOSPC')]),
  ).toEqual([['recording', true]]);
  source.close();
});

test('what a source tells while it is being opened stands after the first line', () => {
  const file = join(directory, 'early.jsonl');
  const scenario = createScenario({ kind: 'steady', seed: 1, nodes: 1, gpusPerNode: 1, startUs: START_US });
  const recorder = openRecorder(file);
  const tell = recorder.listen(() => undefined);
  tell({ tsUs: START_US, node: 'n1', kind: 'engine_found', subject: 'engine', text: 'The engine is there.' });
  recorder.wrap(openSynthetic(scenario, tell)).close();
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => Object.keys(JSON.parse(line) as object))).toEqual([['recording'], ['event']]);
});
