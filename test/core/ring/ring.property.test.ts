import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DropEpisode } from '../../../src/core/ring/ring-tally.ts';
import { Ring, type RingShape, type TickRange } from '../../../src/core/ring/ring.ts';

/**
 * The ring against a plain array that does the same thing the obvious way, over any sequence of what its two sides can
 * do: ticks with absent devices, blanks, clock steps and energy counters that fall, peeks that take a part, releases of
 * a part, episodes taken, ticks refused.
 */

interface Row {
  readonly device: number;
  readonly tsUs: number;
  readonly dtUs: number;
  readonly energyRise: number;
  readonly energyRiseDtUs: number;
  readonly values: readonly number[];
}

interface Tick {
  readonly number: number;
  readonly rows: readonly Row[];
}

interface SampledRow {
  /** µs since the last tick's time; 0 and negative are clock trouble. */
  readonly stepUs: number;
  readonly values: readonly number[];
}

type Move =
  | { readonly kind: 'tick'; readonly rows: readonly (SampledRow | null)[] }
  | { readonly kind: 'peek'; readonly maxTicks: number; readonly taken: number }
  | { readonly kind: 'release'; readonly share: number }
  | { readonly kind: 'episode' }
  | { readonly kind: 'refuse'; readonly rows: number };

const INTERVAL_US = 1_000;

/** Written after DESIGN §1, §2 and not after the ring: arrays, objects, no slots. */
class PlainRing {
  readonly shape: RingShape;
  held: Tick[] = [];
  inFlightEnd = 0;
  head = 0;
  sampledRows = 0;
  droppedRows = 0;
  episode: { ticks: number; rows: number; firstUs: number; lastUs: number } | undefined;
  readonly last = new Map<number, number>();
  /** Last reading of each device, and the dt of the rows since. */
  readonly readings = new Map<number, { tsUs: number; energy: number; since: number[] }>();

  constructor(shape: RingShape) {
    this.shape = shape;
  }

  get tail(): number {
    return this.held[0]?.number ?? this.head;
  }

  add(rows: readonly { device: number; tsUs: number; values: readonly number[] }[]): void {
    if (this.held.length === this.shape.capacityTicks) {
      const oldest = this.held.shift()!;
      if (oldest.number >= this.inFlightEnd) this.drop(oldest.rows.length, oldest.rows[0]!.tsUs);
    }
    const fixed = rows.map((row) => this.fix(row));
    if (fixed.length === 0) return;
    this.sampledRows += fixed.length;
    this.held.push({ number: this.head, rows: fixed });
    this.head += 1;
  }

  fix({ device, tsUs, values }: { device: number; tsUs: number; values: readonly number[] }): Row {
    const before = this.last.get(device);
    const energy = this.shape.energyColumn < 0 ? NaN : values[this.shape.energyColumn]!;
    const ts = before === tsUs ? tsUs + 1 : tsUs;
    this.last.set(device, ts);
    const step = before === undefined ? 0 : ts - before;
    const dtUs = step < 0 || step > 2.5 * INTERVAL_US ? 0 : step;
    const reading = this.readings.get(device);
    reading?.since.push(dtUs);
    if (!Number.isNaN(energy)) this.readings.set(device, { tsUs: ts, energy, since: [] });
    const row = { device, tsUs: ts, dtUs, values };
    if (reading === undefined || !(energy >= reading.energy))
      return { ...row, energyRise: NaN, energyRiseDtUs: 0 };
    const spanUs = ts - reading.tsUs;
    const isWholeSeen = reading.since.reduce((sum, each) => sum + each, 0) === spanUs;
    const isTold = spanUs > 0 && (dtUs === 0 || isWholeSeen);
    return { ...row, energyRise: energy - reading.energy, energyRiseDtUs: isTold ? spanUs : 0 };
  }

  drop(rows: number, tsUs: number): void {
    this.droppedRows += rows;
    this.episode ??= { ticks: 0, rows: 0, firstUs: tsUs, lastUs: tsUs };
    this.episode.ticks += 1;
    this.episode.rows += rows;
    this.episode.lastUs = tsUs;
  }

  shown(maxTicks: number): readonly Tick[] {
    return this.held.filter(({ number }) => number >= this.inFlightEnd).slice(0, maxTicks);
  }

  takeEpisode(): DropEpisode | undefined {
    const { episode } = this;
    this.episode = undefined;
    return episode;
  }
}

/** What the ring holds of these ticks, read as a consumer does. */
function read(ring: Ring, { from, to }: TickRange): Tick[] {
  const ticks: Tick[] = [];
  for (let number = from; number < to; number += 1) {
    const rows: Row[] = [];
    for (let device = 0; device < ring.shape.deviceCount; device += 1) {
      const at = ring.baseOf(number) + device;
      if (Number.isNaN(ring.tsUs[at]!)) continue;
      rows.push({
        device,
        tsUs: ring.tsUs[at]!,
        dtUs: ring.dtUs[at]!,
        energyRise: ring.energyRise[at]!,
        energyRiseDtUs: ring.energyRiseDtUs[at]!,
        values: ring.columns.map((column) => column[at]!),
      });
    }
    expect(ring.rowCountOf(number)).toBe(rows.length);
    ticks.push({ number, rows });
  }
  return ticks;
}

/** Both sides of both rings, and the times of the ticks. */
class Pair {
  readonly ring: Ring;
  readonly plain: PlainRing;
  nowUs = 1_766_311_200_000_000;

  constructor(shape: RingShape) {
    this.ring = new Ring(shape);
    this.plain = new PlainRing(shape);
  }

  play(move: Move): void {
    switch (move.kind) {
      case 'tick':
        this.#tick(move.rows);
        break;
      case 'peek':
        this.#peek(move.maxTicks, move.taken);
        break;
      case 'release': {
        const { plain } = this;
        const toTick = Math.floor(plain.inFlightEnd * move.share);
        this.ring.release(toTick);
        plain.held = plain.held.filter(({ number }) => number >= toTick);
        break;
      }
      case 'episode':
        expect(this.ring.takeDropEpisode()).toEqual(this.plain.takeEpisode());
        break;
      case 'refuse':
        this.ring.refuseTick(move.rows, this.nowUs);
        this.plain.sampledRows += move.rows;
        this.plain.drop(move.rows, this.nowUs);
        break;
    }
    expect(this.ring.heldTicks).toBe(this.plain.held.length);
    expect(this.ring.hasSpace()).toBe(this.plain.held.length < this.ring.shape.capacityTicks);
    expect(this.ring.sampledRows).toBe(this.plain.sampledRows);
    expect(this.ring.droppedRows).toBe(this.plain.droppedRows);
  }

  #tick(rows: readonly (SampledRow | null)[]): void {
    const { ring } = this;
    expect(ring.reserve()).toBe(true);
    const given = rows.flatMap((row, device) => {
      if (row === null || device >= ring.shape.deviceCount) return [];
      const values = row.values.slice(0, ring.shape.columnCount);
      ring.setRow(device, this.nowUs + row.stepUs);
      values.forEach((value, column) => {
        // A blank may also be left unset.
        if (!Number.isNaN(value)) ring.set(device, column, value);
      });
      return [{ device, tsUs: this.nowUs + row.stepUs, values }];
    });
    ring.commit();
    this.plain.add(given);
    this.nowUs += INTERVAL_US;
  }

  #peek(maxTicks: number, share: number): void {
    const { plain } = this;
    const expected = plain.shown(maxTicks);
    let shown: Tick[] = [];
    const range = this.ring.peek(maxTicks, (all) => {
      shown = read(this.ring, all);
      return Math.round((all.to - all.from) * share);
    });
    expect(shown).toEqual(expected);
    const taken = Math.round(expected.length * share);
    const from = Math.max(plain.tail, plain.inFlightEnd);
    expect(range).toEqual({ from, to: from + taken });
    plain.inFlightEnd = from + taken;
  }
}

const CAPACITY_MAX = 6;
const DEVICES_MAX = 3;
const COLUMNS_MAX = 3;

const shape: fc.Arbitrary<RingShape> = fc
  .record({
    capacityTicks: fc.integer({ min: 2, max: CAPACITY_MAX }),
    deviceCount: fc.integer({ min: 1, max: DEVICES_MAX }),
    columnCount: fc.integer({ min: 0, max: COLUMNS_MAX }),
    energyColumn: fc.integer({ min: -1, max: COLUMNS_MAX - 1 }),
  })
  .map((some) => ({
    ...some,
    intervalUs: INTERVAL_US,
    energyColumn: Math.min(some.energyColumn, some.columnCount - 1),
  }));

const sampledRow: fc.Arbitrary<SampledRow> = fc.record({
  stepUs: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: -3, max: 3 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        -INTERVAL_US,
        INTERVAL_US,
        1.5 * INTERVAL_US,
        1.5 * INTERVAL_US + 1,
        -50_000,
      ),
    },
  ),
  values: fc.array(
    fc.oneof(fc.constant(NaN), fc.integer({ min: -5, max: 100 }), fc.constantFrom(-0, 0, 1e300)),
    {
      minLength: COLUMNS_MAX,
      maxLength: COLUMNS_MAX,
    },
  ),
});

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('tick' as const),
      rows: fc.array(fc.option(sampledRow, { freq: 5 }), { minLength: DEVICES_MAX, maxLength: DEVICES_MAX }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('peek' as const),
      maxTicks: fc.integer({ min: 0, max: CAPACITY_MAX + 1 }),
      taken: fc.constantFrom(0, 0.5, 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('release' as const), share: fc.constantFrom(0, 0.8, 0.95, 1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('episode' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('refuse' as const),
      rows: fc.integer({ min: 1, max: DEVICES_MAX }),
    }),
  },
);

test('the ring does what a plain array does', () => {
  fc.assert(
    fc.property(shape, fc.array(move, { minLength: 20, maxLength: 80 }), (some, moves) => {
      const pair = new Pair(some);
      for (const one of moves) pair.play(one);
      pair.play({ kind: 'peek', maxTicks: Infinity, taken: 1 });
      pair.play({ kind: 'release', share: 1 });
      pair.play({ kind: 'episode' });
      expect(pair.ring.heldTicks).toBe(0);
    }),
    { numRuns: 400 },
  );
});
