import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { announce, Failure, ROOT, run } from './steps.ts';

const FETCHED = join(ROOT, 'build/package/npm');

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>;
}

/**
 * The folder of a package of the lockfile: that of node_modules, else (those for other machines are not installed) one that is
 * fetched by npm and held against the lockfile.
 */
export function npmPart(name: string): string {
  const installed = join(ROOT, 'node_modules', name);
  if (existsSync(join(installed, 'package.json'))) return installed;
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Failure(`the lockfile has no package ${name}`, 69);
  const file = `${name.replace('@', '').replace('/', '-')}-${locked.version}.tgz`;
  const path = join(FETCHED, file);
  mkdirSync(FETCHED, { recursive: true });
  if (!existsSync(path)) {
    announce(
      `fetching ${name} ${locked.version} by npm; where that cannot reach it, put its file at ${path}`,
    );
    run('npm', ['pack', `${name}@${locked.version}`, '--pack-destination', FETCHED, '--silent']);
  }
  const integrity = `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`;
  if (integrity !== locked.integrity) {
    throw new Failure(`${path} is not the file of the lockfile: remove it, and run this again`, 65);
  }
  const folder = join(FETCHED, file.replace(/\.tgz$/, ''));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  run('tar', ['-xzf', path, '-C', folder, '--strip-components=1', '--no-same-owner']);
  return folder;
}
