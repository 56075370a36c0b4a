import { readFileSync } from 'node:fs';
import { OperatingError } from '../core/base/errors.ts';

/** This life of the machine. */
export interface Boot {
  /** `/proc/sys/kernel/random/boot_id`. */
  readonly id: string;
  /** Epoch µs at which it began, by the clock as it is set now; the kernel tells whole seconds. */
  readonly timeUs: number;
}

/** @throws OperatingError `boot.unreadable` where `/proc` does not tell. */
export function readBoot(): Boot {
  const id = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const line = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'));
  if (line === null) {
    throw new OperatingError('expected a line "btime SECONDS" in /proc/stat, found none', {
      code: 'boot.unreadable',
      exit: 'unavailable',
      where: '/proc/stat',
      hints: ['gpuledger needs the /proc file system of a Linux kernel'],
    });
  }
  return { id, timeUs: Number(line[1]) * 1e6 };
}
