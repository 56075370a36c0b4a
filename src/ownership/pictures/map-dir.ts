import { readdirSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import type { Device } from '../../core/devices/device.ts';
import { OperatingError } from '../../core/base/errors.ts';
import type { JobInput, JobNews } from '../../core/jobs/job-fact.ts';
import { UNRESOLVED_JOB_ID } from '../../core/jobs/label.ts';
import {
  isMapFileName,
  MAP_FILE_BYTES_MAX,
  MAP_FILE_JOBS_MAX,
  parseMapFile,
} from '../../../schemas/map-file.ts';
import {
  AHEAD_US_MAX,
  codeOf,
  isSameState,
  mtimeUs,
  readBounded,
  RESTLESS_US_MAX,
  statOf,
} from '../bounded-read.ts';
import { OwnerSets } from './owner-sets.ts';
import { ProblemLog } from '../problem-log.ts';
import type { Scheduler } from '../scheduler.ts';
import { createStrangerCheck } from '../strangers.ts';

/** The directory of dcgm-exporter's `--hpc-job-mapping-dir`, whoever writes it. */
export const scheduler: Scheduler = {
  openInput: (directory, { devices, boot }) => createMapDirInput({ directory, devices, bootUs: boot.timeUs }),
};

interface MapDirOptions {
  /** The exporter's `--hpc-job-mapping-dir`. */
  readonly directory: string;
  /** Of this node; a map file is matched by `index`, or `index.gpuInstanceId` for a MIG instance. */
  readonly devices: readonly Device[];
  /** Epoch µs at which this node was booted: what is older was left behind by a life that ended. */
  readonly bootUs: number;
}

interface SeenFile {
  readonly stat: BigIntStats;
  /** The content is known to be the last one that bears these times. */
  readonly isSettled: boolean;
}

/**
 * The job map that dcgm-exporter reads: which job ids stand in the file of a device, and since when. A job began when
 * the file that first named it was changed, and ended when the file that no longer names it was changed, or, if the
 * file is gone, when its directory was. Nothing is concluded while the directory itself cannot be read.
 */
export function createMapDirInput(options: MapDirOptions): JobInput {
  const devices = devicesByFileName(options.devices);
  const seen = new Map<string, SeenFile>();
  /** Names of the last listing. */
  let known: readonly string[] = [];
  const owners = new OwnerSets('map-dir');
  const problems = new ProblemLog();
  const strangers = createStrangerCheck(options.directory, problems);

  function readFile(name: string, nowUs: number): void {
    const path = join(options.directory, name);
    const owned = devices.get(name);
    if (owned === undefined) {
      problems.record(name, unknownDevice(path, name, options.devices));
      return;
    }
    const before = seen.get(name);
    if (before?.isSettled === true && isUnchanged(path, before.stat)) return;
    const found = readBounded(path, MAP_FILE_BYTES_MAX);
    if (found.kind === 'busy') return;
    if (found.kind === 'gone') {
      forget(name, nowUs);
      return;
    }
    if (strangers.isStranger(found.stat)) {
      forget(name, nowUs);
      return;
    }
    if (found.kind === 'refused') {
      problems.record(name, unreadable(path, `cannot be read (${found.reason})`));
      owners.set(owned, [UNRESOLVED_JOB_ID], nowUs);
      seen.delete(name);
      return;
    }
    const changedUs = plausible(mtimeUs(found.stat), nowUs, path, name);
    seen.set(name, { stat: found.stat, isSettled: nowUs - changedUs > RESTLESS_US_MAX });
    if (found.kind !== 'content') {
      const what = found.kind === 'too-large' ? `has ${found.stat.size} bytes` : 'is no regular file';
      problems.record(name, unreadable(path, what));
      owners.set(owned, [UNRESOLVED_JOB_ID], changedUs);
      return;
    }
    if (changedUs < options.bootUs) {
      if (found.content.length > 0) problems.record(name, stale(path, changedUs, options.bootUs));
      owners.set(owned, [], Math.max(changedUs, options.bootUs));
      return;
    }
    const { jobIds, faults } = parseMapFile(found.content);
    if (jobIds.length > MAP_FILE_JOBS_MAX) {
      problems.record(name, unreadable(path, `names ${jobIds.length} jobs`));
      owners.set(owned, [UNRESOLVED_JOB_ID], changedUs);
      return;
    }
    if (faults.length === 0) problems.clear(name);
    else problems.record(name, badLines(path, faults));
    owners.set(owned, faults.length === 0 ? jobIds : [...jobIds, UNRESOLVED_JOB_ID], changedUs);
  }

  function forget(name: string, nowUs: number): void {
    seen.delete(name);
    problems.clear(name);
    problems.clear(aheadOf(name));
    owners.set(devices.get(name) ?? [], [], Math.min(directoryChangedUs(options.directory) ?? nowUs, nowUs));
  }

  function plausible(changedUs: number, nowUs: number, path: string, name: string): number {
    if (changedUs <= nowUs + AHEAD_US_MAX) return changedUs;
    problems.record(aheadOf(name), ahead(path, changedUs, nowUs));
    return nowUs;
  }

  return {
    name: 'map-dir',
    read(nowUs: number): JobNews {
      const names = listMapFiles(options.directory);
      if (names instanceof OperatingError) {
        problems.record('', names);
      } else {
        problems.clear('');
        // Gone before new: a device's file may be replaced by its instances' files between two looks.
        const present = new Set(names);
        for (const name of known) if (!present.has(name)) forget(name, nowUs);
        for (const name of names) readFile(name, nowUs);
        known = names;
      }
      return { ...owners.take(nowUs), problems: problems.take() };
    },
  };
}

/** A file can have a wrong time and wrong lines at once; each is a problem of its own. */
function aheadOf(name: string): string {
  return `time of ${name}`;
}

function devicesByFileName(devices: readonly Device[]): Map<string, Device[]> {
  const byName = new Map<string, Device[]>();
  for (const device of devices) {
    if (device.isCut === true) continue;
    const name =
      device.gpuInstanceId === undefined ? `${device.index}` : `${device.index}.${device.gpuInstanceId}`;
    byName.set(name, [...(byName.get(name) ?? []), device]);
  }
  return byName;
}

function listMapFiles(directory: string): string[] | OperatingError {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && isMapFileName(entry.name))
      .map((entry) => entry.name);
  } catch (error) {
    const reason = codeOf(error);
    if (reason === undefined) throw error;
    const what = reason === 'ENOENT' ? 'there is none' : `it cannot be listed (${reason})`;
    return new OperatingError(`expected the job map directory, but ${what}; labels stay as they are`, {
      code: reason === 'ENOENT' ? 'map_dir.missing' : 'map_dir.unreadable',
      exit: 'unavailable',
      where: directory,
      hints: ['let the prolog create it', 'or correct --hpc-job-mapping-dir (jobs.hpc_job_mapping_dir)'],
      cause: error,
    });
  }
}

function isUnchanged(path: string, stat: BigIntStats): boolean {
  const now = statOf(path);
  return now !== undefined && isSameState(now, stat);
}

function directoryChangedUs(directory: string): number | undefined {
  const stat = statOf(directory);
  return stat === undefined ? undefined : mtimeUs(stat);
}

function unknownDevice(path: string, name: string, devices: readonly Device[]): OperatingError {
  const instances = devices
    .filter((device) => String(device.index) === name && device.gpuInstanceId !== undefined)
    .map((device) => device.gpuInstanceId);
  const known = [...devicesByFileName(devices).keys()].join(', ');
  return new OperatingError(
    `expected a map file of a device of this node (${known}), found one named ${name}`,
    {
      code: 'map_dir.unknown_device',
      exit: 'data',
      where: path,
      hints:
        instances.length > 0
          ? [
              `GPU ${name} is cut into MIG instances: name the files ${name}.<GPU instance id>, as dcgm-exporter does`,
            ]
          : ['the name is the index of the GPU as NVML and DCGM count it; 01 is not 1'],
    },
  );
}

function unreadable(path: string, what: string): OperatingError {
  const expected = `expected a map file of at most ${MAP_FILE_BYTES_MAX} bytes and ${MAP_FILE_JOBS_MAX} jobs`;
  return new OperatingError(`${expected}, but it ${what}`, {
    code: 'map_dir.unreadable_file',
    exit: 'data',
    where: path,
    hints: ['until it can be read, the owner of this device is recorded as unresolved'],
  });
}

function badLines(path: string, faults: readonly string[]): OperatingError {
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return new OperatingError(`${faults[0]!}${more}`, {
    code: 'map_dir.bad_line',
    exit: 'data',
    where: path,
    hints: ['the job of such a line is recorded as unresolved; the other lines count'],
  });
}

function stale(path: string, changedUs: number, bootUs: number): OperatingError {
  const [changed, boot] = [changedUs, bootUs].map((us) => new Date(us / 1000).toISOString());
  return new OperatingError(
    `expected a map file of this boot (${boot!}), found one of ${changed!}: ignored`,
    {
      code: 'map_dir.stale_file',
      exit: 'data',
      where: path,
      hints: ['the node went down without an epilog: remove it, or keep the directory on /run'],
    },
  );
}

function ahead(path: string, changedUs: number, nowUs: number): OperatingError {
  return new OperatingError(
    `expected a change time of the past, found one ${Math.round((changedUs - nowUs) / 1e6)} s ahead: taken as now`,
    { code: 'map_dir.time_ahead', exit: 'data', where: path, hints: ['check the clock of this node'] },
  );
}
