/** Compiles the TypeScript sources into dist/ when they have changed since the last time. */
import { createHash } from 'crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'fs';
import { join } from 'path';

import { announce, ROOT, run } from './step.js';

const SOURCES = ['src', 'schemas', 'native', 'jobs', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
const STAMP = 'dist/.sources-sha256';

export function buildIfStale() {
  const wanted = hashOf(SOURCES);
  const stampPath = join(ROOT, STAMP);
  if (existsSync(stampPath) && readFileSync(stampPath, 'utf8') === wanted) return;
  announce('building (a few seconds)');
  // Into a new directory that is then put in place, so that no file of an older source stays behind. Types are checked
  // by `npm run check` and by `npm run build`; here only the code is wanted.
  const fresh = join(ROOT, `build/dist-${process.pid}`);
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  run(process.execPath, [
    compiler,
    '-p',
    'tsconfig.build.json',
    '--noCheck',
    '--declaration',
    'false',
    '--outDir',
    fresh,
  ]);
  writeFileSync(join(fresh, '.sources-sha256'), wanted);
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  renameSync(fresh, join(ROOT, 'dist'));
}

/** SHA-256 over the names and contents of files and folders. */
function hashOf(paths) {
  const hash = createHash('sha256');
  const add = (path) => {
    const absolute = join(ROOT, path);
    if (!existsSync(absolute)) return;
    const content = readFileOrUndefined(absolute);
    if (content === undefined) {
      for (const name of readdirSync(absolute).sort()) add(join(path, name));
    } else {
      hash.update(`${path}\0${content.length}\0`).update(content);
    }
  };
  paths.forEach(add);
  return hash.digest('hex');
}

/** Undefined for a folder. */
function readFileOrUndefined(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === 'EISDIR') return undefined;
    throw error;
  }
}
