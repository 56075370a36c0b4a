/** The spool on a real file system: order, bounds, and every way in which a disk can fail it. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Notice } from '../../src/core/base/notice.ts';
import { realDisk, type Disk, type DiskFile } from '../../src/disk/disk.ts';
import { openSpool, type Spool, type SpoolOptions } from '../../src/disk/spool.ts';
import { RECORD_HEADER_BYTES } from '../../src/disk/spool-record.ts';
import { runToEnd } from '../helpers/run-process.ts';
import { smallDisk } from '../helpers/small-disk.ts';
import type { SmallDiskOutcome } from '../helpers/spool-on-small-disk.ts';

let directory: string;
let losses: Parameters<SpoolOptions['onDropped']>[0][];
let notices: Notice[];
let nowMs: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-spool-'));
  losses = [];
  notices = [];
  nowMs = 1_000_000;
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function open(options: Partial<SpoolOptions> = {}, path = directory): Spool {
  return openSpool(path, {
    disk: realDisk,
    settledSequence: 0,
    bytesMax: 1_000_000,
    ageMsMax: 1_000_000,
    nowMs: () => nowMs,
    onDropped: (loss) => losses.push(loss),
    tell: (notice) => notices.push(notice),
    ...options,
  });
}

async function add(spool: Spool, text: string, rows = 1): Promise<void> {
  await spool.append({ body: Buffer.from(text), rows, journal: 7, toTick: 10 });
}

/** Takes everything out, in order. */
function drain(spool: Spool): string[] {
  const texts: string[] = [];
  for (let batch = spool.peek(); batch !== undefined; batch = spool.peek()) {
    texts.push(batch.body.toString());
    spool.settle(batch.sequence);
  }
  return texts;
}

function segmentsIn(path = directory): string[] {
  return readdirSync(path).filter((name) => name.endsWith('.seg'));
}

describe('order and lives', () => {
  test('gives batches back in the order in which they came, and leaves no file', async () => {
    const spool = open({ segmentBytes: 200 });
    for (let i = 0; i < 20; i += 1) await add(spool, `batch ${i}`, i);
    expect(segmentsIn().length).toBeGreaterThan(1);
    expect(spool.rows).toBe(190);
    expect(drain(spool)).toEqual(Array.from({ length: 20 }, (_, i) => `batch ${i}`));
    expect(spool.rows).toBe(0);
    expect(spool.bytes).toBe(0);
    expect(segmentsIn()).toEqual([]);
  });

  test('goes on after a crash: what was settled is not given again, what comes stands behind', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('add', 'settle', 'crash'), { maxLength: 40 }),
        async (steps) => {
          rmSync(directory, { recursive: true, force: true });
          let spool = open({ segmentBytes: 250 });
          const model: string[] = [];
          let count = 0;
          for (const step of steps) {
            if (step === 'add') {
              count += 1;
              await add(spool, `batch ${count}`);
              model.push(`batch ${count}`);
            } else if (step === 'settle') {
              const batch = spool.peek();
              expect(batch?.body.toString()).toBe(model.shift());
              if (batch !== undefined) spool.settle(batch.sequence);
            } else {
              // A kill leaves the files as they are; only the settled sequence is remembered elsewhere.
              const { settledSequence } = spool;
              spool.close();
              spool = open({ segmentBytes: 250, settledSequence });
            }
            expect(spool.rows).toBe(model.length);
          }
          expect(drain(spool)).toEqual(model);
          spool.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  test('remembers which ticks of which ring journal stand in it', async () => {
    const spool = open();
    await spool.append({ body: Buffer.from('x'), rows: 1, journal: 5, toTick: 30 });
    await spool.append({ body: Buffer.from('y'), rows: 1, journal: 5, toTick: 60 });
    spool.close();
    expect(open().found).toMatchObject([
      { journal: 5, toTick: 30, rows: 1 },
      { journal: 5, toTick: 60, rows: 1 },
    ]);
  });
});

describe('bounds', () => {
  test('gives the oldest segment up when the bytes are used up, and counts its rows', async () => {
    const spool = open({ segmentBytes: 150, bytesMax: 1_000 });
    for (let i = 0; i < 100; i += 1) {
      nowMs += 1;
      await add(spool, `batch ${i}`, 10);
      expect(spool.bytes).toBeLessThanOrEqual(1_000);
    }
    const lost = losses.reduce((sum, { rows }) => sum + rows, 0);
    expect(lost).toBeGreaterThan(0);
    expect(lost + spool.rows).toBe(1_000);
    expect(losses[0]).toMatchObject({ firstUs: 1_000_001_000, reason: 'the spool has reached 1000 bytes' });
    expect(drain(spool).at(-1)).toBe('batch 99');
  });

  test('says of which time the rows are that it gives up, and not when they were spooled', async () => {
    const spool = open({ segmentBytes: 150, bytesMax: 300 });
    for (let second = 1; second <= 20; second += 1)
      await add(
        spool,
        `gpu_t,node=n,gpu=a v=1 ${second * 2}000000t\ngpu_t,node=n,gpu=b v=1 ${second * 2 + 1}000000t\n`,
        2,
      );
    expect(losses.length).toBeGreaterThan(1);
    expect(losses[0]!.firstUs).toBe(2e6);
    // From segment to segment nothing is left out, and nothing is told twice.
    for (const [index, { firstUs }] of losses.slice(1).entries())
      expect(firstUs).toBe(losses[index]!.lastUs + 1e6);
  });

  test('gives up what is older than it keeps', async () => {
    const spool = open({ segmentBytes: 10 });
    await add(spool, 'old', 3);
    nowMs += 2_000_000;
    await add(spool, 'new', 4);
    expect(losses).toMatchObject([{ rows: 3, reason: 'it is older than the spool keeps' }]);
    expect(drain(spool)).toEqual(['new']);
  });

  test('memory does not grow with what waits in it', async () => {
    const spool = open({ bytesMax: 1e9, segmentBytes: 1e6 });
    const body = Buffer.alloc(100_000, 'x');
    for (let i = 0; i < 100; i += 1) await spool.append({ body, rows: 1, journal: 0, toTick: 0 });
    expect(spool.bytes).toBe(100 * (100_000 + RECORD_HEADER_BYTES));
    expect(segmentsIn().length).toBeGreaterThanOrEqual(10);
  });
});

describe('damage', () => {
  const TEXTS = ['first batch', 'second batch', 'third batch'];
  let path: string;
  let whole: Buffer;
  /** Position at which each record begins. */
  let starts: number[];

  beforeEach(async () => {
    const spool = open();
    for (const text of TEXTS) await add(spool, text);
    spool.close();
    path = join(directory, segmentsIn()[0]!);
    whole = readFileSync(path);
    let at = 0;
    starts = TEXTS.map((text) => {
      const start = at;
      at += RECORD_HEADER_BYTES + text.length;
      return start;
    });
  });

  test('a segment that is cut off at any byte of its last record gives the records before it', () => {
    for (let length = starts[2]!; length < whole.length; length += 1) {
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
      writeFileSync(path, whole);
      truncateSync(path, length);
      const spool = open();
      expect(drain(spool)).toEqual(TEXTS.slice(0, 2));
      expect(segmentsIn()).toEqual([]);
      expect(existsSync(join(directory, 'damaged'))).toBe(length > starts[2]!);
    }
  });

  test('a flipped bit anywhere costs the record that it is in, and no other', () => {
    fc.assert(
      fc.property(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 7 }), (byte, bit) => {
        rmSync(directory, { recursive: true });
        mkdirSync(directory);
        const flipped = Buffer.from(whole);
        flipped[byte]! ^= 1 << bit;
        writeFileSync(path, flipped);
        const hit = starts.findLastIndex((start) => byte >= start);
        const isSpare = byte - starts[hit]! >= RECORD_HEADER_BYTES && byte >= whole.length;
        expect(drain(open())).toEqual(TEXTS.filter((_, index) => isSpare || index !== hit));
        expect(readdirSync(join(directory, 'damaged')).some((name) => name.endsWith('.reason'))).toBe(true);
        expect(notices.at(-1)?.code).toBe('spool.damaged');
      }),
      { numRuns: 200 },
    );
  });

  test('damage that comes while it is open is counted, and the rest goes on', async () => {
    const spool = open();
    const flipped = Buffer.from(whole);
    flipped[starts[1]! + RECORD_HEADER_BYTES]! ^= 1;
    writeFileSync(path, flipped);
    await add(spool, 'fourth batch');
    expect(drain(spool)).toEqual(['first batch', 'third batch', 'fourth batch']);
    expect(losses).toMatchObject([{ rows: 1 }]);
  });

  test('a directory that is removed under it costs what was in it, and it goes on', async () => {
    const spool = open();
    rmSync(directory, { recursive: true });
    await add(spool, 'after');
    expect(drain(spool)).toEqual(['after']);
    expect(losses.reduce((sum, { rows }) => sum + rows, 0)).toBe(3);
  });
});

describe('a full disk', () => {
  test.each([
    [
      'that takes no byte of it',
      (disk: Disk): Disk => ({ ...disk, open: (...args) => full(disk.open(...args)) }),
    ],
    [
      'that takes no new file',
      (disk: Disk): Disk => ({
        ...disk,
        open(path, flags, mode) {
          if (flags === 'w+') throw diskFull();
          return disk.open(path, flags, mode);
        },
      }),
    ],
  ])('keeps the only segment that holds rows, of the life before, for a batch %s', async (_, filled) => {
    const before = open();
    await add(before, 'one');
    await add(before, 'two');
    before.close();
    const spool = open({ disk: filled(realDisk) });
    await expect(add(spool, 'three')).rejects.toMatchObject({ code: 'state.disk' });
    await expect(add(spool, 'three')).rejects.toMatchObject({ code: 'state.disk' });
    spool.close();
    expect(losses).toEqual([]);
    const after = open();
    await add(after, 'three');
    expect(drain(after)).toEqual(['one', 'two', 'three']);
    expect(segmentsIn()).toEqual([]);
  });

  test('gives the oldest up for the newest; a batch that fits in no way is an error, and the spool stays sound', async () => {
    const small = join(directory, 'small');
    mkdirSync(small);
    expectSoundOnSmallDisk(await outcomeIn(small, smallDisk(directory, small, SMALL_DISK_BYTES)));
    // A real file system as well, where one may be mounted.
    const mounted = join(directory, 'mounted');
    mkdirSync(mounted);
    const mount = ['-t', 'tmpfs', '-o', `size=${String(SMALL_DISK_BYTES)}`, 'tmpfs', mounted];
    if (spawnSync('mount', mount).status !== 0) return;
    try {
      expectSoundOnSmallDisk(await outcomeIn(mounted, {}));
    } finally {
      execFileSync('umount', [mounted]);
    }
  });
});

function diskFull(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
}

function full(file: DiskFile): DiskFile {
  return Object.create(file, {
    write: {
      value: () => {
        throw diskFull();
      },
    },
  }) as DiskFile;
}

const SMALL_DISK_BYTES = 256 * 1024;

async function outcomeIn(path: string, env: Record<string, string>): Promise<SmallDiskOutcome> {
  const program = join(import.meta.dirname, '../helpers/spool-on-small-disk.ts');
  const { stdout, stderr } = await runToEnd(process.execPath, [program, path], { env });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as SmallDiskOutcome;
}

function expectSoundOnSmallDisk({ givenUpRows, spooledRows, ...rest }: SmallDiskOutcome): void {
  expect(givenUpRows).toBeGreaterThan(0);
  expect(spooledRows).toBeGreaterThan(0);
  expect(givenUpRows + spooledRows).toBe(30 * 5);
  expect(rest).toMatchObject({ reasons: ['the disk is full'], tooLarge: 'state.disk', logged: [] });
  // The oldest are gone, the newest are there, in order.
  const numbers = rest.texts.slice(0, -1).map(Number);
  expect(rest.texts.at(-1)).toBe('small again');
  expect(numbers.length).toBeGreaterThan(0);
  expect(numbers).toEqual(numbers.map((_, index) => 30 - numbers.length + index));
}
