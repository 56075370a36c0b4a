import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';

const RELEASE = 'bookworm';
/** It tells of every package. */
const OUTPUT_BYTES_MAX = 1e8;

/** A Debian 12 in a directory, with nothing but what every Debian has and the packages that are named. Takes minutes. */
export async function makeDebianRoot(root: string, packages: readonly string[] = []): Promise<void> {
  expect(process.getuid!(), 'debootstrap makes devices and owners: run this test as root').toBe(0);
  const include = packages.length === 0 ? [] : [`--include=${packages.join(',')}`];
  await promisify(execFile)('debootstrap', ['--variant=minbase', ...include, RELEASE, root, ...mirrors()], {
    maxBuffer: OUTPUT_BYTES_MAX,
  });
}

/** Where this machine itself has that release from; none: debootstrap knows a place. */
function mirrors(): string[] {
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', `Codename: ${RELEASE}`];
  return execFileSync('apt-get', args, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
    .slice(0, 1);
}
