import { readFileSync } from 'node:fs';
import { VERSION } from '../../config/package-version.ts';
import { installedPath } from '../../disk/installed-path.ts';
import { fine, wrong, type Check, type Outcome } from '../check.ts';
import { isOn } from '../machine.ts';
import { readUnit, UNIT } from './unit-file.ts';

/** What a package puts there and the rest needs. */
const PARTS = [
  '/usr/bin/gpuledger',
  '/usr/lib/gpuledger/node',
  '/usr/lib/gpuledger/bin/gpuledger.js',
  '/usr/lib/gpuledger/dist/main.js',
  '/usr/libexec/gpuledger/gpuledger-hook',
  '/usr/lib/systemd/system/gpuledger.service',
  '/usr/lib/sysusers.d/gpuledger.conf',
  '/usr/lib/tmpfiles.d/gpuledger.conf',
];
const REINSTALL = 'apt-get install --reinstall gpuledger, or dnf reinstall gpuledger';

export const installation: Check = {
  part: 'node',
  name: 'installation',
  why: 'a part that is missing shows only later, as a hook that records nothing or a service that does not start',
  look({ machine }): Outcome {
    const missing = PARTS.filter((path) => !isOn(machine, path));
    if (missing.length === PARTS.length)
      return fine(`gpuledger ${VERSION}, no package: it runs from where it was unpacked`);
    if (missing.length === 0) return fine(`gpuledger ${VERSION}, all parts of the package are there`);
    return wrong(`half removed: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`, [
      REINSTALL,
    ]);
  },
};

export const service: Check = {
  part: 'node',
  name: 'service',
  why: 'a changed copy of the unit does not follow upgrades, and may lack rights that sampling needs; changes belong in a drop-in',
  look({ machine }) {
    const unit = readUnit(machine);
    if (unit === undefined) return undefined;
    const { path, isMasked, text } = unit;
    if (isMasked) return wrong(`${path} is masked: it cannot be started`, ['systemctl unmask gpuledger']);
    if (path.startsWith('/etc/') && isOn(machine, `/usr/lib/systemd/system/${UNIT}`))
      return wrong(`${path} stands in place of the unit of the package`, [
        `keep what you changed by: systemctl edit gpuledger; then: rm ${path} && systemctl daemon-reload`,
      ]);
    const shipped = shippedText();
    if (shipped !== undefined && text !== shipped)
      return wrong(`${path} was edited, or is of another version`, [
        'keep what you changed by: systemctl edit gpuledger; then install the package again',
        REINSTALL,
      ]);
    return fine(`${path} is as it was shipped`);
  },
};

/** The unit as it came with this gpuledger. */
function shippedText(): string | undefined {
  const path = installedPath(`infra/systemd/${UNIT}`);
  return path === undefined ? undefined : readFileSync(path, 'utf8');
}
