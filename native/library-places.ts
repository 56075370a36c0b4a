import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What to look for, and where. */
export interface LibraryWanted {
  /** `libdcgm`, for messages. */
  readonly name: string;
  /** Names to try in each place, best first: `libdcgm.so.4`, `libdcgm.so.3`. */
  readonly sonames: readonly string[];
  /** What the user gave on the command line or in the configuration: a file, or a directory that holds one. */
  readonly flag: { readonly name: string; readonly value: string | undefined };
  /** The environment variable that may name a file or a directory. */
  readonly environment: { readonly name: string; readonly value: string | undefined };
  readonly directories?: readonly string[];
  /** What to do when it is nowhere, one way out a line. */
  readonly hints: readonly string[];
  /** Other libraries are to see its symbols (libdcgm loads its modules by name). */
  readonly isGlobal?: boolean;
}

/** Where the packages of Debian and Ubuntu, RHEL and SUSE, and NVIDIA's container toolkit put them. */
export const KNOWN_DIRECTORIES: readonly string[] = [
  ...(process.arch === 'arm64'
    ? ['/usr/lib/aarch64-linux-gnu', '/lib/aarch64-linux-gnu']
    : ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu']),
  '/usr/lib64',
  '/usr/lib64/nvidia',
  '/usr/lib/nvidia',
  '/usr/local/nvidia/lib64',
  '/usr/local/lib',
  '/usr/lib',
];

/** @param path a file, or a directory that holds it; absent: wherever it is. */
export function dcgmWanted(path: string | undefined, environment = process.env): LibraryWanted {
  return {
    name: 'libdcgm',
    sonames: ['libdcgm.so.4', 'libdcgm.so.3'],
    flag: { name: '--dcgm-library', value: path },
    environment: { name: 'GPULEDGER_DCGM_LIBRARY', value: environment['GPULEDGER_DCGM_LIBRARY'] },
    hints: [
      'Debian/Ubuntu: apt install datacenter-gpu-manager-4-core · RHEL: dnf install datacenter-gpu-manager-4-core',
      'without DCGM: --source nvml · without a GPU: --source synthetic (in the configuration: source: …)',
    ],
    isGlobal: true,
  };
}

/** @param path a file, or a directory that holds it; absent: wherever it is. */
export function nvmlWanted(path: string | undefined, environment = process.env): LibraryWanted {
  return {
    name: 'libnvidia-ml',
    sonames: ['libnvidia-ml.so.1'],
    flag: { name: '--nvml-library', value: path },
    environment: { name: 'GPULEDGER_NVML_LIBRARY', value: environment['GPULEDGER_NVML_LIBRARY'] },
    hints: [
      'it comes with the NVIDIA driver: is one installed, and, in a container, is it passed in?',
      'without a GPU: --source synthetic (in the configuration: source: synthetic)',
    ],
  };
}

/** The files that a place named by the user may mean. */
export function pathsAt(place: string, sonames: readonly string[]): readonly string[] {
  const stat = statSync(place, { throwIfNoEntry: false });
  return stat?.isDirectory() === true ? sonames.map((soname) => join(place, soname)) : [place];
}

/** Whether a file lies where the library is looked for. The loader may still know another place, or refuse this one. */
export function isAtHand({
  flag,
  environment,
  sonames,
  directories = KNOWN_DIRECTORIES,
}: LibraryWanted): boolean {
  const named = [flag.value, environment.value].find((value) => value !== undefined && value !== '');
  const paths =
    named === undefined
      ? directories.flatMap((directory) => sonames.map((soname) => join(directory, soname)))
      : pathsAt(named, sonames);
  return paths.some((path) => existsSync(path));
}
