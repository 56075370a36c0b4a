import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isInstance, type Device } from '../../core/devices/device.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { JobInput, JobNews } from '../../core/jobs/job-fact.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import { faultOfJobId } from '../../../schemas/map-file.ts';
import { AHEAD_US_MAX, codeOf, mtimeUs, readBounded, statOf } from '../bounded-read.ts';
import { OwnerSets } from './owner-sets.ts';
import { ProblemLog } from '../problem-log.ts';
import type { Scheduler } from '../scheduler.ts';
import { createStrangerCheck } from '../strangers.ts';

/** The directory of jobstats. */
export const scheduler: Scheduler = {
  openInput: (directory, { devices, boot }) =>
    createGpustatInput({ directory, devices, bootUs: boot.timeUs }),
};

interface GpustatOptions {
  /** `/run/gpustat`. */
  readonly directory: string;
  readonly devices: readonly Device[];
  /** Epoch µs at which this node was booted; older files are left over. */
  readonly bootUs: number;
}

interface Picture {
  readonly jobIds: readonly string[];
  readonly changedUs: number;
  readonly uid?: number | undefined;
}

/** `jobid uid`, some 20 characters. */
const GPUSTAT_BYTES_MAX = 4096;

/**
 * The files that the prolog of jobstats writes: one per GPU, named by its index or UUID (MIG: by its UUID, or as `0.7` by its
 * GPU's index and the number of the instance), holding the job id and the numeric user id. One job per device; the file goes with the job, or is emptied.
 */
export function createGpustatInput(options: GpustatOptions): JobInput {
  const owners = new OwnerSets('gpustat');
  const problems = new ProblemLog();
  const strangers = createStrangerCheck(options.directory, problems);
  const byName = new Map<string, Device>();
  for (const device of options.devices) {
    // A GPU that is cut is handed out in its instances.
    if (device.isCut === true) continue;
    byName.set(device.uuid, device);
    if (!isInstance(device)) byName.set(String(device.index), device);
    else if (device.gpuInstanceId !== undefined)
      byName.set(`${device.index}.${device.gpuInstanceId}`, device);
  }
  let known = new Set<string>();

  function readFile(name: string, nowUs: number): Picture | 'gone' | 'busy' {
    const path = join(options.directory, name);
    const found = readBounded(path, GPUSTAT_BYTES_MAX);
    if (found.kind === 'gone' || found.kind === 'busy') return found.kind;
    if (strangers.isStranger(found.stat)) return 'gone';
    const changedUs = found.kind === 'refused' ? nowUs : Math.min(mtimeUs(found.stat), nowUs + AHEAD_US_MAX);
    const jobId =
      found.kind === 'content' ? jobIdOf(found.content) : { fault: `expected a readable small file` };
    if ('fault' in jobId) {
      problems.record(name, badFile(path, jobId.fault));
      return { jobIds: [UNRESOLVED_JOB_ID], changedUs };
    }
    if (changedUs < options.bootUs) {
      problems.record(name, badFile(path, 'expected a file of this boot, found an older one: ignored'));
      return { jobIds: [], changedUs: options.bootUs };
    }
    problems.clear(name);
    return { jobIds: jobId.id === '' ? [] : [jobId.id], changedUs, uid: jobId.uid };
  }

  /** A device can have two names, its index and its UUID: what was written last counts. @returns names that are there */
  function readFiles(names: readonly string[], nowUs: number): Set<string> {
    const present = new Set<string>();
    const pictures = new Map<Device, Picture>();
    for (const name of names) {
      const device = byName.get(name);
      if (device === undefined) continue;
      const picture = readFile(name, nowUs);
      if (picture === 'gone') continue;
      present.add(name);
      if (picture !== 'busy' && picture.changedUs >= (pictures.get(device)?.changedUs ?? 0))
        pictures.set(device, picture);
    }
    for (const [device, { jobIds, changedUs, uid }] of pictures) owners.set([device], jobIds, changedUs, uid);
    return present;
  }

  return {
    name: 'gpustat',
    read(nowUs): JobNews {
      const names = listNames(options.directory);
      if (names instanceof OperatingError) {
        problems.record('', names);
        return { ...owners.take(nowUs), problems: problems.take() };
      }
      problems.clear('');
      const present = readFiles(names, nowUs);
      const owned = new Set([...present].map((name) => byName.get(name)!));
      for (const name of known) {
        if (present.has(name)) continue;
        problems.clear(name);
        const device = byName.get(name)!;
        if (!owned.has(device)) owners.set([device], [], directoryChangedUs(options.directory, nowUs));
      }
      known = present;
      return { ...owners.take(nowUs), problems: problems.take() };
    },
  };
}

/** The first word of the first line; the second one is the user's number. Nothing in it: nobody's. */
function jobIdOf(
  content: Uint8Array,
): { readonly id: string; readonly uid: number | undefined } | { readonly fault: string } {
  const [line = ''] = new TextDecoder().decode(content).split('\n');
  const words = line.trim().split(/[ \t]+/);
  const [id = ''] = words;
  const fault = faultOfJobId(id);
  if (fault !== undefined) return { fault };
  if (words.length > 2 || (words[1] !== undefined && !/^\d+$/.test(words[1]))) {
    return {
      fault: `expected "jobid uid", found ${words.length} words: ${JSON.stringify(line.slice(0, 80))}`,
    };
  }
  // jobstats writes 0 where no job is.
  return { id: id === '0' ? '' : id, uid: words[1] === undefined ? undefined : Number(words[1]) };
}

function listNames(directory: string): string[] | OperatingError {
  try {
    return readdirSync(directory);
  } catch (error) {
    const reason = codeOf(error);
    if (reason === undefined) throw error;
    return new OperatingError(
      `expected the gpustat directory of jobstats, but it cannot be listed (${reason})`,
      {
        code: 'gpustat.unreadable',
        exit: 'unavailable',
        where: directory,
        hints: ["install jobstats' prolog, or leave jobs.gpustat_dir out"],
        cause: error,
      },
    );
  }
}

function directoryChangedUs(directory: string, nowUs: number): number {
  const stat = statOf(directory);
  return stat === undefined ? nowUs : Math.min(mtimeUs(stat), nowUs);
}

function badFile(path: string, message: string): OperatingError {
  return new OperatingError(message, {
    code: 'gpustat.bad_file',
    exit: 'data',
    where: path,
    hints: ['the owner of this device is recorded as unresolved while the file stays as it is'],
  });
}
