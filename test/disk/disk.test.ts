/** The disk seam: `replaceFile` at every crash, and that the disk of the crash tests does what the real one does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { realDisk, replaceFile, type Disk, type DiskFile } from '../../src/disk/disk.ts';
import { crashAtEveryCall, createCrashingDisk, lossesBy } from '../helpers/crashing-disk.ts';

const PATH = '/state/file';
const OLD = Buffer.from('old '.repeat(40));
const NEW = Buffer.from('the new content '.repeat(20));

test('a file that is replaced has the old content or the new one, and the new one once that is told', async () => {
  const start = createCrashingDisk();
  start.makeDirectory('/state');
  replaceFile(start, PATH, OLD);
  await crashAtEveryCall({
    start,
    losses: lossesBy([1, 2, 3, 4, 5]),
    begin: () => ({ isReplaced: false }),
    live(disk, said) {
      replaceFile(disk, PATH, NEW);
      said.isReplaced = true;
    },
    check(disk, { isReplaced }) {
      const content = disk.read(PATH);
      if (isReplaced) expect(content).toEqual(NEW);
      else expect([OLD, NEW]).toContainEqual(content);
      // What a crash left beside it is in nobody's way.
      replaceFile(disk, PATH, NEW);
      expect(disk.list('/state')).toEqual(['file']);
    },
  });
});

test('a file that cannot be replaced stays, and nothing is left beside it', () => {
  const disk = createCrashingDisk();
  disk.makeDirectory('/state');
  replaceFile(disk, PATH, OLD);
  const full: Disk = {
    ...disk,
    open(path, flags) {
      const file = disk.open(path, flags);
      const write = (bytes: Uint8Array, at: number): void => {
        file.write(bytes.subarray(0, 20), at);
        throw new Error('ENOSPC');
      };
      return { ...file, write };
    },
  };
  expect(() => {
    replaceFile(full, PATH, NEW);
  }).toThrow('ENOSPC');
  expect(disk.read(PATH)).toEqual(OLD);
  expect(disk.list('/state')).toEqual(['file']);
});

const NAMES = ['a', 'b', 'sub/c', 'sub/d'];
const ACTS = {
  write: ({ disk, path, bytes, at }: Step) =>
    within(disk, path, 'r+', (file) => {
      file.write(bytes, at);
      return [file.size, file.read(2, 1000).toString('hex')];
    }),
  truncate: ({ disk, path, at }: Step) =>
    within(disk, path, 'r+', (file) => {
      file.truncate(at);
    }),
  make: ({ disk, path }: Step) => within(disk, path, 'w+', (file) => file.size),
  makeNew: ({ disk, path }: Step) => within(disk, path, 'wx', (file) => file.size),
  sync: ({ disk, path }: Step) => within(disk, path, 'r+', (file) => file.sync()),
  append: ({ disk, path, bytes }: Step) => {
    disk.append(path, bytes);
  },
  rename: ({ disk, path, to }: Step) => {
    disk.rename(path, to);
  },
  remove: ({ disk, path }: Step) => {
    disk.remove(path);
  },
  replace: ({ disk, path, bytes }: Step) => {
    replaceFile(disk, path, bytes);
  },
  makeDirectory: ({ disk, path }: Step) => {
    disk.makeDirectory(dirname(path));
  },
  syncDirectory: ({ disk, path }: Step) => {
    disk.syncDirectory(dirname(path));
  },
  size: ({ disk, path }: Step) => disk.size(path),
};

interface Step {
  readonly disk: Disk;
  readonly path: string;
  readonly to: string;
  readonly bytes: Uint8Array;
  readonly at: number;
}

async function within(
  disk: Disk,
  path: string,
  flags: Parameters<Disk['open']>[1],
  work: (file: DiskFile) => unknown,
): Promise<unknown> {
  const file = disk.open(path, flags);
  try {
    return await work(file);
  } finally {
    file.close();
  }
}

/** What the step says: its answer, or the code of its error. */
async function answerTo(act: keyof typeof ACTS, step: Step): Promise<unknown> {
  try {
    return await ACTS[act](step);
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code;
  }
}

function everythingOn(disk: Disk, root: string): unknown {
  const names = [...disk.list(root), ...disk.list(join(root, 'sub')).map((each) => `sub/${each}`)];
  return names.map((each) => [each, each === 'sub' ? '' : disk.read(join(root, each))?.toString('hex')]);
}

interface StepOfNames {
  readonly act: keyof typeof ACTS;
  readonly name: string;
  readonly toName: string;
  readonly bytes: Uint8Array;
  readonly at: number;
}

async function expectSame(steps: readonly StepOfNames[]): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'gpuledger-disk-'));
  try {
    const model = createCrashingDisk();
    model.makeDirectory(root);
    for (const { act, name, toName, ...rest } of steps) {
      const paths = { path: join(root, name), to: join(root, toName) };
      const said = await answerTo(act, { disk: model, ...paths, ...rest });
      expect(said).toEqual(await answerTo(act, { disk: realDisk, ...paths, ...rest }));
    }
    expect(everythingOn(model, root)).toEqual(everythingOn(realDisk, root));
    // Neither a kill nor a power failure that loses nothing changes what is there.
    for (const loss of [{ kind: 'kill' }, { kind: 'power', lost: 'none' }] as const)
      expect(everythingOn(model.after(loss), root)).toEqual(everythingOn(realDisk, root));
  } finally {
    rmSync(root, { recursive: true });
  }
}

const SOME = { toName: 'a', bytes: Uint8Array.of(1), at: 0 };

test.each<[string, StepOfNames[]]>([
  [
    'a new file that is moved into a directory which is synced',
    [
      { ...SOME, act: 'makeDirectory', name: 'sub/c' },
      { ...SOME, act: 'make', name: 'b' },
      { ...SOME, act: 'rename', name: 'b', toName: 'sub/d' },
      { ...SOME, act: 'replace', name: 'sub/c' },
    ],
  ],
  [
    'a new file that makes way for one from a directory which is synced',
    [
      { ...SOME, act: 'replace', name: 'sub/c' },
      { ...SOME, act: 'makeDirectory', name: 'sub/c' },
      { ...SOME, act: 'append', name: 'sub/c' },
      { ...SOME, act: 'make', name: 'b' },
      { ...SOME, act: 'rename', name: 'sub/c', toName: 'b' },
      { ...SOME, act: 'syncDirectory', name: 'sub/c' },
    ],
  ],
])('the disk in memory answers as the real one: %s', async (_name, steps) => {
  await expectSame(steps);
});

test('the disk in memory answers as the real one, as long as nothing crashes', async () => {
  const step = fc.record({
    act: fc.constantFrom(...(Object.keys(ACTS) as (keyof typeof ACTS)[])),
    name: fc.constantFrom(...NAMES),
    toName: fc.constantFrom(...NAMES),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 30 }),
    at: fc.nat(40),
  });
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), expectSame), { numRuns: 150 });
});
