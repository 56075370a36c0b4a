import { installedPath } from '../disk/installed-path.ts';
import { isOn, pathOn, type Machine } from './machine.ts';

/** Where packages put the hook. */
export const HOOK = '/usr/libexec/gpuledger/gpuledger-hook';

/** The hook that schedulers call, else the one that came along; undefined where there is none. */
export function hookOf(machine: Machine): string | undefined {
  return isOn(machine, HOOK) ? pathOn(machine, HOOK) : installedPath('infra/slurm/gpuledger-hook');
}
