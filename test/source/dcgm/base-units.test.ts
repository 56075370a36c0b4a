import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadDcgm } from '../../../native/dcgm.ts';
import { parseCounters } from '../../../schemas/counters-csv.ts';
import { FIELD_CATALOGUE } from '../../../src/core/fields/field-catalogue.ts';
import type { GpuEvent } from '../../../src/core/sampling/event.ts';
import type { SampledLane, Source } from '../../../src/core/sampling/source.ts';
import { openDcgmSource } from '../../../src/source/dcgm/dcgm.ts';
import { readFieldsOnce } from '../../../src/source/dcgm/identity/read-once.ts';
import { loadFake } from '../../helpers/fakes.ts';
import { createRowSink } from '../../helpers/row-sink.ts';
import { truthInt } from '../../helpers/truth.ts';

const fake = loadFake('dcgm');
const START_US = 1_800_000_000_000_000;
const SECOND_US = 1_000_000;
const GPU = 1;
const XID_FIELD_ID = 230;
let source: Source | undefined;
let events: GpuEvent[] = [];

beforeEach(() => {
  fake.reset();
  fake.set('clock_us', START_US);
  events = [];
});
afterEach(() => {
  source?.close();
  source = undefined;
});

const counters = new URL('../../fixtures/counters/exporter-4.9-default.csv', import.meta.url);
const { fields } = parseCounters(readFileSync(counters, 'utf8'), 'counters.csv');
const lane: SampledLane = { index: 0, name: 'profiling', intervalMs: 1_000, fields };

describe('the default counters of dcgm-exporter 4.9', () => {
  it.each([
    ['embedded', undefined, 6],
    ['embedded', undefined, 7],
    ['a host engine on a socket', 'unix:///run/engine', 6],
    ['a host engine on a socket', 'unix:///run/engine', 7],
    ['a host engine on TCP', 'localhost', 6],
    ['a host engine on TCP', 'localhost', 7],
  ])('are recorded from %s (%s) of DCGM 4.%i', (_name, engine, minor) => {
    fake.set('library_minor', minor);
    fake.set('engine_minor', minor);
    const onEvent = (event: GpuEvent): void => {
      events.push(event);
    };
    const options = { node: 'n1', lanes: [lane], library: fake.path, openedUs: START_US, onEvent };
    const opened = openDcgmSource({ ...options, ...(engine === undefined ? {} : { engine }) });
    source = opened;
    const sink = createRowSink();
    for (let second = 1; second <= 8; second += 1) {
      fake.set('clock_us', START_US + second * SECOND_US);
      opened.sample(lane, sink, START_US + second * SECOND_US);
      sink.next();
    }
    opened.finish?.(lane, sink);
    const rows = sink.ofDevice(2).slice(1);
    expect(rows.length).toBeGreaterThanOrEqual(4);
    for (const { tsUs, values } of rows) {
      const at = (column: string): number => values[fields.findIndex((field) => field.column === column)]!;
      expect(Math.abs(at('energy_joules') - truthInt(156, 2, tsUs) / 1000)).toBeLessThan(1);
      expect(at('fb_total_bytes')).toBe(143_771 * 1_048_576);
      // An XID is an event; the other columns have a value in every row.
      const blank = fields.filter((_, index) => Number.isNaN(values[index]));
      expect(blank.map(({ id }) => id).filter((id) => id !== XID_FIELD_ID)).toEqual([]);
    }
    expect(events).toEqual([]);
  });
});

describe('a field in base units', () => {
  /** What the engine says of every base-unit field and of the field that it is, both of the same moment. */
  function readBoth(minor: number): ReadonlyMap<number, number> {
    fake.set('library_minor', minor);
    const dcgm = loadDcgm(fake.path);
    const said = new Map<number, number>();
    const { handle } = dcgm.startEmbedded(true);
    const ids = FIELD_CATALOGUE.flatMap(({ id, baseUnitId }) =>
      baseUnitId === undefined ? [] : [id, ...(minor < 7 ? [] : [baseUnitId])],
    );
    // The first record after a watch may be made up (NVLink), so there is one before those that are read.
    for (const id of ids) fake.foreignWatch(3, id, SECOND_US, 60);
    dcgm.call.updateAllFields(handle, 1);
    fake.set('clock_us', START_US + 2 * SECOND_US);
    for (const { id, baseUnitId } of FIELD_CATALOGUE) {
      if (baseUnitId === undefined) continue;
      readFieldsOnce(
        dcgm,
        handle,
        'test',
        [{ group: GPU, id: 3 }],
        [id, baseUnitId],
        'time',
        ({ fieldId, value }) => {
          said.set(fieldId, value);
        },
      );
    }
    dcgm.stopEmbedded(handle);
    return said;
  }

  it('is its twin times the scale of the column, in DCGM 4.7', () => {
    const said = readBoth(7);
    for (const { id, baseUnitId, column, scale, type } of FIELD_CATALOGUE) {
      // The size of the memory is not made up as the other values are.
      if (baseUnitId === undefined || id === 250) continue;
      expect(type).toBe('int64');
      const off = Math.abs(said.get(baseUnitId)! - said.get(id)! * scale);
      // Joules are whole, and two fields of one pass are a few microseconds apart.
      expect(off, column).toBeLessThan(id === 156 ? 1 : 1e-6);
    }
  });

  it('is not asked of an older one', () => {
    expect([...readBoth(6).keys()].filter((id) => id >= 1600)).toEqual([]);
  });
});
