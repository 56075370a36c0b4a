import { uptime } from 'node:os';
import type { Device } from '../core/devices/device.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import { readBoot } from './boot.ts';
import { createGpustatInput } from './pictures/gpustat.ts';
import { createJournalInput } from './journal/journal.ts';
import { createMapDirInput } from './pictures/map-dir.ts';
import { askScontrol } from './slurm/scontrol.ts';

/** Where the hooks leave their records unless they are told otherwise. */
export const JOURNAL_DIRECTORY = '/run/gpuledger/jobs';

/** The job map of this node, as far as it is configured. */
export interface InputPaths {
  readonly journalDir?: string;
  readonly hpcJobMappingDir?: string;
  readonly gpustatDir?: string;
  /** Position in the scheduler's list of GPUs → device UUID, where the site knows better than gres.conf. */
  readonly deviceMap?: ReadonlyMap<number, string>;
}

/** Opens every input that has a directory. What cannot be read yet is told by the input itself, when it is read. */
export function openJobInputs(paths: InputPaths, devices: readonly Device[]): JobInput[] {
  const boot = readBoot();
  const inputs: JobInput[] = [];
  const { journalDir, hpcJobMappingDir, gpustatDir, deviceMap } = paths;
  if (journalDir !== undefined) {
    const uptimeUs = (): number => uptime() * 1e6;
    inputs.push(
      createJournalInput({
        ...{ directory: journalDir, devices, boot, uptimeUs, askScheduler: askScontrol },
        ...(deviceMap === undefined ? {} : { deviceMap }),
      }),
    );
  }
  if (hpcJobMappingDir !== undefined) {
    inputs.push(createMapDirInput({ directory: hpcJobMappingDir, devices, bootUs: boot.timeUs }));
  }
  if (gpustatDir !== undefined) {
    inputs.push(createGpustatInput({ directory: gpustatDir, devices, bootUs: boot.timeUs }));
  }
  return inputs;
}
