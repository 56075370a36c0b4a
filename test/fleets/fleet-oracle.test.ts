/** The oracle itself: what is drawn, how its truth is worked out, and how reports are read. */
import { describe, expect, test } from 'vitest';
import { differencesOf, near, type Json } from './differences.ts';
import { drawFleet } from './draw/draw-fleet.ts';
import {
  DAY,
  HOUR,
  S,
  UNRESOLVED,
  type Fleet,
  type FleetDevice,
  type FleetRun,
  type FleetStay,
} from './draw/fleet.ts';
import { coverageWrong, energyWrong, hoursWrong, isPrinted, ratioWrong, spanWrong } from './read/printed.ts';
import { capacityTruth, type CapacityTruth, type Grouping } from './truth/capacity.ts';
import { idleBelow } from './truth/idle-limits.ts';
import { jobTruth, rankOf } from './truth/job.ts';
import { divided, ledgersOf } from './truth/ledger.ts';
import { ALL_LEFT } from './truth/left.ts';

const FLEETS = Array.from({ length: 40 }, (_, seed) => drawFleet(seed, 'many'));
const GROUPINGS: readonly Grouping[] = [
  'account',
  'node',
  'user',
  'cluster',
  'partition',
  'model',
  'qos',
  'day',
  'week',
  'month',
];
const LANE = {
  ...{ table: 'gpu_main', intervalUs: 10 * S, gauges: ['sm_active_ratio', 'power_watts'] },
  othersUs: new Map([['gpu_slow', 30 * S]]),
};

describe('what is drawn', () => {
  test('is the same for the same seed', () => {
    expect(drawFleet(3, 'many')).toEqual(FLEETS[3]);
  });

  test('holds everything that fleets are', () => {
    const count = (of: (fleet: Fleet) => boolean): number => FLEETS.filter(of).length;
    const someStay = (of: (stay: FleetStay, fleet: Fleet) => boolean) => (fleet: Fleet) =>
      fleet.runs.some(({ stays }) => stays.some((stay) => of(stay, fleet)));
    const someRow = (of: (values: Float64Array, fleet: Fleet) => boolean, column: string) => (fleet: Fleet) =>
      fleet.lanes[0]!.rows.some(({ values }) => of(values.get(column)!, fleet));
    const isPartly = (values: Float64Array): boolean =>
      values.some(Number.isNaN) && values.some((x) => !Number.isNaN(x));
    const kinds: Readonly<Record<string, (fleet: Fleet) => boolean>> = {
      cut: ({ devices }) => devices.some(({ isCut }) => isCut),
      'without a counter': ({ devices }) =>
        devices.some((one) => !one.hasCounter && one.instance === undefined),
      'two clusters': ({ devices }) => new Set(devices.map(({ cluster }) => cluster)).size > 1,
      'unknown cluster': ({ devices }) => devices.some(({ cluster }) => cluster === undefined),
      blanks: someRow(isPartly, 'sm_active_ratio'),
      'stuck counter': someRow(
        (joules) => joules.length > 100 && joules.every((x) => x === joules[0] || Number.isNaN(x)),
        'energy_joules',
      ),
      'reset counter': someRow((joules) => joules.some((x, at) => x < joules[at - 1]!), 'energy_joules'),
      dips: (fleet) => {
        const ledgers = ledgersOf(fleet);
        return fleet.runs.some((run) => jobTruth(ledgers, run, LANE).dips !== undefined);
      },
      lost: ({ lanes: [lane], toUs }) => lane!.rows.some(({ tsUs }) => tsUs.at(-1)! < toUs - HOUR),
      gaps: ({ lanes: [lane] }) =>
        lane!.rows.some(({ tsUs }) => tsUs.some((us, at) => us - tsUs[at - 1]! > 4 * lane!.intervalUs)),
      'told whole': someStay(({ share }) => share === 1),
      untold: someStay(({ share }) => Number.isNaN(share)),
      'a part': someStay(({ share }) => share < 1),
      'more than the device': someStay((stay, { runs }) => isCrowded(stay, runs)),
      unresolved: ({ runs }) => runs.some(({ jobId }) => jobId === UNRESOLVED),
      requeued: ({ runs }) => runs.some((run) => run.count > 0),
      'not recorded': ({ runs }) => runs.some((run) => !run.isRecorded),
      reused: ({ runs }) =>
        runs.some(
          (run) =>
            run.jobId !== UNRESOLVED && runs.some((one) => one.jobId === run.jobId && one.job !== run.job),
        ),
      'began before': someStay((stay, { fromUs }) => stay.startUs < fromUs),
      'goes on after': someStay((stay, { toUs }) => stay.endUs > toUs),
      'across days': someStay(({ startUs, endUs }) => Math.floor(startUs / DAY) !== Math.floor(endUs / DAY)),
      'two lanes': ({ lanes }) => lanes.some(({ table }) => table === 'gpu_slow'),
      'activity once elsewhere': ({ lanes }) => lanes.some(({ table }) => table === 'gpu_early'),
      'hours late': ({ facts }) =>
        facts.some(({ toldUs, atUs }) => toldUs - atUs > HOUR && toldUs - atUs < DAY),
      'weeks late': ({ facts }) => facts.some(({ toldUs, atUs }) => toldUs - atUs > 7 * DAY),
      'another limit of idleness': ({ idleLimits }) => idleLimits.smRatio !== 0.05,
      'several limits of idleness': ({ devices, idleLimits }) =>
        new Set(devices.map((device) => idleBelow(device, idleLimits))).size > 1,
      'share told later': ({ facts }) => facts.some(({ share, stay }) => !Object.is(share, stay.share)),
    };
    const rare = Object.entries(kinds).filter(([, of]) => count(of) < 2);
    expect(rare.map(([kind]) => kind)).toEqual([]);
  });
});

/** Whether what was told of a device at some moment is more than it has. */
function isCrowded(stay: FleetStay, runs: readonly FleetRun[]): boolean {
  const live = runs
    .flatMap(({ stays }) => stays)
    .filter((one) => one.gpu === stay.gpu && one.startUs <= stay.startUs && stay.startUs < one.endUs);
  return live.reduce((sum, { share }) => sum + (share > 0 ? share : 0), 0) > 1.01;
}

describe('the truth', () => {
  test('adds up: rows are all of it, whatever they are of', () => {
    for (const fleet of FLEETS.slice(0, 5)) {
      const ledgers = ledgersOf(fleet);
      const truths = GROUPINGS.map((by): CapacityTruth => {
        const window = { fromUs: fleet.fromUs, toUs: fleet.toUs + S, cluster: undefined };
        const { idleLimits } = fleet;
        const question = { ...window, by, every: undefined, table: 'gpu_main', idleLimits, left: ALL_LEFT };
        return capacityTruth(ledgers, question);
      });
      const isCut = fleet.devices.some((device) => device.isCut);
      const dtUs = ledgers.reduce(
        (sum, { lanes }) => sum + lanes.get('gpu_main')!.dtUs.reduce((a, b) => a + b, 0),
        0,
      );
      expect(new Set(truths.map(({ all }) => all.dtUs)).size).toBe(1);
      for (const { rows, all } of truths) {
        expect(Math.abs(rows.reduce((sum, { sums }) => sum + sums.dtUs, 0) - all.dtUs)).toBeLessThan(0.5);
        if (!isCut) expect(Math.abs(all.dtUs - dtUs)).toBeLessThan(0.01);
        const joules = rows.reduce((sum, { sums }) => sum + (sums.energy.bestJoules ?? 0), 0);
        expect(Math.abs(joules / (all.energy.bestJoules ?? 1) - 1)).toBeLessThan(1e-9);
      }
    }
  });

  test('of jobs: all devices together are the job, and gaps and samples its time', () => {
    for (const fleet of FLEETS.slice(0, 5)) {
      const ledgers = ledgersOf(fleet);
      for (const run of fleet.runs) {
        const { all, devices, gaps } = jobTruth(ledgers, run, LANE);
        expect(devices.reduce((sum, { sampledUs }) => sum + sampledUs, 0)).toBe(all.sampledUs);
        expect(all.attributedUs).toBeLessThanOrEqual(all.sampledUs + 1e-6);
        const gapUs = gaps.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
        // Samples at the beginning may speak for a little time before the stay.
        expect(gapUs + all.sampledUs).toBeLessThan(all.ownedUs + 3 * 60 * S * run.stays.length);
      }
    }
  });

  test('takes a value from the fastest lane that had it around that moment', () => {
    const fleet = paperFleet();
    const [lane] = fleet.lanes;
    const slow = {
      ...lane!,
      ...{ table: 'gpu_slow', intervalUs: 20 * S },
      rows: lane!.rows.map((rows) => {
        const tsUs = rows.tsUs.map((us) => us + 30 * S);
        return { ...rows, tsUs, values: new Map([['sm_active_ratio', tsUs.map((us) => us / S)]]) };
      }),
    };
    const [{ lanes }] = ledgersOf({ ...fleet, lanes: [lane!, slow] }) as [ReturnType<typeof ledgersOf>[0]];
    const known = lanes
      .get('gpu_slow')!
      .values.get('sm_active_ratio')!
      .filter((x) => !Number.isNaN(x));
    // The faster one knows it from 0 to 90 s.
    expect([...known]).toEqual([110, 120]);
    expect(lanes.get('gpu_slow')!.smTimes).toEqual([{ fromUs: 90 * S + 1, toUs: 120 * S + 1 }]);
    expect(lanes.get('gpu_main')!.values.get('sm_active_ratio')).not.toContain(NaN);
  });

  test('divides a device by what was told, and the rest equally', () => {
    const parts = (...shares: number[]): number[] =>
      divided(shares.map((share) => ({ share, run: {} }) as FleetStay)).parts.map(({ part }) => part);
    expect(parts(NaN)).toEqual([1]);
    expect(parts(0.25)).toEqual([0.25]);
    expect(parts(0.5, NaN, NaN)).toEqual([0.5, 0.25, 0.25]);
    expect(parts(0.75, 0.75)).toEqual([0.5, 0.5]);
    expect(parts(0.75, 0.75, NaN)).toEqual([0.5, 0.5, 0]);
    expect(divided([{ share: 0.25, run: {} } as FleetStay]).rest).toBe(0.75);
    expect(divided([]).rest).toBe(0);
  });

  test('on paper: a gap, a blank and a counter that stands still', () => {
    const fleet = paperFleet();
    const ledgers = ledgersOf(fleet);
    const { all, devices, gaps } = jobTruth(ledgers, fleet.runs[0]!, LANE);
    // Ticks 2, 3, 4, 8 and 9: before 8 there is a gap, so it speaks for nothing.
    expect([all.samples, all.sampledUs]).toEqual([10, 2 * 4 * 10 * S]);
    expect(gaps.map(({ fromUs, toUs }) => [fromUs, toUs])).toEqual([
      [40 * S, 80 * S],
      [40 * S, 80 * S],
    ]);
    const [counted, stuck] = devices;
    expect([counted!.energy.counterJoules, counted!.energy.bestJoules]).toEqual([300, 300]);
    expect([stuck!.energy.counterJoules, stuck!.energy.powerJoules]).toEqual([0, 4000]);
    expect(all.energy.bestJoules).toBe(300 + 4000);
    expect(rankOf(all.gauges.get('sm_active_ratio')!, 0.5)).toBe(0.3);
  });
});

/** Two devices with ten ticks each, the job has all of both from 15 s to 95 s. */
function paperFleet(): Fleet {
  const device = (index: number): FleetDevice => ({
    ...{ uuid: `G${index}`, cluster: undefined, node: 'n1', index, model: 'M', memoryBytes: 1 },
    ...{ idleWatts: 0, fullWatts: 1, hasCounter: true, isCut: false, instance: undefined },
  });
  const devices = [device(0), device(1)];
  const ticks = [0, 1, 2, 3, 4, 8, 9];
  const rowsOf = (gpu: string, joules: (tick: number) => number) => ({
    gpu,
    tick: Int32Array.from(ticks),
    tsUs: Float64Array.from(ticks, (tick) => tick * 10 * S),
    values: new Map([
      ['sm_active_ratio', Float64Array.from(ticks, (tick) => tick / 10)],
      ['power_watts', Float64Array.from(ticks, () => 100)],
      ['energy_joules', Float64Array.from(ticks, (tick) => (tick === 3 ? NaN : joules(tick)))],
    ]),
  });
  const run: FleetRun = {
    ...{ job: '1', cluster: undefined, jobId: '1', count: 0, submitUs: 0, name: 'x', user: 'u' },
    ...{
      account: 'a',
      partition: 'p',
      qos: undefined,
      state: 'COMPLETED',
      exitCode: 0,
      isRecorded: true,
      stays: [],
    },
  };
  for (const { uuid: gpu } of devices) run.stays.push({ run, gpu, startUs: 15 * S, endUs: 95 * S, share: 1 });
  return {
    ...{ seed: 0, fromUs: 0, toUs: 100 * S, devices, runs: [run], facts: [] },
    idleLimits: { smRatio: 0.05, models: new Map() },
    sightings: devices.map((one) => ({ device: one, tsUs: 0 })),
    lanes: [
      {
        ...{ table: 'gpu_main', intervalUs: 10 * S, columns: [], tickCount: 10 },
        rows: [rowsOf('G0', (tick) => 75 * tick), rowsOf('G1', () => 7)],
      },
    ],
  };
}

describe('reading', () => {
  test('a field of which nothing is expected is a difference, as one that is missing', () => {
    const got = { a: 1, b: { c: [1, 2] } } as Json;
    expect(differencesOf({ a: 1, b: { c: [1, 2] } }, got)).toEqual([]);
    expect(differencesOf({ a: 1, b: { c: [1] } }, got).map(({ path }) => path)).toEqual(['b.c.1']);
    expect(differencesOf({ a: 1, b: { c: [1, 2], d: 0 } }, got).map(({ path }) => path)).toEqual(['b.d']);
    expect(differencesOf({ a: near(1 + 1e-8), b: got }, { a: 1, b: got })).toHaveLength(1);
  });

  test('numbers as they are printed, and no others', () => {
    expect([isPrinted('1.48', 1.4849), isPrinted('1.48', 1.4851)]).toEqual([true, false]);
    expect([isPrinted('3', 3.004, 3), isPrinted('3', 3.006, 3)]).toEqual([true, false]);
    expect([ratioWrong('71 %', 0.714), ratioWrong('0.4 %', 0.0043), ratioWrong('< 0.1 %', 0.0004)]).toEqual(
      Array(3).fill(undefined),
    );
    expect([ratioWrong('71 %', 0.716), ratioWrong('0 %', 0.0004), ratioWrong('–', 0)]).not.toContain(
      undefined,
    );
    expect([coverageWrong('99.99 %', 0.99999), coverageWrong('100 %', 1)]).toEqual(Array(2).fill(undefined));
    expect(coverageWrong('100 %', 0.99999)).toBeDefined();
    expect([energyWrong('0.534 kWh', 0.534 * 3.6e6), energyWrong('–', undefined)]).toEqual(
      Array(2).fill(undefined),
    );
    expect(energyWrong('0.534 Wh', 0.534 * 3.6e6)).toBeDefined();
    expect([hoursWrong('55.9 GPU-hours', 55.94 * 3.6e9), spanWrong('1 min 4 s', 64.3e6)]).toEqual(
      Array(2).fill(undefined),
    );
    expect([isPrinted('<0.001', 0.0004), isPrinted('<0.1', 0.04), isPrinted('0.0', 0)]).toEqual(
      Array(3).fill(true),
    );
    expect([isPrinted('0.000', 0.0004), isPrinted('<0.1', 0.06), isPrinted('<0.1', 0)]).toEqual(
      Array(3).fill(false),
    );
    expect([hoursWrong('55.9 GPU-hours', 55.96 * 3.6e9), spanWrong('1 min 4 s', 65e6)]).not.toContain(
      undefined,
    );
  });
});
