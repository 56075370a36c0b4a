import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../core/devices/device.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import type { Boot } from './boot.ts';
import type { InputPaths } from './open-inputs.ts';

/** Where a drain learns whose jobs ran on the nodes of its engines. */
export interface EngineJobPaths {
  /** Directories of this machine: for engines that run on it. */
  readonly local: InputPaths;
  /** Name of this node. */
  readonly localNode: string;
  /** A directory with one folder per node, each a journal as the hooks of that node write it. */
  readonly journals?: string;
}

/**
 * The job map of one engine's node, as far as files tell it; the store's own table comes beside it. What reads the files is
 * loaded when there are any: a drain of a fleet has none, and many processes.
 */
export async function openEngineJobs(
  paths: EngineJobPaths,
  node: string,
  devices: readonly Device[],
): Promise<readonly JobInput[]> {
  const directory = paths.journals === undefined ? undefined : join(paths.journals, node);
  if (directory !== undefined && existsSync(directory)) {
    const { createJournalInput } = await import('./journal/journal.ts');
    return [createJournalInput({ directory, devices, boot: newestBoot(directory) })];
  }
  const { journalDir, hpcJobMappingDir, gpustatDir } = paths.local;
  // A node without hooks has no journal; that is no reason to complain once a minute.
  const isThere = journalDir !== undefined && existsSync(journalDir);
  const isTold = isThere || hpcJobMappingDir !== undefined || gpustatDir !== undefined;
  if (node !== paths.localNode || !isTold) return [];
  const { openJobInputs } = await import('./open-inputs.ts');
  const { deviceMap } = paths.local;
  return openJobInputs(
    {
      ...(isThere ? { journalDir } : {}),
      ...(hpcJobMappingDir === undefined ? {} : { hpcJobMappingDir }),
      ...(gpustatDir === undefined ? {} : { gpustatDir }),
      ...(deviceMap === undefined ? {} : { deviceMap }),
    },
    devices,
  );
}

/** The life of a machine that is not this one, by the newest record in its journal. */
function newestBoot(directory: string): Boot {
  let newest = { id: '', mtimeUs: -Infinity, timeUs: 0 };
  for (const name of readdirSync(directory)) {
    if (name.startsWith('.')) continue;
    const path = join(directory, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile() || stat.mtimeMs * 1000 <= newest.mtimeUs) continue;
    const text = readFileSync(path, 'utf8');
    const id = /\0boot_id=([^\0]+)/.exec(text)?.[1];
    const uptimeS = Number(/\0uptime=([^\0]+)/.exec(text)?.[1]);
    const mtimeUs = stat.mtimeMs * 1000;
    if (id !== undefined && Number.isFinite(uptimeS))
      newest = { id, mtimeUs, timeUs: mtimeUs - uptimeS * 1e6 };
  }
  return { id: newest.id, timeUs: newest.timeUs };
}
