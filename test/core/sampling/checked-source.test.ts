/**
 * Goal: what cannot be true is NULL and told once, by one rule for all sources; what can be true passes bit by bit. Method: a
 * source that plays given values, cell by cell.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Device } from '../../../src/core/devices/device.ts';
import { FIELD_CATALOGUE } from '../../../src/core/fields/field-catalogue.ts';
import { findField } from '../../../src/core/fields/find-field.ts';
import { laneFieldProblem } from '../../../src/core/fields/lane.ts';
import { rangeOf } from '../../../src/core/fields/range.ts';
import { createTickCheck } from '../../../src/core/sampling/checked-source.ts';
import type { GpuEvent } from '../../../src/core/sampling/event.ts';
import { laneOf } from '../../helpers/lanes.ts';
import { createRowSink } from '../../helpers/row-sink.ts';

const SECOND = 1_000_000;
const START = 1_800_000_000_000_000;
const GIB = 2 ** 30;
const GPU: Device = { uuid: 'GPU-1', node: 'n1', index: 0, model: 'NVIDIA H200', memoryBytes: 140 * GIB };
const INSTANCE: Device = { ...GPU, uuid: 'MIG-1', parentUuid: 'GPU-1', memoryBytes: 16 * GIB };

/** Raw values of a field, a second apart, as they come through beside another one that has a value. */
function through(fieldId: number, raws: readonly number[], device = GPU, stepUs = SECOND) {
  const events: GpuEvent[] = [];
  const lane = laneOf(0, 'profiling', 1000, [fieldId, fieldId === 65 ? 66 : 65]);
  const check = createTickCheck(lane, [device], (event) => events.push(event));
  const sink = createRowSink();
  const checked = check(sink);
  for (const [index, raw] of raws.entries()) {
    checked.setRow(0, START + index * stepUs);
    checked.set(0, 0, raw * lane.fields[0]!.scale);
    checked.set(0, 1, 1);
    checked.next();
  }
  return { values: sink.rows.map(({ values }) => values[0]!), events, count: checked.takeCount() };
}

describe('a value that cannot be', () => {
  it.each([
    ['utilisation 4294967295 (NVIDIA/DCGM#199)', 203, 4_294_967_295, 42],
    ['the integer of an infinity', 1009, -(2 ** 63), 1e9],
    ['an int32 blank in an int64 field', 252, 0x7fff_fff0, 80_000],
    ['an int32 blank that would be a rate', 1011, 0x7fff_fff2, 2e9],
    ['all bits of 32 in a counter', 202, 0xffff_ffff, 3],
    ['more memory than there is', 252, 200_000, 143_000],
    ['a negative counter', 156, -5, 5],
    ['a sensor that says 65535 degrees', 150, 65_535, 61],
    ['a megawatt', 155, 1e6, 697.5],
    ['a ratio of 7', 1002, 7, 1.02],
  ])('is NULL, told with its raw value, and counted: %s', (_, fieldId, raw, sound) => {
    const { values, events, count } = through(fieldId, [sound, raw, sound]);
    const { column, scale } = findField(fieldId)!;
    expect(values).toEqual([sound * scale, NaN, sound * scale]);
    expect(count).toBe(1);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      kind: 'implausible',
      gpu: 'GPU-1',
      subject: column,
      tsUs: START + SECOND,
    });
    expect(events[0]!.text).toContain(`raw value ${raw}`);
  });

  it('is told once while it lasts, and again a minute after it was last seen', () => {
    const { events, count } = through(203, [
      ...Array.from({ length: 300 }, (_, n) => (n % 3 === 0 ? 50 : 999)),
      ...new Array<number>(61).fill(50),
      999,
    ]);
    expect(count).toBe(201);
    expect(events.map(({ tsUs }) => (tsUs - START) / SECOND)).toEqual([1, 361]);
  });

  it('depends on the device: an instance has its own memory', () => {
    expect(through(252, [20_000], INSTANCE).values).toEqual([NaN]);
    expect(through(252, [20_000]).values).toEqual([20_000 * 1_048_576]);
    // Where the inventory does not tell the memory, only what no board has is refused.
    expect(through(252, [200_000], { ...GPU, memoryBytes: 0 }).values).toEqual([200_000 * 1_048_576]);
  });

  it('is of every field: each has a range with room in it', () => {
    const fields = FIELD_CATALOGUE.filter((field) => laneFieldProblem(field) === undefined);
    expect(fields.length).toBeGreaterThan(400);
    for (const field of fields) {
      const { min, max } = rangeOf(field, GPU.memoryBytes);
      expect(max - min, field.name).toBeGreaterThan(1);
      expect(through(field.id, [-(2 ** 63)]).values, field.name).toEqual([NaN]);
    }
  });

  it('leaves whatever is in the range as it is', () => {
    const ids = [1002, 155, 156, 252, 100, 150, 203, 1009, 202, 230, 112];
    fc.assert(
      fc.property(fc.constantFrom(...ids), fc.double({ min: 0, max: 1, noNaN: true }), (fieldId, part) => {
        const { min, max } = rangeOf(findField(fieldId)!, GPU.memoryBytes);
        const value = min + part * (max - min);
        const { scale } = findField(fieldId)!;
        expect(through(fieldId, [value / scale]).values[0]).toBe((value / scale) * scale);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a row without any value', () => {
  const rowsOf = (fieldIds: readonly number[], row: readonly number[]) => {
    const sink = createRowSink();
    const checked = createTickCheck(laneOf(0, 'lane', 1000, fieldIds), [GPU], () => undefined)(sink);
    checked.setRow(0, START);
    for (const [column, value] of row.entries()) checked.set(0, column, value);
    checked.end();
    return sink.rows.length;
  };

  it('is no row: an instance in a lane of fields that only GPUs have, or nothing but what cannot be', () => {
    expect(rowsOf([150, 310], [NaN, NaN])).toBe(0);
    expect(rowsOf([203, 150], [4e7, 65_535])).toBe(0);
    expect(rowsOf([203, 150], [4e7, 61])).toBe(1);
  });

  it('is one in a lane of profiling fields, which a pause may blank', () => {
    expect(rowsOf([1002, 1004], [NaN, NaN])).toBe(1);
  });
});

describe('profiling values that contradict the board (NVIDIA/DCGM#303)', () => {
  const lane = laneOf(0, 'profiling', 100, [1001, 1002, 1004, 1009, 203, 155]);
  const contrary = [0, 0, 0, 0, 1, 600];
  const play = (rows: readonly (readonly number[])[], stampOf = (index: number) => index * 100_000) => {
    const events: GpuEvent[] = [];
    const check = createTickCheck(lane, [GPU], (event) => events.push(event));
    const sink = createRowSink();
    const checked = check(sink);
    for (const [index, row] of rows.entries()) {
      checked.setRow(0, START + stampOf(index));
      for (const [column, value] of row.entries()) checked.set(0, column, value);
      checked.next();
    }
    return { values: sink.rows.map(({ values }) => values), events, count: checked.takeCount() };
  };
  const lasting = (rows: number): number[][] => new Array<number[]>(rows).fill(contrary);

  it('are NULL, not 0, from the row on with which it is told: nobody takes a job for idle that draws 600 W', () => {
    const { values, events, count } = play(lasting(50));
    expect(values.slice(0, 20)).toEqual(lasting(20));
    for (const row of values.slice(20)) expect(row).toEqual([NaN, NaN, NaN, NaN, 1, 600]);
    expect(count).toBe(30 * 4);
    expect(events.map(({ tsUs, kind, subject }) => [tsUs, kind, subject])).toEqual([
      [START + 20 * 100_000, 'implausible', 'sm_active_ratio'],
    ]);
    expect(events[0]!.text).toMatch(/no SM is active beside a utilisation of 100 % and 600 W/);
  });

  it('stay as they were read, and nobody is told, where means of a second only lag behind the end of a kernel', () => {
    const busy = [0.9, 0.9, 0.4, 1e6, 1, 600];
    const rows = [busy, ...lasting(19), [0, 0, 0, 0, 0.4, 250], ...lasting(10), busy, ...lasting(20)];
    expect(play(rows)).toEqual({ values: rows, events: [], count: 0 });
  });

  it('are NULL only where an event tells so, whatever comes', () => {
    const row = fc.constantFrom(
      contrary,
      contrary,
      contrary,
      [0.9, 0.9, 0, 0, 1, 600],
      [NaN, NaN, NaN, NaN, 1, 600],
      [0, 0, 0, 0, NaN, 600],
    );
    const runs = fc.array(fc.tuple(row, fc.integer({ min: 1, max: 60 })), { maxLength: 8 });
    fc.assert(
      fc.property(runs, (parts) => {
        const rows = parts.flatMap(([values, times]) => new Array<number[]>(times).fill(values));
        const { values, events } = play(rows);
        const first = values.findIndex(
          (each, index) => Number.isNaN(each[1]!) && !Number.isNaN(rows[index]![1]!),
        );
        expect(events.map(({ tsUs }) => tsUs)).toEqual(first < 0 ? [] : [START + first * 100_000]);
      }),
      { numRuns: 100 },
    );
  });

  it('are judged by what was seen: not over a gap, nor over a clock that was set back', () => {
    expect(play(lasting(30), (index) => index * 100_000 + (index < 15 ? 0 : 60 * SECOND)).events).toEqual([]);
    expect(play(lasting(30), (index) => index * 100_000 - (index < 15 ? 0 : 3600 * SECOND)).events).toEqual(
      [],
    );
  });

  it.each([
    ['idle', [0, 0, 0, 0, 0, 75]],
    ['one block that spins', [1, 0.0076, 0, 0, 1, 320]],
    ['copies only', [0, 0, 0, 5e9, 0, 320]],
    ['busy', [0.9, 0.9, 0.4, 0, 1, 700]],
  ])('are what they are: %s', (_, row) => {
    expect(play([row]).values).toEqual([row]);
  });
});

it('is a row for a lane of profiling fields alone while it is blank, but not where all that came cannot be', () => {
  const lane = laneOf(0, 'profiling', 1000, [1002]);
  const sink = createRowSink();
  const checked = createTickCheck(lane, [GPU], () => undefined)(sink);
  for (const [index, ratio] of [0.5, NaN, 7, 0.6].entries()) {
    checked.setRow(0, START + index * SECOND);
    checked.set(0, 0, ratio);
    checked.next();
  }
  expect(sink.rows.map(({ values }) => values[0])).toEqual([0.5, NaN, 0.6]);
});
