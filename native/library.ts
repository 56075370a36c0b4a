import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { messageOf, OperatingError } from '../src/core/base/errors.ts';
import { KNOWN_DIRECTORIES, pathsAt, type LibraryWanted } from './library-places.ts';

type NativeArgument = number | bigint | string | null | undefined | ArrayBufferView | object;
/** A bound C function. Arguments are as the prototype says: koffi checks their types, nothing checks pointers. */
export type NativeFunction<R> = (...args: NativeArgument[]) => R;

export interface Library {
  readonly soname: string;
  readonly path: string;
  /** Binds a function by its C prototype. @throws OperatingError when the library does not export it. */
  bind<R = number>(prototype: string): NativeFunction<R>;
  /** The same, or undefined when this version of the library does not export it. */
  bindOptional<R = number>(prototype: string): NativeFunction<R> | undefined;
}

/**
 * Finds and loads a shared library: what the flag names, else what the environment names, else the known directories,
 * else the loader's own search. Whoever names a place gets that place or an error, never silently another one.
 * @throws OperatingError (exit 69) that lists every place and what was wrong there.
 */
export function loadLibrary(wanted: LibraryWanted): Library {
  const failures: string[] = [];
  for (const named of [wanted.flag, wanted.environment]) {
    if (named.value === undefined || named.value === '') continue;
    for (const path of pathsAt(named.value, wanted.sonames)) {
      const library = tryLoad(path, wanted, failures);
      if (library !== undefined) return library;
    }
    throw notFound(wanted, [`${named.name} (${named.value})`], failures);
  }
  const directories = wanted.directories ?? KNOWN_DIRECTORIES;
  for (const soname of wanted.sonames) {
    for (const directory of directories) {
      const path = join(directory, soname);
      if (!existsSync(path)) continue;
      const library = tryLoad(path, wanted, failures);
      if (library !== undefined) return library;
    }
    const library = tryLoad(soname, wanted, failures);
    if (library !== undefined) return library;
  }
  throw notFound(
    wanted,
    [
      `${wanted.flag.name} (not given)`,
      `${wanted.environment.name} (not set)`,
      ...directories,
      "the loader's path",
    ],
    failures,
  );
}

function tryLoad(path: string, wanted: LibraryWanted, failures: string[]): Library | undefined {
  // The loader would wait for somebody to write into it.
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO() === true) {
    failures.push(`${path}: a pipe, and no library`);
    return undefined;
  }
  try {
    const handle = koffi.load(path, { lazy: true, global: wanted.isGlobal ?? false });
    return wrap(handle, path, wanted.name);
  } catch (thrown) {
    failures.push(loaderMessage(path, messageOf(thrown)));
    return undefined;
  }
}

/** koffi says "Failed to load shared library: <what dlopen said>"; the loader already begins with the path. */
function loaderMessage(path: string, message: string): string {
  const said = message.replace(/^Failed to load shared library: /, '');
  return said.startsWith(path) ? said : `${path}: ${said}`;
}

function wrap(handle: LibraryHandle, path: string, name: string): Library {
  const soname = path.slice(path.lastIndexOf('/') + 1);
  const bindOptional = <R>(prototype: string): NativeFunction<R> | undefined => {
    try {
      return handle.func(prototype) as NativeFunction<R>;
    } catch (thrown) {
      // A misspelt prototype is our own bug; only a symbol that is not there is a matter of versions.
      if (/cannot find function/i.test(messageOf(thrown))) return undefined;
      throw thrown;
    }
  };
  return {
    soname,
    path,
    bindOptional,
    bind<R>(prototype: string): NativeFunction<R> {
      const bound = bindOptional<R>(prototype);
      if (bound !== undefined) return bound;
      throw new OperatingError(`${name} does not export ${symbolOf(prototype)}`, {
        code: 'library.symbol',
        exit: 'unavailable',
        where: path,
        hints: ['this version of the library is older or newer than gpuledger knows'],
      });
    },
  };
}

function symbolOf(prototype: string): string {
  return /(\w+)\s*\(/.exec(prototype)?.[1] ?? prototype;
}

function notFound(
  wanted: LibraryWanted,
  places: readonly string[],
  failures: readonly string[],
): OperatingError {
  const [first = wanted.name, ...others] = wanted.sonames;
  const names = [first, ...others.map((other) => `nor ${other}`)]
    .join(', ')
    .replace(', nor', ' not found, nor');
  const message = others.length === 0 ? `${first} not found` : names;
  // "No such file" of the loader says nothing that the list of places does not.
  const told = failures.filter((failure) => !/cannot open shared object file: No such file/.test(failure));
  return new OperatingError(message, {
    code: 'library.not_found',
    exit: 'unavailable',
    where: `looked in: ${places.join(', ')}`,
    hints: [...told, ...wanted.hints],
  });
}
