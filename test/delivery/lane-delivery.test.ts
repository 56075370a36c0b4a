/** Ring, journal, spool and account together, against a store that is up, away, or loses its answer, and kills in between. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEncoder } from '../../src/core/wire/encode.ts';
import { UNOWNED } from '../../src/core/jobs/label.ts';
import { Ring } from '../../src/core/ring/ring.ts';
import type { Loss } from '../../src/delivery/delivery-place.ts';
import { createLaneFlush, type LaneFlush } from '../../src/delivery/flush.ts';
import { openLaneDelivery, type LaneDelivery } from '../../src/delivery/lane-delivery.ts';
import type { Batch, Fate } from '../../src/core/wire/sink.ts';
import { realDisk } from '../../src/disk/disk.ts';
import { readLedger } from '../../src/disk/ledger-file.ts';
import { fateOf } from '../helpers/send-rows.ts';
import { createRingJournal, type RingJournal } from '../../src/disk/ring-journal.ts';

const DEVICES = [
  { node: 'n1', uuid: 'GPU-1' },
  { node: 'n1', uuid: 'GPU-2' },
];
const CAPACITY_TICKS = 6;
const SHAPE = { table: 'gpu_t', devices: DEVICES, columns: ['power_watts'], hasEnergyRise: false };

type Mood = 'up' | 'away' | 'unheard' | 'killed after write';

class Killed extends Error {}

let directory: string;
let nowMs: number;
/** Times of the rows that the store has, with how many different bodies brought them. */
let stored: Set<string>;
let mood: Mood;
let losses: Loss[];
let told: string[];
let bodies: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-delivery-'));
  nowMs = 1_000;
  stored = new Set();
  mood = 'up';
  losses = [];
  told = [];
  bodies = [];
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function send(batch: Batch): Promise<Fate> {
  const text = Buffer.from(batch.body).toString('latin1');
  if (mood !== 'away') {
    bodies.push(text);
    for (const [row] of text.matchAll(/gpu=GPU-\d .*? \d+t\n/gs))
      stored.add(`${row.slice(4, 9)} ${/(\d+)t\n$/.exec(row)![1]!}`);
  }
  if (mood === 'killed after write') throw new Killed();
  return Promise.resolve(fateOf(batch, mood === 'up' ? 'acknowledged' : 'store'));
}

interface Life {
  readonly ring: Ring;
  readonly flush: LaneFlush;
  readonly delivery: LaneDelivery;
}

async function begin(spoolBytesMax = 1e6, disk = realDisk, living?: number): Promise<Life> {
  nowMs += 1;
  const delivery = await openLaneDelivery({
    table: 'gpu_t',
    sink: { send },
    tell: ({ level, code, sentence }) => level !== 'debug' && told.push(`${code}: ${sentence}`),
    onLost: (loss) => losses.push(loss),
    ...(living === undefined ? {} : { life: living }),
    disk: {
      disk,
      directory,
      spoolBytesMax,
      spoolAgeMsMax: 1e9,
      hasJournal: true,
      nowMs: () => nowMs,
    },
  });
  const ring = newRing();
  const { id, path } = delivery.journal!;
  write(ring, createRingJournal(realDisk, path, { ...SHAPE, journal: id, capacityTicks: CAPACITY_TICKS }));
  delivery.attach(ring, DEVICES);
  const flush = createLaneFlush({
    table: 'gpu_t',
    ring,
    encoder: createEncoder(SHAPE),
    labelOf: () => UNOWNED,
    delivery,
    batchTicksMax: 2,
  });
  return { ring, flush, delivery };
}

function newRing(): Ring {
  return new Ring({
    capacityTicks: CAPACITY_TICKS,
    deviceCount: 2,
    columnCount: 1,
    intervalUs: 1e6,
    energyColumn: -1,
  });
}

function write(ring: Ring, journal: RingJournal): void {
  ring.beforeCommit = (index, base, sampledRows) => {
    journal.write(ring, index, base, sampledRows);
  };
}

let second = 0;
function tick({ ring }: Pick<Life, 'ring'>): void {
  second += 1;
  expect(ring.reserve()).toBe(true);
  for (const device of [0, 1]) {
    ring.setRow(device, second * 1e6);
    ring.set(device, 0, second);
  }
  ring.commit();
}

/** What the collector does at a flush. @returns false when it was killed in the middle of it */
async function deliver(life: Life): Promise<boolean> {
  try {
    await life.delivery.recover(() => UNOWNED, true);
    if (await life.flush.flush(Infinity, () => Infinity)) await life.delivery.replay(1e9);
    return true;
  } catch (thrown) {
    if (thrown instanceof Killed) return false;
    throw thrown;
  }
}

function expectSum(life: Life): void {
  const totals = life.delivery.totals();
  const { sampledRows, acknowledgedRows, heldRows, spooledRows, refusedRows, droppedRows } = totals;
  expect(acknowledgedRows + heldRows + spooledRows + refusedRows + droppedRows).toBe(sampledRows);
  expect(Math.min(heldRows, spooledRows, droppedRows)).toBeGreaterThanOrEqual(0);
}

describe('delivery', () => {
  test('whatever happens in whatever order, every row is stored or counted as dropped, and the account adds up', async () => {
    const step = fc.constantFrom(
      'tick',
      'tick',
      'tick',
      'flush',
      'up',
      'away',
      'unheard',
      'killed after write',
      'kill',
      'stop',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        rmSync(directory, { recursive: true, force: true });
        stored = new Set();
        mood = 'up';
        let ticked = 0;
        let life = await begin();
        let lastUs: number | undefined;
        const beginAfter = async (): Promise<Life> => {
          const next = await begin();
          for (const { uuid } of DEVICES) expect(next.delivery.rowsBefore.get(uuid)?.tsUs).toBe(lastUs);
          return next;
        };
        for (const each of steps) {
          if (each === 'tick') {
            tick(life);
            ticked += 2;
            lastUs = second * 1e6;
          } else if (each === 'flush') {
            if (!(await deliver(life))) life = await beginAfter();
          } else if (each === 'kill') {
            life = await beginAfter();
          } else if (each === 'stop') {
            life.delivery.close();
            life = await beginAfter();
          } else mood = each;
          expectSum(life);
          expect(life.delivery.totals().sampledRows).toBe(ticked);
        }
        mood = 'up';
        for (let round = 0; round < 3; round += 1) await deliver(life);
        const totals = life.delivery.totals();
        expect(totals).toMatchObject({ sampledRows: ticked, heldRows: 0, spooledRows: 0 });
        expect(totals.acknowledgedRows + totals.droppedRows).toBe(ticked);
        // A row that was written when the collector was killed may be counted as dropped only if its tick was overwritten.
        expect(stored.size).toBeGreaterThanOrEqual(totals.acknowledgedRows);
        life.delivery.close();
        expect(readLedger(realDisk, join(directory, 'gpu_t', 'account'))).toMatchObject({
          ledger: { sampledRows: ticked },
          lives: [],
        });
      }),
      { numRuns: 150 },
    );
  });

  test('without an overflow nothing at all is lost by kills and outages', async () => {
    let life = await begin();
    for (let round = 0; round < 40; round += 1) {
      mood = (['up', 'away', 'unheard', 'killed after write'] as const)[round % 4]!;
      tick(life);
      tick(life);
      if (!(await deliver(life)) || round % 7 === 3) life = await begin();
    }
    mood = 'up';
    await deliver(life);
    expect(stored.size).toBe(160);
    expect(life.delivery.totals()).toMatchObject({ sampledRows: 160, acknowledgedRows: 160, droppedRows: 0 });
    expect(losses).toEqual([]);
  });

  test('spooled batches are sent in their order, after the live one', async () => {
    const life = await begin();
    mood = 'away';
    for (let round = 0; round < 3; round += 1) {
      tick(life);
      await deliver(life);
    }
    expect(life.delivery.totals()).toMatchObject({ spooledRows: 6, heldRows: 0 });
    mood = 'up';
    tick(life);
    await deliver(life);
    const firstTimes = bodies.map((body) => Number(/ (\d+)t\n/.exec(body)![1]) / 1e6 - second + 4);
    expect(firstTimes).toEqual([4, 1, 2, 3]);
  });

  test('a spool at its bound gives up the oldest, counts it, and tells from when to when', async () => {
    const life = await begin(1_000);
    mood = 'away';
    for (let round = 0; round < 30; round += 1) {
      nowMs += 1_000;
      tick(life);
      await deliver(life);
      expectSum(life);
    }
    const { droppedRows, spooledRows } = life.delivery.totals();
    expect(droppedRows).toBeGreaterThan(0);
    expect(droppedRows + spooledRows).toBe(60);
    expect(losses.reduce((sum, { rows }) => sum + rows, 0)).toBe(droppedRows);
    expect(losses[0]!.lastUs).toBeGreaterThanOrEqual(losses[0]!.firstUs);
  });

  test('segments that were damaged while nobody ran cost their rows, which are counted as dropped', async () => {
    const life = await begin();
    mood = 'away';
    for (let round = 0; round < 4; round += 1) {
      tick(life);
      await deliver(life);
    }
    life.delivery.close();
    const spool = join(directory, 'gpu_t', 'spool');
    const segment = join(spool, readdirSync(spool)[0]!);
    truncateSync(segment, readFileSync(segment).length - 1);
    mood = 'up';
    const next = await begin();
    await deliver(next);
    expectSum(next);
    expect(next.delivery.totals()).toMatchObject({ sampledRows: 8, acknowledgedRows: 6, droppedRows: 2 });
  });

  test('a segment that a kill has kept from being removed is neither sent nor counted again', async () => {
    const life = await begin();
    mood = 'away';
    tick(life);
    await deliver(life);
    const spool = join(directory, 'gpu_t', 'spool');
    const segment = join(spool, readdirSync(spool)[0]!);
    const content = readFileSync(segment);
    mood = 'up';
    tick(life);
    await deliver(life);
    writeFileSync(segment, content);
    bodies = [];
    const next = await begin();
    await deliver(next);
    expect(bodies).toEqual([]);
    expect(next.delivery.totals()).toMatchObject({
      sampledRows: 4,
      acknowledgedRows: 4,
      spooledRows: 0,
      droppedRows: 0,
    });
    expect(readdirSync(spool)).toEqual([]);
  });

  test('a journal that is destroyed costs what was in the ring, which is counted as dropped and told', async () => {
    const life = await begin();
    tick(life);
    await deliver(life);
    tick(life);
    tick(life);
    // The account knows of what was sampled as of its last save only; the journal knows all.
    const { path } = life.delivery.journal!;
    const whole = readFileSync(path);
    writeFileSync(
      path,
      whole.fill(
        0,
        4096 + (whole.length - 4096) / CAPACITY_TICKS,
        4096 + (2 * (whole.length - 4096)) / CAPACITY_TICKS,
      ),
    );
    const next = await begin();
    await deliver(next);
    expectSum(next);
    expect(next.delivery.totals()).toMatchObject({ sampledRows: 6, acknowledgedRows: 4, droppedRows: 2 });
    expect(losses).toMatchObject([{ rows: 2 }]);
  });
});

describe('lives that end before they write anything', () => {
  const lifeCount = 40;

  test('40 of them: the 41st writes what they held, and the account adds up', async () => {
    for (let count = 0; count < lifeCount; count += 1) tick(await begin());
    const life = await begin();
    expectSum(life);
    expect(life.delivery.totals().sampledRows).toBe(2 * lifeCount);
    // All but the last few are in the spool by now, without a store and without a flush.
    expect(life.delivery.totals().spooledRows).toBeGreaterThanOrEqual(2 * (lifeCount - 8));
    expect(
      readdirSync(join(directory, 'gpu_t')).filter((name) => name.endsWith('.journal')).length,
    ).toBeLessThan(12);
    await deliver(life);
    const rows = { sampledRows: 2 * lifeCount, acknowledgedRows: 2 * lifeCount, heldRows: 0, spooledRows: 0 };
    expect(life.delivery.totals()).toMatchObject({ ...rows, droppedRows: 0 });
    expect(stored.size).toBe(2 * lifeCount);
    expect(losses).toEqual([]);
  });

  test('26 in the account of a version before, and journals of nine more that it died of', async () => {
    const lives = Array.from({ length: 35 }, (_, index) => 100 + index);
    mkdirSync(join(directory, 'gpu_t'));
    for (const id of lives) {
      const ring = newRing();
      write(
        ring,
        createRingJournal(realDisk, join(directory, 'gpu_t', `${id}.journal`), {
          ...SHAPE,
          journal: id,
          capacityTicks: CAPACITY_TICKS,
        }),
      );
      tick({ ring });
    }
    const entries = lives
      .slice(0, 26)
      .map((journal) => ({ journal, releasedTick: 0, leftRows: 0, sampledRows: 0 }));
    const counts = { sampledRows: 8, acknowledgedRows: 8, refusedRows: 0, droppedRows: 0, spoolSettled: 0 };
    const json = JSON.stringify({ turn: 4, state: { ...counts, lives: entries } });
    const line = `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
    writeFileSync(join(directory, 'gpu_t', 'account'), line.padEnd(2048));
    const life = await begin();
    expectSum(life);
    await deliver(life);
    expect(life.delivery.totals()).toMatchObject({ sampledRows: 78, acknowledgedRows: 78, droppedRows: 0 });
    expect(stored.size).toBe(70);
    life.delivery.close();
    expect(readdirSync(join(directory, 'gpu_t')).sort()).toEqual(['account', 'last-rows', 'spool']);
  });

  test('what they held bears no label until it is known whose it was', async () => {
    for (let count = 0; count < lifeCount; count += 1) tick(await begin());
    const firstUs = (second - lifeCount + 1) * 1e6;
    const life = await begin();
    expect(life.delivery.uncertain?.fromUs).toBe(firstUs);
    mood = 'up';
    await deliver(life);
    expect(bodies.some((body) => body.includes('job_id="unresolved",owners=1i'))).toBe(true);
    const next = await begin();
    expect(next.delivery.uncertain?.fromUs).toBe(firstUs);
    next.delivery.trustLabels();
    expect((await begin()).delivery.uncertain).toBeUndefined();
  });
});

describe('a ring journal that fails', () => {
  const knownUs = ({ delivery }: Life): (number | undefined)[] =>
    DEVICES.map(({ uuid }) => delivery.rowsBefore.get(uuid)?.tsUs);
  const NONE = [undefined, undefined];

  test('whenever it does, the next life goes on from no row before those that were delivered', async () => {
    const step = fc.constantFrom(
      ...(['tick', 'tick', 'flush', 'up', 'away', 'killed after write', 'fail', 'kill', 'stop'] as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        rmSync(directory, { recursive: true, force: true });
        mood = 'up';
        let life = await begin();
        let hasFailed = false;
        let lastUs: number | undefined;
        const beginAfter = async (wasKilled: boolean): Promise<void> => {
          life = await begin();
          if (hasFailed && wasKilled) lastUs = undefined;
          expect(knownUs(life)).toEqual([lastUs, lastUs]);
          hasFailed = false;
        };
        for (const each of steps) {
          if (each === 'tick') {
            tick(life);
            lastUs = second * 1e6;
          } else if (each === 'flush') {
            if (!(await deliver(life))) await beginAfter(true);
          } else if (each === 'kill') {
            await beginAfter(true);
          } else if (each === 'stop') {
            life.delivery.close();
            await beginAfter(false);
          } else if (each === 'fail') {
            life.ring.beforeCommit = undefined;
            life.delivery.forgetRows();
            hasFailed = true;
          } else mood = each;
        }
      }),
      { numRuns: 40 },
    );
  });

  test.each(['up', 'away'] as const)(
    'where a kill comes before that is written down, what was delivered (%s) tells',
    async (where) => {
      const first = await begin();
      tick(first);
      first.delivery.close();
      mood = where;
      const life = await begin();
      tick(life);
      life.ring.beforeCommit = undefined;
      tick(life);
      await deliver(life);
      expect(knownUs(await begin())).toEqual(NONE);
      expect(knownUs(await begin())).toEqual(NONE);
    },
  );

  test('rows that nobody delivered are lost, and the next life goes on from those before them', async () => {
    const life = await begin();
    tick(life);
    const lastUs = second * 1e6;
    life.ring.beforeCommit = undefined;
    tick(life);
    expect(knownUs(await begin())).toEqual([lastUs, lastUs]);
  });
});

test('a lane that has no row of its own for a while says that the store is back once its spool is empty', async () => {
  const life = await begin();
  mood = 'away';
  tick(life);
  await deliver(life);
  expect(told.filter((line) => line.startsWith('delivery.'))).toHaveLength(1);
  mood = 'up';
  expect(await life.delivery.replay(1e9)).toBe(true);
  expect(told.at(-1)).toMatch(/^delivery\.resumed/);
});

test('a disk that takes nothing is told once, until it takes something', async () => {
  let isFull = true;
  const life = await begin(1e6, {
    ...realDisk,
    open(path, flags, mode) {
      if (isFull && path.endsWith('.seg'))
        throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
      return realDisk.open(path, flags, mode);
    },
  });
  const lines = (): string[] => told.filter((line) => line.includes('stay in memory'));
  mood = 'away';
  for (const each of [1, 2, 3]) {
    tick(life);
    await deliver(life);
    expect(lines(), String(each)).toHaveLength(1);
  }
  expect(lines()[0]).toMatch(/^state\.disk: gpu_t: 2 rows stay in memory: .*the disk is full \(ENOSPC\)/);
  isFull = false;
  await deliver(life);
  expect(life.delivery.totals().spooledRows).toBe(6);
  expect(lines()).toHaveLength(1);
});

test('what a full disk does not take of a former life is told once, beside batches that it takes', async () => {
  const killed = await begin();
  for (let count = 0; count < 3; count += 1) tick(killed);
  mood = 'away';
  let isFull = true;
  const life = await begin(1e6, {
    ...realDisk,
    open(path, flags, mode) {
      const file = realDisk.open(path, flags, mode);
      const write = (bytes: Uint8Array, at: number): void => {
        if (isFull && path.endsWith('.seg') && bytes.length > 400)
          throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
        file.write(bytes, at);
      };
      return Object.assign(Object.create(file) as typeof file, { write });
    },
  });
  for (let count = 0; count < 3; count += 1) {
    tick(life);
    await deliver(life);
  }
  expect(life.delivery.totals()).toMatchObject({ heldRows: 6, spooledRows: 6 });
  expect(told.filter((line) => line.startsWith('state.disk'))).toEqual([
    expect.stringContaining('gpu_t: 6 rows of a life that was cut short stay in its ring journal: the spool'),
  ]);
  isFull = false;
  await deliver(life);
  expect(life.delivery.totals().spooledRows).toBe(12);
});

describe('an account that is not there', () => {
  const warnings = (): string[] => told.filter((line) => line.startsWith('account.missing'));
  async function warningsBeside(isKept: (name: string) => boolean): Promise<string[]> {
    const place = join(directory, 'gpu_t');
    for (const name of readdirSync(place)) if (!isKept(name)) rmSync(join(place, name), { recursive: true });
    await begin();
    return warnings();
  }

  test.each(['last-rows', '.journal', 'spool'])('is told once, beside %s', async (left) => {
    const first = await begin();
    tick(first);
    first.delivery.close();
    const life = await begin();
    mood = 'away';
    tick(life);
    await deliver(life);
    expect(warnings()).toEqual([]);
    const told = await warningsBeside((name) => name.endsWith(left));
    expect(told).toEqual([
      expect.stringMatching(`: gpu_t: .* not there, beside .*${left}: its counts begin anew`),
    ]);
    await begin();
    expect(warnings()).toHaveLength(1);
  });

  test('is no wonder where nothing was delivered', async () => {
    await begin();
    expect(await warningsBeside(() => false)).toEqual([]);
    // Sampling begins before the delivery does where the collector is configured anew.
    rmSync(join(directory, 'gpu_t'), { recursive: true });
    mkdirSync(join(directory, 'gpu_t'));
    writeFileSync(join(directory, 'gpu_t', '5000.journal'), '');
    await begin(1e6, realDisk, 5_000);
    expect(warnings()).toEqual([]);
  });
});

describe('a ring journal that somebody touches', () => {
  /** Six ticks of two rows that no store took, then a kill. @returns the journal */
  async function killed(flushed: number): Promise<string> {
    const life = await begin();
    for (let count = 0; count < 6; count += 1) {
      tick(life);
      if (count < flushed) await deliver(life);
    }
    told = [];
    losses = [];
    return life.delivery.journal!.path;
  }
  async function nextLife(): Promise<Loss[]> {
    const { delivery } = await begin();
    await delivery.recover(() => UNOWNED, true);
    const { sampledRows, acknowledgedRows, heldRows, spooledRows, refusedRows, droppedRows } =
      delivery.totals();
    expect(acknowledgedRows + heldRows + spooledRows + refusedRows + droppedRows).toBe(sampledRows);
    expect([heldRows, droppedRows]).toEqual([0, losses.reduce((sum, { rows }) => sum + rows, 0)]);
    // Told once: the life after it has nothing to say.
    const sentences = told.filter((line) => line.startsWith('journal.damaged'));
    await begin();
    expect(told.filter((line) => line.startsWith('journal.damaged'))).toEqual(sentences);
    return losses;
  }

  test('is told when it is not there, with the rows that the account knows', async () => {
    rmSync(await killed(2));
    expect(await nextLife()).toMatchObject([
      { isLeast: true, reason: expect.stringContaining('is not there') as string },
    ]);
    expect(told).toContainEqual(expect.stringMatching(/^journal.damaged: the ring journal .* is not there/));
  });

  test('is told when it was cut, and gives what is left', async () => {
    const path = await killed(0);
    truncateSync(path, statSync(path).size - 1);
    expect(await nextLife()).toMatchObject([
      { isLeast: true, reason: expect.stringContaining('is shorter than it was made') as string },
    ]);
    expect(told).toContainEqual(expect.stringContaining('is shorter than it was made'));
  });

  test('is told when ticks in it were wiped', async () => {
    const path = await killed(0);
    const bytes = readFileSync(path);
    bytes.fill(0, 4096, 4096 + 100);
    writeFileSync(path, bytes);
    expect(await nextLife()).toMatchObject([
      { rows: 2, reason: expect.stringContaining('lacks 1 of its ticks') as string },
    ]);
  });

  test('has nothing to tell of a kill that left it whole', async () => {
    await killed(2);
    expect(await nextLife()).toEqual([]);
    expect(told).not.toContainEqual(expect.stringContaining('journal.damaged'));
  });

  test.each(['removed', 'cut'] as const)('stops being written when it is %s meanwhile', async (how) => {
    const life = await begin();
    tick(life);
    const { path } = life.delivery.journal!;
    if (how === 'removed') rmSync(path);
    else truncateSync(path, statSync(path).size - 1);
    expect(() => {
      tick(life);
    }).toThrow('its file was removed or cut by somebody else');
  });
});

test('of a device that has not answered since the clock was set, the reading is known, and no time', async () => {
  const first = await begin();
  tick(first);
  first.delivery.close();
  const life = await begin();
  life.ring.carry.continueFrom(0, { tsUs: 9e6, energyJoules: 70, energyTsUs: 9e6, seenUs: 0 });
  life.ring.breakTime();
  life.delivery.close();
  const known = (await begin()).delivery.rowsBefore.get('GPU-1');
  expect(known).toEqual({ tsUs: NaN, energyJoules: 70, energyTsUs: NaN, seenUs: 0 });
});

test('the account adds up after closing too, in this life and in the next', async () => {
  for (const expected of [4, 8]) {
    const life = await begin();
    tick(life);
    tick(life);
    expect(await life.flush.flush(Infinity, () => Infinity)).toBe(true);
    life.delivery.close();
    const counts = { sampledRows: expected, acknowledgedRows: expected, heldRows: 0, droppedRows: 0 };
    expect(life.delivery.totals()).toMatchObject(counts);
  }
});
