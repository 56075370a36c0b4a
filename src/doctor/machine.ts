import { existsSync, readdirSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { readNamedFile } from '../disk/named-file.ts';
import { NotTold } from './not-told.ts';

/** The machine that is looked at, by its files. */
export interface Machine {
  /** `/`; tests make a machine of files elsewhere. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  /** How far the clock may be from true time, µs, as the kernel knows. */
  readonly clockErrorUs: () => Promise<number | undefined>;
}

const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** What the system says to those who may not look. */
const FORBIDDEN: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);
/** What it says where nothing is. */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ESRCH']);

/** An absolute path of the machine, as this process has to call it. */
export function pathOn({ root }: Machine, path: string): string {
  return root === '/' ? path : join(root, path);
}

/** @returns undefined where there is nothing. @throws NotTold without the right to look */
export function statOn(machine: Machine, path: string): Stats | undefined {
  return statAt(pathOn(machine, path));
}

/** The same of a path that the configuration names. */
export function statAt(path: string): Stats | undefined {
  return looked(path, () => statSync(path));
}

/** @returns undefined where there is no link. @throws NotTold without the right to look */
export function linkOn(machine: Machine, path: string): string | undefined {
  return looked(path, () => readlinkSync(pathOn(machine, path)), ['EINVAL']);
}

/** @returns undefined where there is no file, or one that is none. @throws NotTold without the right to read it */
export function textOn(machine: Machine, path: string): string | undefined {
  return looked(path, () => readNamedFile(pathOn(machine, path), FILE_BYTES_MAX)?.toString('utf8'), [
    'EISDIR',
  ]);
}

/** Sorted; none where there is no directory. @throws NotTold without the right to list it */
export function namesOn(machine: Machine, path: string): readonly string[] {
  return looked(path, () => readdirSync(pathOn(machine, path)).sort()) ?? [];
}

export function isOn(machine: Machine, path: string): boolean {
  return existsSync(pathOn(machine, path));
}

/** The error for what only others may see. */
export function needsRights(what: string): NotTold {
  return new NotTold(`${what}: needs root, or a member of the group gpuledger`, {
    lacksRights: true,
    mend: ['sudo gpuledger doctor'],
  });
}

function looked<T>(path: string, look: () => T, absent: readonly string[] = []): T | undefined {
  try {
    return look();
  } catch (thrown) {
    const code = codeOf(thrown);
    if (FORBIDDEN.has(code)) throw needsRights(`${path} may not be looked at`);
    if (ABSENT.has(code) || absent.includes(code)) return undefined;
    throw thrown;
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}
