import { globSync } from 'node:fs';
import { createConfReader, type ConfText } from '../../ownership/slurm/conf-reader.ts';
import { SLURM_CONF } from '../../ownership/slurm/slurm.ts';
import { NotTold } from '../not-told.ts';
import { isOn, pathOn, statOn, textOn, type Machine } from '../machine.ts';

/** What slurm.conf says of hooks. */
export interface SlurmHooks {
  readonly path: string;
  /** The last value of a key, which is in lower case; undefined where it is not given. */
  valueOf(key: string): string | undefined;
  /** Whether what stands at this key calls our hook. */
  callsHook(key: string): boolean;
}

const NAME = 'gpuledger-hook';

/** @returns undefined on a machine without Slurm. @throws NotTold where slurm.conf cannot be read whole */
export function readSlurmHooks(machine: Machine): SlurmHooks | undefined {
  const path = machine.env['SLURM_CONF'] ?? SLURM_CONF;
  if (!isOn(machine, path)) return undefined;
  // Who may not read it is told so here.
  statOn(machine, path);
  textOn(machine, path);
  const text = createConfReader().read(pathOn(machine, path));
  if (text === undefined) return undefined;
  const [fault] = text.faults;
  if (fault !== undefined) throw new NotTold(`${fault.where}: ${fault.message}`);
  return {
    path,
    valueOf: (key) => lastOf(text, key),
    callsHook: (key) => lines(text, key).some((value) => leadsToHook(machine, value)),
  };
}

/** A key of hooks may be given several times, each adds one. */
function lines({ lines: all }: ConfText, key: string): string[] {
  return all.flatMap(({ words }) => (words[0]!.key === key ? [words[0]!.value] : []));
}

function lastOf(text: ConfText, key: string): string | undefined {
  return lines(text, key).at(-1);
}

/** The hook itself, a pattern that finds it, or a script of the site's that calls it. */
function leadsToHook(machine: Machine, value: string): boolean {
  const paths = value.includes('*') ? globSync(pathOn(machine, value)) : [pathOn(machine, value)];
  return paths.some((path) => {
    const own = path.slice(machine.root === '/' ? 0 : machine.root.length);
    return own.endsWith(`/${NAME}`) ? isOn(machine, own) : (textOn(machine, own)?.includes(NAME) ?? false);
  });
}
