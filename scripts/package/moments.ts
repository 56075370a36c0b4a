import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT } from './steps.ts';

/** What both kinds of packages do at the same moments, as lines of a POSIX shell; infra/packages has them. */
export interface Moments {
  readonly afterInstall: string;
  readonly afterUpgrade: string;
  readonly beforeRemoval: string;
  readonly afterRemoval: string;
}

export function readMoments(): Moments {
  const units = globSync('infra/systemd/*.{service,timer,path}', { cwd: ROOT }).map((path) => basename(path));
  // The services that a timer or a path starts end by themselves, and those start them again.
  const resident = units.filter((unit) => !unit.endsWith('.service') || !hasStarter(unit, units)).sort();
  const read = (name: string): string =>
    readFileSync(join(ROOT, 'infra/packages', name), 'utf8').replaceAll('@UNITS@', resident.join(' '));
  return {
    afterInstall: read('after-install.sh'),
    afterUpgrade: read('after-upgrade.sh'),
    beforeRemoval: read('before-removal.sh'),
    afterRemoval: read('after-removal.sh'),
  };
}

function hasStarter(service: string, units: readonly string[]): boolean {
  const name = service.replace(/\.service$/, '');
  return units.includes(`${name}.timer`) || units.includes(`${name}.path`);
}
