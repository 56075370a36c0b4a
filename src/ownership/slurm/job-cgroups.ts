import { readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import {
  blkioBytes,
  cpuacctUsageUs,
  cpuUsageUs,
  ioStatBytes,
  loneNumber,
  waitedUs,
  type IoBytes,
} from '../../../schemas/host/cgroup-files.ts';
import type { HostReading } from '../../core/jobs/host-use.ts';
import { codeOf, readBounded } from '../bounded-read.ts';

/**
 * The cgroups that Slurm makes for jobs, below the mounted hierarchy:
 *
 *   v2   system.slice/slurmstepd.scope/job_4217                (26.05: `sEKNKTV3WPV500`, by the SLUID)
 *        system.slice/NODE_slurmstepd.scope/job_4217           where a machine has several slurmd
 *   v1   cpuacct/slurm/uid_1000/job_4217, memory/slurm_NODE/uid_1000/job_4217, …
 *
 * Everybody may read them. Nothing outside of the hierarchy is read: what a link leads out to is refused.
 */
export interface JobCgroups {
  /** @returns undefined where the job has no cgroup here, or several of which nobody knows whose they are */
  read(job: CgroupName): HostReading | undefined;
}

/** By what Slurm calls the cgroup of a job. */
interface CgroupName {
  readonly node: string;
  readonly jobId: string;
  readonly sluid: string | undefined;
}

/** Where the files of a job are; those of v2 are all in one directory. */
interface Place {
  readonly isV2: boolean;
  /** The first is the one by which the cgroup is known. */
  readonly directories: readonly [string, ...string[]];
}

/** Hundreds of devices. */
const FILE_BYTES_MAX = 64 * 1024;
const JOB_ID = /^\d{1,10}$/;
/** As `cgroup.ts` has it. */
const SLUID = /^s[0-9A-HJKMNP-TV-Z]{13}$/;
const V2_SCOPE = /^(?:(.+)_)?slurmstepd\.scope$/;
const V1_SLURM = /^slurm(?:_(.+))?$/;
const V1_USER = /^uid_\d{1,10}$/;
/** Of v1: the first that has the job says where it is in the others. */
const V1_CPU = ['cpuacct', 'cpu,cpuacct'];
const V1_OTHERS = ['memory', 'blkio'];

/** @param root where the hierarchy is mounted: `/sys/fs/cgroup` */
export function openJobCgroups(root: string): JobCgroups {
  return {
    read({ node, jobId, sluid }) {
      const top = realPath(root);
      if (top === undefined) return undefined;
      const names = [
        ...(JOB_ID.test(jobId) ? [`job_${jobId}`] : []),
        ...(sluid !== undefined && SLUID.test(sluid) ? [sluid] : []),
      ];
      const place = placeV2(top, node, names) ?? placeV1(top, node, names);
      return place === undefined ? undefined : readPlace(place);
    },
  };
}

function placeV2(top: string, node: string, names: readonly string[]): Place | undefined {
  const slice = join(top, 'system.slice');
  const found = ofNode(namesIn(slice), V2_SCOPE, node, (scope) =>
    names.flatMap((name) => inside(top, join(slice, scope, name)) ?? []),
  );
  return found === undefined ? undefined : { isV2: true, directories: [found] };
}

function placeV1(top: string, node: string, names: readonly string[]): Place | undefined {
  for (const controller of [...V1_CPU, ...V1_OTHERS]) {
    const hierarchy = join(top, controller);
    const found = ofNode(namesIn(hierarchy), V1_SLURM, node, (slurm) =>
      namesIn(join(hierarchy, slurm))
        .filter((user) => V1_USER.test(user))
        .flatMap((user) => names.map((name) => join(slurm, user, name)))
        .filter((path) => inside(top, join(hierarchy, path)) !== undefined),
    );
    if (found === undefined) continue;
    const others = V1_OTHERS.filter((other) => other !== controller).flatMap(
      (other) => inside(top, join(top, other, found)) ?? [],
    );
    return { isV2: false, directories: [inside(top, join(hierarchy, found))!, ...others] };
  }
  return undefined;
}

/**
 * Of Slurm's own places that of this node, else the only one that has the job: the scheduler may call the node otherwise than we do.
 * @param jobsIn the paths of the job in a place
 */
function ofNode(
  entries: readonly string[],
  form: RegExp,
  node: string,
  jobsIn: (entry: string) => readonly string[],
): string | undefined {
  const places = entries.filter((entry) => form.test(entry));
  const own = places.filter((entry) => form.exec(entry)?.[1] === node).flatMap(jobsIn);
  const found = own.length > 0 ? own : places.flatMap(jobsIn);
  return found.length === 1 ? found[0] : undefined;
}

function readPlace({ isV2, directories }: Place): HostReading | undefined {
  const cgroup = identityOf(directories[0]);
  if (cgroup === undefined) return undefined;
  const read = (file: string): string | undefined => {
    for (const directory of directories) {
      const found = readBounded(join(directory, file), FILE_BYTES_MAX);
      if (found.kind === 'content') return new TextDecoder().decode(found.content);
    }
    return undefined;
  };
  const numberIn = (file: string, parse = loneNumber): number | undefined => {
    const text = read(file);
    return text === undefined ? undefined : parse(text);
  };
  const bytesIn = (file: string, parse: (text: string) => IoBytes): Partial<IoBytes> => {
    const text = read(file);
    return text === undefined ? {} : parse(text);
  };
  const atUs = performance.now() * 1000;
  const io = isV2
    ? bytesIn('io.stat', ioStatBytes)
    : bytesIn('blkio.throttle.io_service_bytes_recursive', blkioBytes);
  return {
    atUs,
    cgroup,
    cpuUs: isV2 ? numberIn('cpu.stat', cpuUsageUs) : numberIn('cpuacct.usage', cpuacctUsageUs),
    cpuWaitUs: isV2 ? numberIn('cpu.pressure', waitedUs) : undefined,
    ioWaitUs: isV2 ? numberIn('io.pressure', waitedUs) : undefined,
    readBytes: io.readBytes,
    writtenBytes: io.writtenBytes,
    memoryBytes: numberIn(isV2 ? 'memory.current' : 'memory.usage_in_bytes'),
    memoryPeakBytes: numberIn(isV2 ? 'memory.peak' : 'memory.max_usage_in_bytes'),
  };
}

/** The kernel gives no number of a directory again while the machine is up. @returns undefined for what is no directory */
function identityOf(directory: string): string | undefined {
  return unlessGone(() => {
    const stat = statSync(directory, { bigint: true });
    return stat.isDirectory() ? `${stat.dev} ${stat.ino}` : undefined;
  });
}

/** The real path of a directory below `top`; undefined where there is none, or it leads out. */
function inside(top: string, path: string): string | undefined {
  const real = realPath(path);
  return real?.startsWith(top.endsWith(sep) ? top : `${top}${sep}`) === true && isDirectory(real)
    ? real
    : undefined;
}

function isDirectory(path: string): boolean {
  return identityOf(path) !== undefined;
}

function realPath(path: string): string | undefined {
  return unlessGone(() => realpathSync(path));
}

function namesIn(directory: string): readonly string[] {
  return unlessGone(() => readdirSync(directory)) ?? [];
}

/** A cgroup is there one moment and gone the next, and not everybody may look everywhere. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (thrown) {
    if (codeOf(thrown) === undefined) throw thrown;
    return undefined;
  }
}
