import type { Stats } from 'node:fs';
import { textOn, type Machine } from './machine.ts';

/** A user as the machine's own files have it; users of a directory elsewhere are not in them. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  /** Its own, and those that it is a member of. */
  readonly gids: readonly number[];
}

export function accountOf(machine: Machine, name: string): Account | undefined {
  const entry = entriesOf(machine, '/etc/passwd').find(([user]) => user === name);
  if (entry === undefined) return undefined;
  const joined = entriesOf(machine, '/etc/group')
    .filter(([, , , members = '']) => members.split(',').includes(name))
    .map(([, , gid]) => Number(gid));
  return { name, uid: Number(entry[2]), gids: [Number(entry[3]), ...joined] };
}

export function gidOf(machine: Machine, group: string): number | undefined {
  const entry = entriesOf(machine, '/etc/group').find(([name]) => name === group);
  return entry === undefined ? undefined : Number(entry[2]);
}

/** `gpuledger:gpuledger`, with numbers where the machine's files have no names. */
export function ownerText(machine: Machine, { uid, gid }: Stats): string {
  const nameIn = (file: string, id: number): string =>
    entriesOf(machine, file).find(([, , number]) => number === String(id))?.[0] ?? String(id);
  return `${nameIn('/etc/passwd', uid)}:${nameIn('/etc/group', gid)}`;
}

/** Of a directory: making and removing names in it takes both. */
export const WRITE_AND_ENTER = 0o3;
/** Of a directory: finding files in it and reading them. */
export const READ_AND_ENTER = 0o5;

/** Whether the classical rights of a file let an account do that. @param bits read 4, write 2, enter 1 */
export function may({ uid, gids }: Account, { uid: owner, gid: group, mode }: Stats, bits: number): boolean {
  if (uid === 0) return true;
  const shift = uid === owner ? 6 : gids.includes(group) ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

export function modeText({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function entriesOf(machine: Machine, file: string): string[][] {
  return (textOn(machine, file) ?? '').split('\n').map((line) => line.split(':'));
}
