import { hostname } from 'node:os';
import { dcgmWanted, isAtHand, nvmlWanted } from '../../native/library-places.ts';
import type { Part } from './check.ts';
import { isOn, type Machine } from './machine.ts';

/** What an installation leaves on a node whose collector is to run. */
const ENABLED = '/etc/systemd/system/multi-user.target.wants/gpuledger.service';

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return {
    root: '/',
    env: process.env,
    hostname: hostname(),
    clockErrorUs: async () => (await import('../../native/clock-error.ts')).readClockErrorUs(),
  };
}

/** What it looks like, where nobody says: a node has a library of GPUs, or a collector that is enabled; others read. */
export function partsOfMachine(machine: Machine): {
  readonly parts: readonly Part[];
  readonly because: string;
} {
  if (isAtHand(nvmlWanted(undefined)) || isAtHand(dcgmWanted(undefined)))
    return { parts: ['node', 'store'], because: 'it has a library of GPUs' };
  if (isOn(machine, ENABLED)) return { parts: ['node', 'store'], because: 'its collector is enabled' };
  return { parts: ['reader'], because: 'it has no library of GPUs, and no collector is enabled' };
}
