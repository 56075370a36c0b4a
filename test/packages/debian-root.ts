import { execFileSync } from 'node:child_process';

const RELEASE = 'bookworm';

/** A Debian 12 in a directory, with nothing but what every Debian has and the packages that are named. Takes minutes. */
export function makeDebianRoot(root: string, packages: readonly string[] = []): void {
  const include = packages.length === 0 ? [] : [`--include=${packages.join(',')}`];
  execFileSync('debootstrap', ['--variant=minbase', ...include, RELEASE, root, ...mirrors()], {
    stdio: 'ignore',
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
