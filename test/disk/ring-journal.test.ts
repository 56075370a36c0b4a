/** The ring's second copy on disk: what a kill or a bad disk leaves of it. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Ring } from '../../src/core/ring/ring.ts';
import { readRingJournal, type JournalContent } from '../../src/disk/ring-journal-read.ts';
import { realDisk, type Disk } from '../../src/disk/disk.ts';
import { createRingJournal } from '../../src/disk/ring-journal.ts';
import { crashAtEveryCall } from '../helpers/crashing-disk.ts';

const DEVICES = [
  { node: 'n1', uuid: 'GPU-1' },
  { node: 'n1', uuid: 'GPU-2' },
  { node: 'n1', uuid: 'GPU-3' },
];
const SHAPE = { deviceCount: 3, columnCount: 2, intervalUs: 1_000_000, energyColumn: 1 };
const CAPACITY_TICKS = 4;

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-journal-'));
  path = join(directory, '7.journal');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** A ring with a journal, as the sampling worker has them. */
function journaledRing(capacityTicks = CAPACITY_TICKS, disk: Disk = realDisk): Ring {
  const ring = new Ring({ ...SHAPE, capacityTicks });
  const journal = createRingJournal(disk, path, {
    journal: 7,
    table: 'gpu_t',
    devices: DEVICES,
    columns: ['power_watts', 'energy_joules'],
    hasEnergyRise: true,
    capacityTicks,
  });
  ring.beforeCommit = (tick, base, sampledRows) => {
    journal.write(ring, tick, base, sampledRows);
  };
  return ring;
}

/** Device 1 does not answer in odd seconds; device 2 has a blank. */
function tick(ring: Ring, second: number): void {
  expect(ring.reserve()).toBe(true);
  for (const device of [0, 1, 2]) {
    if (device === 1 && second % 2 === 1) continue;
    ring.setRow(device, second * 1_000_000 + device);
    ring.set(device, 0, device === 2 ? NaN : 100 + second);
    ring.set(device, 1, 1_000 * second);
  }
  ring.commit();
}

/** Rows as [device, second, dt, power, energy, rise, time of the rise, tick]. */
function rowsOf({ rows, samples, devices, tickEnds }: JournalContent): number[][] {
  return Array.from({ length: rows }, (_, row) => [
    devices[row]!,
    Math.floor(samples.tsUs[row]! / 1_000_000),
    samples.dtUs[row]!,
    samples.columns[0]![row]!,
    samples.columns[1]![row]!,
    samples.energyRise[row]!,
    samples.energyRiseDtUs[row]!,
    tickEnds[row]! - 1,
  ]);
}

describe('what the next life goes on from', () => {
  /** Device 0 alone, at `us`, with a reading of its counter. */
  function row(ring: Ring, us: number, joules: number): void {
    ring.reserve();
    ring.setRow(0, us);
    ring.set(0, 1, joules);
    ring.commit();
  }
  const SECOND = 1_000_000;
  const BEFORE = { tsUs: 100 * SECOND, energyJoules: 50, energyTsUs: 100 * SECOND, seenUs: 0 };
  const before = new Map(DEVICES.map(({ uuid }) => [uuid, BEFORE]));
  const follow = () => readRingJournal(realDisk, path, 0)!.follow(before);
  const gapOf = (from: number, to: number) => [
    { device: DEVICES[0], fromUs: from * SECOND, toUs: to * SECOND },
  ];
  const journaledAfter = (rowBefore = BEFORE): Ring => {
    const ring = journaledRing();
    ring.carry.continueFrom(0, rowBefore);
    return ring;
  };

  test('a gap is where no row was: after the life before, and between rows', () => {
    row(journaledAfter(), 160 * SECOND, 60);
    expect(follow().gaps).toEqual(gapOf(100, 160));
    const ring = journaledAfter();
    for (const second of [101, 102, 109]) row(ring, second * SECOND, second);
    expect(follow().gaps).toEqual(gapOf(102, 109));
  });

  test.each([
    ['forward, by an hour', 3600],
    ['forward, by less than an interval', 0.5],
    ['back, by an hour', -3600],
  ])('a clock that was set %s, just before a kill, is no gap', (_, stepSeconds) => {
    const ring = journaledAfter();
    row(ring, 101 * SECOND, 60);
    ring.breakTime();
    row(ring, (102 + stepSeconds) * SECOND, 70);
    const { gaps, rows } = follow();
    expect(gaps).toEqual([]);
    expect(rows.get('GPU-1')).toEqual(ring.carry.before(0));
  });

  test('a clock that was set before the first row of a life is no gap, and a gap after that is one', () => {
    const ring = journaledAfter();
    ring.breakTime();
    for (const second of [5000, 5001, 5009]) row(ring, second * SECOND, second);
    expect(follow().gaps).toEqual(gapOf(5001, 5009));
  });

  test('what a clock was set between bears no time: the reading goes on, and not its stamp', () => {
    const ring = journaledAfter();
    row(ring, 101 * SECOND, 60);
    ring.breakTime();
    row(ring, 4000 * SECOND, NaN);
    expect(follow().rows.get('GPU-1')).toEqual(ring.carry.before(0));
    expect(ring.carry.before(0)).toMatchObject({ energyJoules: 60, energyTsUs: NaN });
  });

  test('is not known of a device whose last rows have left the journal', () => {
    const ring = journaledRing();
    ring.carry.continueFrom(1, BEFORE);
    ring.reserve();
    ring.setRow(1, 101 * SECOND);
    ring.set(1, 1, 90);
    ring.commit();
    for (let second = 102; second < 102 + CAPACITY_TICKS; second += 1) row(ring, second * SECOND, NaN);
    // To go on from the life before would count again the rise from 50 to 90 J, and make seen time a gap.
    const { rows, gaps } = follow();
    expect(rows.get('GPU-2')).toBeUndefined();
    expect(rows.get('GPU-1')).toMatchObject({ tsUs: 105 * SECOND, energyJoules: NaN });
    expect(gaps).toEqual([]);
  });
});

describe('the ring journal', () => {
  test('gives back every value of every tick that has not left the ring', () => {
    const ring = journaledRing();
    for (const second of [1, 2, 3]) tick(ring, second);
    const content = readRingJournal(realDisk, path, 1)!;
    expect(rowsOf(content)).toEqual([
      [0, 2, 1_000_000, 102, 2_000, 1_000, 1_000_000, 1],
      [1, 2, 0, 102, 2_000, NaN, 0, 1],
      [2, 2, 1_000_000, NaN, 2_000, 1_000, 1_000_000, 1],
      [0, 3, 1_000_000, 103, 3_000, 1_000, 1_000_000, 2],
      [2, 3, 1_000_000, NaN, 3_000, 1_000, 1_000_000, 2],
    ]);
    expect(content).toMatchObject({ sampledRows: 7, toTick: 3 });
    expect(content.header).toMatchObject({ journal: 7, table: 'gpu_t', devices: DEVICES });
  });

  test('has a fixed size and the newest ticks, however long it goes on', () => {
    const ring = journaledRing();
    const { size } = statSync(path);
    for (let second = 1; second <= 50; second += 1) tick(ring, second);
    expect(statSync(path).size).toBe(size);
    const content = readRingJournal(realDisk, path, 0)!;
    expect([...new Set(rowsOf(content).map(([, second]) => second))]).toEqual([47, 48, 49, 50]);
    expect(content.sampledRows).toBe(ring.sampledRows);
  });

  test('after a kill it has every tick whose write came to its end, and the one under way whole or not at all', async () => {
    await crashAtEveryCall({
      losses: [{ kind: 'kill' }],
      begin: () => ({ ticks: 0 }),
      live(disk, said) {
        const ring = journaledRing(CAPACITY_TICKS, disk);
        for (const second of [1, 2, 3, 4, 5, 6]) {
          tick(ring, second);
          said.ticks = second;
        }
      },
      check(disk, { ticks }, _loss, hasEnded) {
        if (ticks === 0) return;
        const content = readRingJournal(disk, path, 0)!;
        expect([ticks, ticks + (hasEnded ? 0 : 1)]).toContain(content.toTick);
        const seconds = [...new Set(rowsOf(content).map(([, second]) => second))];
        const oldest = Math.max(1, ticks - CAPACITY_TICKS + 2);
        for (let second = oldest; second <= ticks; second += 1) expect(seconds).toContain(second);
      },
    });
  });

  test('a flipped bit costs the tick that it is in, and no other', () => {
    const ring = journaledRing();
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    const whole = readFileSync(path);
    const slotBytes = (whole.length - 4096) / CAPACITY_TICKS;
    fc.assert(
      fc.property(fc.integer({ min: 4096, max: whole.length - 1 }), fc.nat({ max: 7 }), (byte, bit) => {
        const flipped = Buffer.from(whole);
        flipped[byte]! ^= 1 << bit;
        writeFileSync(path, flipped);
        const hit = Math.floor((byte - 4096) / slotBytes);
        const ticks = new Set(rowsOf(readRingJournal(realDisk, path, 0)!).map((row) => row[7]));
        expect([...ticks]).toEqual([0, 1, 2, 3].filter((each) => each !== hit));
      }),
    );
  });

  test('a file that is cut off anywhere gives the whole ticks before, or tells that it has no header', () => {
    const ring = journaledRing();
    for (const second of [1, 2, 3, 4]) tick(ring, second);
    const whole = readFileSync(path);
    const slotBytes = (whole.length - 4096) / CAPACITY_TICKS;
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      const content = readRingJournal(realDisk, path, 0);
      if (length < 4096) expect(content).toBeUndefined();
      else expect(content!.toTick).toBe(Math.floor((length - 4096) / slotBytes));
    }
  });

  test('one of gpuledger 0.2.0, which knew no time of a rise, gives it the dt that the rise led over', () => {
    const header = { journal: 7, table: 'gpu_t', devices: DEVICES.slice(0, 1), columns: ['energy_joules'] };
    const text = JSON.stringify({ ...header, hasEnergyRise: true, capacityTicks: 2 });
    const head = Buffer.alloc(4096, ' ');
    head.write(`${crc32(text).toString(16).padStart(8, '0')} 001000${text}`);
    const slots = [
      [1_000_000, 0, NaN, 1_000],
      [2_000_000, 1_000_000, 500, 1_500],
    ].map((values, tick) => {
      const slot = Buffer.alloc(32 + 8 * values.length);
      slot.writeUInt32LE(0x314a4c47, 0);
      slot.writeDoubleLE(tick, 8);
      slot.writeDoubleLE(tick + 1, 16);
      values.forEach((value, index) => slot.writeDoubleLE(value, 32 + 8 * index));
      slot.writeUInt32LE(crc32(slot.subarray(8)), 4);
      return slot;
    });
    writeFileSync(path, Buffer.concat([head, ...slots]));
    const { rows, samples } = readRingJournal(realDisk, path, 0)!;
    expect(rows).toBe(2);
    expect([...samples.energyRise]).toEqual([NaN, 500]);
    expect([...samples.energyRiseDtUs]).toEqual([0, 1_000_000]);
    expect([...samples.columns[0]!]).toEqual([1_000, 1_500]);
  });

  test('a damaged header tells nothing instead of something wrong', () => {
    const ring = journaledRing();
    tick(ring, 1);
    const whole = readFileSync(path);
    fc.assert(
      fc.property(fc.nat({ max: 200 }), fc.nat({ max: 7 }), (byte, bit) => {
        const flipped = Buffer.from(whole);
        flipped[byte]! ^= 1 << bit;
        writeFileSync(path, flipped);
        const content = readRingJournal(realDisk, path, 0);
        // The blank between checksum and text says nothing, and may flip.
        if (byte === 8) expect(content?.rows).toBe(2);
        else expect(content).toBeUndefined();
      }),
      // This one makes a blank of a leading zero.
      { examples: [[9, 4]] },
    );
  });
});
