import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';

const sources = new URL('../fakes/', import.meta.url);
const build = new URL('../../build/fakes/', import.meta.url);

/** `nvml-old` is the libnvidia-ml of a driver before R535, which lacks the newer symbols. */
export type FakeName = 'dcgm' | 'nvml' | 'nvml-old';

const OUTPUT: Readonly<Record<FakeName, string>> = {
  dcgm: 'libdcgm.so.4',
  nvml: 'libnvidia-ml.so.1',
  'nvml-old': 'old/libnvidia-ml.so.1',
};
const HEADERS: Readonly<Record<FakeName, readonly string[]>> = {
  dcgm: ['world.h', 'dcgm-abi.h', 'layout-asserts.h'],
  nvml: ['world.h', 'nvml-abi.h', 'layout-asserts.h'],
  'nvml-old': ['world.h', 'nvml-abi.h', 'layout-asserts.h'],
};

/** Compiles a fake with the system's compiler unless it is newer than its sources. @returns the path of the library. */
export function buildFake(name: FakeName): string {
  const isOld = name === 'nvml-old';
  const source = fileURLToPath(new URL(`fake-${isOld ? 'nvml' : name}.c`, sources));
  const output = fileURLToPath(new URL(OUTPUT[name], build));
  const newest = Math.max(
    ...[source, ...HEADERS[name].map((header) => fileURLToPath(new URL(header, sources)))].map(
      (path) => statSync(path).mtimeMs,
    ),
  );
  if (existsSync(output) && statSync(output).mtimeMs > newest) return output;
  mkdirSync(dirname(output), { recursive: true });
  // Two test processes may come here at once: each builds its own, and the last rename wins.
  const mine = `${output}.${process.pid}`;
  execFileSync(
    'cc',
    [
      '-O2',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-shared',
      '-fPIC',
      ...(isOld ? ['-DFAKE_OLD_DRIVER'] : []),
      '-o',
      mine,
      source,
      '-lpthread',
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  renameSync(mine, output);
  return output;
}

/** The commands of a fake in this process: the same library that the code under test loads. */
export interface Fake {
  readonly path: string;
  set(knob: string, value: number | bigint): void;
  get(knob: string): number;
  reset(): void;
  /** Another persistent client of the engine watches a GPU's field. */
  foreignWatch(gpu: number, field: number, intervalUs: number, keepS: number): void;
  /** Another persistent client of the engine ends its watch of a GPU's field. */
  foreignUnwatch(gpu: number, field: number): void;
}

export function loadFake(name: FakeName): Fake {
  const path = buildFake(name);
  const library = koffi.load(path);
  const set = library.func('void fakeSet(const char *name, int64_t value)') as (
    name: string,
    value: bigint,
  ) => void;
  const get = library.func('int64_t fakeGet(const char *name)') as (name: string) => number | bigint;
  const reset = library.func('void fakeReset()') as () => void;
  const foreignWatch =
    name === 'dcgm'
      ? (library.func(
          'void fakeForeignWatch(int gpu, int field, int64_t intervalUs, double keepS)',
        ) as Fake['foreignWatch'])
      : () => undefined;
  const foreignUnwatch =
    name === 'dcgm'
      ? (library.func('void fakeForeignUnwatch(int gpu, int field)') as Fake['foreignUnwatch'])
      : () => undefined;
  return {
    path,
    set: (knob, value) => {
      set(knob, BigInt(value));
    },
    get: (knob) => Number(get(knob)),
    reset,
    foreignWatch,
    foreignUnwatch,
  };
}
