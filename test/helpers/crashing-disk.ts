/**
 * A disk in memory that can crash at every call that changes something, and what a crash leaves on it:
 *
 * - a kill leaves all that was written; the call under way is done, not done, or (a write) done in part;
 * - a power failure also loses what was not synced: of a file's bytes any block, of names any change, in any order.
 *
 * It is stricter than most file systems: a new file has a name after a power failure only once its directory was synced.
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../../src/disk/disk.ts';
import { seededRandom } from '../chaos/random.ts';

/** Thrown by the call that a crash cuts short, and by every call after it: there is no machine any more. */
class Crash extends Error {
  override readonly name = 'Crash';
}

/** What a crash takes along. `none`, `all`: of what was not synced. `some`: any part of it, as the seed says. */
export type Loss =
  | { readonly kind: 'kill' }
  | { readonly kind: 'power'; readonly lost: 'none' | 'all' }
  | { readonly kind: 'power'; readonly lost: 'some'; readonly seed: number };

export interface CrashPoint {
  /** The call that is cut short, counted from 0 among those that change something. */
  readonly call: number;
  /** How much of it is done, 0 to 1: a write in bytes, any other call at 0.5 and more. */
  readonly done: number;
}

export interface CrashingDisk extends Disk {
  /** Calls so far that change something, a sync among them: each is a place to crash at. */
  readonly calls: number;
  /** What is done after the crash was never done: believe no success that comes when this is set. */
  readonly hasCrashed: boolean;
  /** The disk as the next life finds it. This one stays as it is. @param crash of the next life */
  after(loss: Loss, crash?: CrashPoint): CrashingDisk;
}

interface Inode {
  bytes: Buffer;
  synced: Buffer;
  /** Since the last sync: what became of a range of bytes, or of the length. */
  unsynced: ({ readonly at: number; readonly bytes: Buffer } | { readonly length: number })[];
}

type Names = Map<string, Inode>;

/** A file is made (`to`), removed (`from`) or renamed (both). */
interface NameChange {
  readonly inode: Inode;
  readonly from?: string;
  readonly to?: string;
}

interface State {
  readonly directories: Set<string>;
  /** As the process sees it, and as it is once all power is gone. */
  readonly names: Names;
  readonly syncedNames: Names;
  readonly unsyncedNames: NameChange[];
}

/** Bytes that are lost or kept together: small, so that a short record has several. */
const BLOCK_BYTES = 32;

export function createCrashingDisk(crash?: CrashPoint): CrashingDisk {
  const state = {
    directories: new Set(['/']),
    names: new Map<string, Inode>(),
    syncedNames: new Map<string, Inode>(),
    unsyncedNames: [],
  };
  return diskOn(state, crash);
}

function diskOn(state: State, crash: CrashPoint | undefined): CrashingDisk {
  const { directories, names } = state;
  let calls = 0;
  let hasCrashed = false;

  function live(): void {
    if (hasCrashed) throw new Crash('the machine is gone');
  }

  /** A call that changes something. @param work what it does, by how much of it is done */
  function change(work: (done: number) => void): void {
    live();
    if (crash?.call === calls) {
      hasCrashed = true;
      work(crash.done);
      throw new Crash(`at call ${calls}`);
    }
    calls += 1;
    work(1);
  }

  const changeWhole = (work: () => void): void => {
    change((done) => {
      if (done >= 0.5) work();
    });
  };

  function changeNames(nameChange: NameChange): void {
    changeWhole(() => {
      applyTo(names, nameChange);
      state.unsyncedNames.push(nameChange);
    });
  }

  function inodeOf(path: string): Inode {
    const inode = names.get(path);
    if (inode === undefined) throw systemError('ENOENT', path);
    return inode;
  }

  function inodeToOpen(path: string, flags: string): Inode {
    if (!directories.has(dirname(path))) throw systemError('ENOENT', path);
    const inode = names.get(path);
    if (flags === 'r' || flags === 'r+') return inodeOf(path);
    if (inode !== undefined && flags === 'wx') throw systemError('EEXIST', path);
    if (inode !== undefined) {
      changeWhole(() => {
        truncate(inode, 0);
      });
      return inode;
    }
    const made: Inode = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0), unsynced: [] };
    changeNames({ inode: made, to: path });
    return made;
  }

  function writeTo(inode: Inode, bytes: Uint8Array, at: number): void {
    change((done) => {
      write(inode, bytes.subarray(0, Math.round(done * bytes.length)), at);
    });
  }

  function fileOf(inode: Inode): DiskFile {
    const syncNow = (): void => {
      changeWhole(() => {
        inode.synced = Buffer.from(inode.bytes);
        inode.unsynced = [];
      });
    };
    return {
      get links() {
        return [...names.values()].filter((each) => each === inode).length;
      },
      get size() {
        live();
        return inode.bytes.length;
      },
      read(at, length) {
        live();
        const part = inode.bytes.subarray(at, at + length);
        return Buffer.from(new Uint8Array(part).buffer);
      },
      write(bytes, at) {
        writeTo(inode, bytes, at);
      },
      truncate(length) {
        changeWhole(() => {
          truncate(inode, length);
        });
      },
      async sync() {
        await Promise.resolve();
        syncNow();
      },
      syncNow,
      close: live,
    };
  }

  return {
    get calls() {
      return calls;
    },
    get hasCrashed() {
      return hasCrashed;
    },
    after: (loss, next) => diskOn(stateAfter(state, loss), next),
    open(path, flags) {
      live();
      return fileOf(inodeToOpen(path, flags));
    },
    read(path) {
      live();
      const inode = names.get(path);
      return inode === undefined ? undefined : Buffer.from(inode.bytes);
    },
    size(path) {
      live();
      return names.get(path)?.bytes.length;
    },
    append(path, bytes) {
      live();
      const inode = names.get(path) ?? inodeToOpen(path, 'w+');
      writeTo(inode, bytes, inode.bytes.length);
    },
    rename(from, to) {
      live();
      const inode = inodeOf(from);
      if (!directories.has(dirname(to))) throw systemError('ENOENT', to);
      changeNames({ inode, from, to });
    },
    remove(path) {
      live();
      const inode = names.get(path);
      if (inode === undefined) return;
      changeNames({ inode, from: path });
    },
    list(directory) {
      live();
      const inside = [...names.keys(), ...directories].filter(
        (path) => path !== '/' && dirname(path) === directory,
      );
      return inside.map((path) => path.slice(path.lastIndexOf('/') + 1)).sort();
    },
    makeDirectory(path) {
      live();
      if (directories.has(path)) return;
      change((done) => {
        const chain: string[] = [];
        for (let each = path; !directories.has(each); each = dirname(each)) chain.unshift(each);
        for (const each of chain.slice(0, Math.round(done * chain.length))) directories.add(each);
      });
    },
    syncDirectory(path) {
      live();
      if (!directories.has(path)) throw systemError('ENOENT', path);
      changeWhole(() => {
        const { unsyncedNames, syncedNames } = state;
        const synced = syncedWith(path, unsyncedNames);
        for (const each of synced) applyTo(syncedNames, each);
        const others = unsyncedNames.filter((each) => !synced.includes(each));
        unsyncedNames.splice(0, unsyncedNames.length, ...others);
      });
    },
  };
}

function applyTo(names: Names, { inode, from, to }: NameChange): void {
  if (from !== undefined && names.get(from) === inode) names.delete(from);
  if (to !== undefined) names.set(to, inode);
}

/** The changes in a directory, and those before them of the same files and names, in other directories too: a rename is not done by halves. */
function syncedWith(directory: string, changes: readonly NameChange[]): NameChange[] {
  const touched = new Set<unknown>();
  const synced: NameChange[] = [];
  for (const change of changes.toReversed()) {
    const parts = [change.inode, change.from, change.to].filter((part) => part !== undefined);
    if (!isIn(directory, change) && !parts.some((part) => touched.has(part))) continue;
    for (const part of parts) touched.add(part);
    synced.unshift(change);
  }
  return synced;
}

function isIn(directory: string, { from, to }: NameChange): boolean {
  return [from, to].some((path) => path !== undefined && dirname(path) === directory);
}

function write(inode: Inode, bytes: Uint8Array, at: number): void {
  inode.bytes = written(inode.bytes, bytes, at);
  inode.unsynced.push({ at, bytes: Buffer.from(bytes) });
}

function truncate(inode: Inode, length: number): void {
  inode.bytes = withLength(inode.bytes, length);
  inode.unsynced.push({ length });
}

function written(content: Buffer, bytes: Uint8Array, at: number): Buffer {
  const result = Buffer.alloc(Math.max(content.length, at + bytes.length));
  result.set(content);
  result.set(bytes, at);
  return result;
}

function withLength(content: Buffer, length: number): Buffer {
  const result = Buffer.alloc(length);
  result.set(content.subarray(0, length));
  return result;
}

function stateAfter(state: State, loss: Loss): State {
  const directories = new Set(state.directories);
  if (loss.kind === 'kill') {
    // A kill syncs nothing: a power failure in the next life may still take what this one wrote.
    const copied = copier(({ bytes, synced, unsynced }) => ({ bytes, synced, unsynced: [...unsynced] }));
    const unsyncedNames = state.unsyncedNames.map((each) => ({ ...each, inode: copied(each.inode) }));
    const [names, syncedNames] = [state.names, state.syncedNames].map((each) => mapped(each, copied));
    return { directories, names: names!, syncedNames: syncedNames!, unsyncedNames };
  }
  const isKept = keptBy(loss);
  const left: Names = new Map(state.syncedNames);
  for (const each of state.unsyncedNames) if (isKept()) applyTo(left, each);
  const copied = copier((inode) => {
    const bytes = bytesAfter(inode, isKept);
    return { bytes, synced: bytes, unsynced: [] };
  });
  const names = mapped(left, copied);
  return { directories, names, syncedNames: new Map(names), unsyncedNames: [] };
}

/** Copies a file once, whatever number of names it has. */
function copier(copy: (inode: Inode) => Inode): (inode: Inode) => Inode {
  const copies = new Map<Inode, Inode>();
  return (inode) => {
    const found = copies.get(inode) ?? copy(inode);
    copies.set(inode, found);
    return found;
  };
}

function mapped(names: Names, copied: (inode: Inode) => Inode): Names {
  return new Map([...names].map(([path, inode]) => [path, copied(inode)]));
}

function keptBy(loss: Extract<Loss, { kind: 'power' }>): () => boolean {
  if (loss.lost !== 'some') return () => loss.lost === 'none';
  const random = seededRandom(loss.seed);
  return () => random() < 0.5;
}

/** The synced bytes, and of what was written since any blocks. Where a later block stays, a lost one reads as zeros. */
function bytesAfter({ synced, unsynced }: Inode, isKept: () => boolean): Buffer {
  let content = synced;
  for (const change of unsynced) {
    if ('length' in change) {
      if (isKept()) content = withLength(content, change.length);
      continue;
    }
    for (let from = 0; from < change.bytes.length; from += BLOCK_BYTES) {
      const block = change.bytes.subarray(from, from + BLOCK_BYTES);
      if (isKept()) content = written(content, block, change.at + from);
    }
  }
  return content;
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: '${path}'`), { code });
}

/** Every loss that a test should try at each call: random ones by these seeds. */
export function lossesBy(seeds: readonly number[]): readonly Loss[] {
  return [
    { kind: 'kill' },
    { kind: 'power', lost: 'all' },
    { kind: 'power', lost: 'none' },
    ...seeds.map((seed) => ({ kind: 'power', lost: 'some', seed }) as const),
  ];
}

export interface CrashTest<T> {
  /** What the life says of itself, for the check. Made anew for each crash. */
  readonly begin: () => T;
  /** One life of whatever is under test. It may throw once the disk has crashed. */
  readonly live: (disk: CrashingDisk, said: T) => Promise<void> | void;
  /** @param disk what is left @param hasEnded the life came to its end, and the crash came after */
  readonly check: (disk: CrashingDisk, said: T, loss: Loss, hasEnded: boolean) => Promise<void> | void;
  readonly losses: readonly Loss[];
  /** The disk at the beginning; default: an empty one. */
  readonly start?: CrashingDisk;
}

/** Lives once for each call that changes something, is cut short there in three ways, and once to the end; checks each loss. */
export async function crashAtEveryCall<T>(options: CrashTest<T>): Promise<void> {
  const { start = createCrashingDisk() } = options;
  const checkAll = async (disk: CrashingDisk, said: T, hasEnded: boolean): Promise<void> => {
    for (const loss of options.losses) await options.check(disk.after(loss), said, loss, hasEnded);
  };
  const whole = start.after({ kind: 'kill' });
  const saidToTheEnd = options.begin();
  await options.live(whole, saidToTheEnd);
  await checkAll(whole, saidToTheEnd, true);
  for (let call = 0; call < whole.calls; call += 1) {
    for (const done of [0, 0.5, 1]) {
      const disk = start.after({ kind: 'kill' }, { call, done });
      const said = options.begin();
      try {
        await options.live(disk, said);
      } catch (thrown) {
        if (!disk.hasCrashed) throw thrown;
      }
      await checkAll(disk, said, false);
    }
  }
}
