/**
 * Goal: a job's rows are read from the coarsest rollup that holds no other run of the same id, and each sample once. Method: what
 * is kept of a lane and stays made by hand; what is read is listed, table by table.
 */
import { describe, expect, test } from 'vitest';
import {
  jobSegments,
  sampledSpans,
  type JobSegments,
  type Stay,
} from '../../src/figures/job/rows/job-segments.ts';
import { gapsBetween } from '../../src/figures/job/rows/spoken.ts';
import { STEP_US, type KeptLane, type Level } from '../../src/figures/levels.ts';

const [SECOND, MINUTE, HOUR, DAY] = [1e6, STEP_US['1m'], STEP_US['1h'], STEP_US['1d']];
const T0 = 20_000 * DAY;

/** Rollups that end where they do, over samples of three days. */
function laneOf(endsUs: Readonly<Partial<Record<Level, number>>>, samplesFromUs = T0): KeptLane {
  const columns = new Set(['ts', 'owners', 'owner_set']);
  const levels = (['1d', '1h', '1m', 'raw'] as const).map((level) => {
    const endUs = T0 + (endsUs[level] ?? 3 * DAY);
    const firstUs = level === 'raw' ? samplesFromUs : T0;
    const name = level === 'raw' ? 't' : `t_${level}`;
    return { level, tables: [{ name, columns, firstUs, endUs }], completeFromUs: firstUs, endUs };
  });
  return { table: 't', levels, columns };
}

const stay = (fromUs: number, toUs: number, gpu = 'a'): Stay => ({
  gpu,
  startUs: T0 + fromUs,
  endUs: T0 + toUs,
});
const minutes = (us: number): number => Math.round(((us - T0) / MINUTE) * 1000) / 1000;
const listed = ({ groups }: JobSegments): string[] =>
  groups.flatMap(({ gpus, segments }) =>
    segments.flatMap(({ table, spans }) =>
      spans.map(({ fromUs, toUs }) => `${gpus.join('+')} ${table} ${minutes(fromUs)}-${minutes(toUs)}`),
    ),
  );

describe('a job is read', () => {
  test('from days where it has the id for itself, ends and all', () => {
    const job = { stays: [stay(0.5 * DAY, 1.5 * DAY), stay(0.4 * DAY, 1.2 * DAY, 'b')], foreign: [] };
    expect(listed(jobSegments(laneOf({}), job))).toEqual(['a+b t_1d 0-2880']);
  });

  test('from hours, minutes and samples of what is too young, and from nothing outside of it', () => {
    const lane = laneOf({ '1d': DAY, '1h': DAY + 2 * HOUR, '1m': DAY + 3 * HOUR });
    const job = { stays: [stay(DAY - HOUR, DAY + 2 * HOUR + 90 * MINUTE)], foreign: [] };
    expect(listed(jobSegments(lane, job))).toEqual([
      'a t_1d 0-1440',
      'a t_1h 1440-1560',
      'a t_1m 1560-1620',
      'a t 1620-1650',
    ]);
  });

  test('more finely where another run of the id had the device in the same bucket, and without what is the other one alone', () => {
    const first = stay(0, 10 * HOUR + 20 * MINUTE + 30 * SECOND);
    const other = stay(10 * HOUR + 20 * MINUTE + 40 * SECOND, 12 * HOUR);
    const spans = listed(jobSegments(laneOf({}), { stays: [first], foreign: [other] }));
    expect(spans.sort()).toEqual(['a t 620-620.5', 'a t_1h 0-600', 'a t_1m 600-620']);
    const second = listed(jobSegments(laneOf({}), { stays: [other], foreign: [first] }));
    expect(second.sort()).toEqual(['a t 620.667-621', 'a t_1h 660-780', 'a t_1m 621-660']);
  });

  test('without the bucket of two runs of which no samples are left, and says so', () => {
    const lane = laneOf({}, T0 + 2 * DAY);
    const places = jobSegments(lane, {
      stays: [stay(0, 90 * SECOND)],
      foreign: [stay(100 * SECOND, 10 * MINUTE)],
    });
    expect(listed(places)).toEqual(['a t_1m 0-1']);
    expect(places.mixed).toEqual([{ gpu: 'a', fromUs: T0 + MINUTE, toUs: T0 + 2 * MINUTE }]);
  });
});

test('of samples those are a job’s that lie within its stays, first moment apart and last one included', () => {
  const spans = [
    { fromUs: T0, toUs: T0 + 10 * SECOND },
    { fromUs: T0 + 20 * SECOND, toUs: T0 + 30 * SECOND },
  ];
  const segment = { table: 't', level: 'raw', columns: new Set<string>(), spans } as const;
  const of = (own: Stay): number[][] =>
    sampledSpans(segment, ['a'], [own]).map(({ startUs, endUs }) => [startUs - T0, endUs - T0]);
  // A stay is (start, end], a span of a segment [from, to).
  expect(of(stay(5 * SECOND, 25 * SECOND))).toEqual([
    [5 * SECOND, 10 * SECOND - 1],
    [20 * SECOND - 1, 25 * SECOND],
  ]);
  expect(of(stay(-SECOND, 0))).toEqual([[-1, 0]]);
  expect(of(stay(10 * SECOND - 1, 20 * SECOND - 1))).toEqual([]);
  expect(of(stay(0, SECOND, 'b'))).toEqual([]);
});

test('gaps are what is left of the stays; at their ends an interval is none', () => {
  const interval = { ...stay(0, 100 * SECOND), node: 'n', isOpen: false };
  const spoken = (fromS: number, toS: number): { gpu: string; fromUs: number; toUs: number } => ({
    gpu: 'a',
    fromUs: T0 + fromS * SECOND,
    toUs: T0 + toS * SECOND,
  });
  const gaps = (...some: ReturnType<typeof spoken>[]): number[][] =>
    gapsBetween(some, [interval], 10 * SECOND).map(({ fromUs, toUs }) => [
      (fromUs - T0) / SECOND,
      (toUs - T0) / SECOND,
    ]);
  expect(gaps(spoken(-5, 105))).toEqual([]);
  expect(gaps(spoken(10, 90))).toEqual([]);
  expect(gaps(spoken(11, 89))).toEqual([
    [0, 11],
    [89, 100],
  ]);
  expect(gaps(spoken(40, 60), spoken(0, 39), spoken(60.00001, 100))).toEqual([[39, 40]]);
  expect(gaps()).toEqual([[0, 100]]);
});
