/**
 * Goal: what a drain takes of MIG instances is theirs: XIDs that stand under them, and nothing of their GPU. Method: a host engine
 * of one cut GPU on a clock of the test's.
 */
import { beforeEach, expect, it } from 'vitest';
import { openKeptSource } from '../../src/source/dcgm/kept-source.ts';
import { loadFake } from '../helpers/fakes.ts';
import { laneOf } from '../helpers/lanes.ts';

const fake = loadFake('dcgm');
const START = 1_800_000_000_000_000;
const SECOND = 1_000_000;
const lane = laneOf(0, 'profiling', 1000, [1002, 155, 156, 252]);

beforeEach(() => {
  fake.reset();
  fake.set('clock_us', START);
  fake.set('gpus', 1);
  fake.set('mig', 1);
});

it.each(['unix:///run/engine', 'localhost:5555'])(
  'gives an instance its XIDs and nothing of its GPU (%s)',
  (engine) => {
    const kept = openKeptSource(fake.path).open(engine, 'n1', { lanes: [lane], keepS: 600 }, () => undefined);
    for (const [second, knob, value] of [
      [5, 'xid_gi', 1_031],
      [6, 'xid_ci', 43],
      [7, 'xid', 13],
      [30, 'xid_ci', 1_045],
    ] as const) {
      fake.set('clock_us', START + second * SECOND);
      fake.set(knob, value);
    }
    fake.set('clock_us', START + 40 * SECOND);
    const order = { before: [new Map()], sinceUs: 0, eventsSinceUs: START, throttled: [] };
    const again = openKeptSource(fake.path).open(
      engine,
      'n1',
      { lanes: [lane], keepS: 600 },
      () => undefined,
    );
    const { lanes, events } = again.pull(order);
    const [gpu, first, second] = again.devices.map(({ uuid }) => uuid);
    expect(events.map((event) => [event.kind, event.gpu, event.code])).toEqual([
      ['xid', second, 31],
      ['xid', first, 43],
      ['xid', gpu, 13],
      ['xid', second, 45],
    ]);
    const { rows } = lanes[0]!;
    const seen = new Map<number, string>();
    for (let row = 0; row < rows.count; row += 1)
      seen.set(
        rows.deviceOf(row),
        rows.columns.map((column) => (Number.isNaN(column[row]) ? '-' : 'x')).join(''),
      );
    expect([...seen].sort(([a], [b]) => a - b).map(([, cells]) => cells)).toEqual(['xxxx', 'x--x', 'x--x']);
    again.close();
    kept.close();
  },
);
