/**
 * Goal: what a real libdcgm was seen to answer and nobody can have measured is NULL on every route, and an event. Method: the fake
 * answers it for one GPU or all; the source is checked as the sampling worker does it.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkValues } from '../../../src/core/sampling/checked-source.ts';
import type { GpuEvent } from '../../../src/core/sampling/event.ts';
import type { Source } from '../../../src/core/sampling/source.ts';
import { openDcgmSource } from '../../../src/source/dcgm/dcgm.ts';
import { loadFake } from '../../helpers/fakes.ts';
import { FORTY_FIELDS, laneOf } from '../../helpers/lanes.ts';
import { createRowSink, type SunkRow } from '../../helpers/row-sink.ts';

const fake = loadFake('dcgm');
const START = 1_800_000_000_000_000;
const SECOND = 1_000_000;
let events: GpuEvent[] = [];
let source: Source | undefined;

beforeEach(() => {
  fake.reset();
  fake.set('clock_us', START);
  fake.set('gpus', 2);
  events = [];
});
afterEach(() => {
  source?.close();
  source = undefined;
});

describe.each(['embedded', 'unix:///run/x.sock', 'localhost:5555'])('DCGM on %s', (engine) => {
  describe.each([100, 1000])('at %i ms', (intervalMs) => {
    const lane = laneOf(0, 'profiling', intervalMs, FORTY_FIELDS);

    /** The rows of 10 s, and what was told of them. */
    function play(): { readonly rows: readonly SunkRow[]; readonly cells: number } {
      const onEvent = (event: GpuEvent): void => void events.push(event);
      const opened = openDcgmSource({
        node: 'n1',
        lanes: [lane],
        library: fake.path,
        engine,
        openedUs: START,
        onEvent,
      });
      let cells = 0;
      source = checkValues(opened, [lane], onEvent, (_, count) => (cells += count));
      const sink = createRowSink();
      const stepUs = (source.callIntervalMs?.(lane) ?? intervalMs) * 1000;
      for (let us = START + stepUs; us <= START + 10 * SECOND; us += stepUs) {
        fake.set('clock_us', us);
        source.sample(lane, sink, us);
        sink.next();
      }
      source.finish?.(lane, sink);
      return { rows: sink.rows, cells };
    }
    const column = (id: number): number => lane.fields.findIndex((field) => field.id === id);
    const told = (): readonly (readonly unknown[])[] =>
      events.filter(({ kind }) => kind === 'implausible').map(({ gpu, subject }) => [gpu, subject]);
    const GPUS = ['GPU-00000000-fade-4000-8000-000000000000', 'GPU-00000001-fade-4000-8000-000000000001'];

    it('takes all that the fake answers otherwise', () => {
      const { rows, cells } = play();
      expect(rows.length).toBeGreaterThan(15_000 / intervalMs);
      expect([cells, told()]).toEqual([0, []]);
    });

    it.each([
      ['the integer of a GPM infinity', { infinite_field: 1009 }, 1009],
      ['utilisation 4294967295', { step_field: 203, step_value: 4_294_967_295 }, 203],
      ['an int32 blank in an int64 field', { step_field: 252, step_value: 0x7fff_fff2 }, 252],
    ])('makes NULL and one event a GPU of %s', (_, knobs, fieldId) => {
      for (const [knob, value] of Object.entries(knobs)) fake.set(knob, value);
      const { rows, cells } = play();
      expect(rows.filter(({ values }) => !Number.isNaN(values[column(fieldId)]!))).toEqual([]);
      expect(rows.every(({ values }) => !Number.isNaN(values[column(155)]!))).toBe(true);
      expect(cells).toBeGreaterThan(0.8 * rows.length);
      expect(told()).toEqual(GPUS.map((gpu) => [gpu, lane.fields[column(fieldId)]!.column]));
    });

    it('makes no idle GPU of one without an active SM that draws 600 W', () => {
      fake.set('contradictory_gpu', 2);
      const { rows } = play();
      const contrary = rows.filter(({ device }) => device === 1);
      const toldUs = events.find(({ kind }) => kind === 'implausible')!.tsUs;
      expect(toldUs - contrary[0]!.tsUs).toBeLessThanOrEqual(4 * SECOND);
      // No cell is NULL that no event tells of. The first profiling value after a watch is none anyway.
      for (const { tsUs, values } of contrary.slice(1))
        expect(Number.isNaN(values[column(1002)]!)).toBe(tsUs >= toldUs);
      expect(contrary.every(({ values }) => values[column(155)] === 600)).toBe(true);
      expect(told()).toEqual([[GPUS[1], 'sm_active_ratio']]);
    });
  });
});
