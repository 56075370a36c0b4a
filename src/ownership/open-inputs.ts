import { existsSync, readdirSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../core/devices/device.ts';
import type { JobInput } from '../core/jobs/job-fact.ts';
import {
  JOURNAL_RECORD_BYTES_MAX,
  JOURNAL_SUFFIX,
  parseJournalRecord,
} from '../../schemas/journal-record.ts';
import { readBoot, type Boot } from './boot.ts';
import { codeOf, mtimeUs, readBounded } from './bounded-read.ts';
import { readProcDevices, withNeighbours } from './proc-devices.ts';
import type { DevicesOfCluster, InputNode, Scheduler } from './scheduler.ts';
import { readCluster, SCHEDULERS, type InputPaths } from './schedulers.ts';

/** Where the hooks leave their records unless they are told otherwise. */
export const JOURNAL_DIRECTORY = '/run/gpuledger/jobs';

/** Where a drain learns whose jobs ran on the nodes of its engines. */
export interface EngineJobPaths {
  /** Directories of this machine: for engines that run on it. */
  readonly local: InputPaths;
  /** Name of this node. */
  readonly localNode: string;
  /** A directory with one folder per node, each a journal as the hooks of that node write it. */
  readonly journals?: string;
}

/** Opens every input of this machine that has a directory, once its devices are known. */
export async function loadJobInputs(
  paths: InputPaths,
): Promise<(devices: readonly Device[], devicesOf?: DevicesOfCluster) => readonly JobInput[]> {
  const open = await loadInputs(paths);
  const { deviceMap } = paths;
  return (devices, devicesOf) =>
    open({
      ...(devicesOf && { devicesOf }),
      devices: withNeighbours(devices, readProcDevices(devices[0]?.node ?? '')),
      boot: readBoot(),
      uptimeUs: () => uptime() * 1e6,
      ...(deviceMap === undefined ? {} : { deviceMap }),
    });
}

/** The job map of one engine's node, as far as files tell it; the store's own table comes beside it. */
export async function openEngineJobs(
  paths: EngineJobPaths,
  node: string,
  devices: readonly Device[],
): Promise<readonly JobInput[]> {
  const directory = paths.journals === undefined ? undefined : join(paths.journals, node);
  if (directory !== undefined && existsSync(directory)) return await openForeignJournal(directory, devices);
  if (node !== paths.localNode) return [];
  const open = await loadJobInputs(thereOf(paths.local));
  return open(devices);
}

/** The cluster of an engine's node, where that is this machine and its jobs are read; undefined where nobody here knows. */
export async function readEngineCluster(
  { local, localNode }: EngineJobPaths,
  node: string,
): Promise<string | undefined> {
  return node === localNode ? await readCluster(thereOf(local)) : undefined;
}

/** A node without hooks has no journal; that is no reason to complain once a minute. */
function thereOf({ journalDir, ...rest }: InputPaths): InputPaths {
  return journalDir !== undefined && existsSync(journalDir) ? { ...rest, journalDir } : rest;
}

/** What cannot be read yet is told by the input itself, when it is read. */
async function loadInputs(paths: InputPaths): Promise<(node: InputNode) => JobInput[]> {
  const found: { readonly name: string; readonly directory: string; readonly scheduler: Scheduler }[] = [];
  for (const { name, detect, load } of SCHEDULERS) {
    const directory = detect(paths);
    if (directory !== undefined) found.push({ name, directory, scheduler: (await load()).scheduler });
  }
  return (node) => {
    const words = new Map(
      found.flatMap(({ name, scheduler }) => {
        const opened = scheduler.openWords?.(node);
        return opened === undefined ? [] : [[name, opened] as const];
      }),
    );
    return found.flatMap(({ directory, scheduler }) => scheduler.openInput?.(directory, node, words) ?? []);
  };
}

/** The journal of a machine that is not this one: its boots are its own, and its scheduler is not asked from here. */
export async function openForeignJournal(
  directory: string,
  devices: readonly Device[],
  known: Pick<InputNode, 'deviceMap' | 'devicesOf'> = {},
): Promise<readonly JobInput[]> {
  const open = await loadInputs({ journalDir: directory });
  return open({ devices, boot: newestLife(directory).boot, ...known });
}

/** Whose journal that is, by its newest records. */
export function newestLife(directory: string): {
  /** With an empty id where there is no record. */
  readonly boot: Boot;
  /** By the newest record that tells one. */
  readonly cluster?: string | undefined;
  /** All that records tell: a node may have been moved to another cluster. */
  readonly clusters: ReadonlySet<string>;
  /** How many records there are to read. */
  readonly records: number;
} {
  let boot: Boot = { id: '', timeUs: 0 };
  let cluster: string | undefined;
  const clusters = new Set<string>();
  let records = 0;
  let [newestUs, newestToldUs] = [-Infinity, -Infinity];
  for (const name of recordsIn(directory)) {
    const found = readBounded(join(directory, name), JOURNAL_RECORD_BYTES_MAX);
    if (found.kind !== 'content') continue;
    const reading = parseJournalRecord(found.content);
    if (!('record' in reading)) continue;
    records += 1;
    const writtenUs = mtimeUs(found.stat);
    const { boot_id: id, uptime, cluster: told } = reading.record;
    if (writtenUs > newestUs) [boot, newestUs] = [{ id, timeUs: writtenUs - uptime * 1e6 }, writtenUs];
    if (told !== undefined) clusters.add(told);
    if (told !== undefined && writtenUs > newestToldUs) [cluster, newestToldUs] = [told, writtenUs];
  }
  return { boot, cluster, clusters, records };
}

/** None where they cannot be listed: the input itself tells that. */
function recordsIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith(JOURNAL_SUFFIX) && !name.startsWith('.'));
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return [];
  }
}
