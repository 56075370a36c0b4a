import { createHash } from 'node:crypto';
import {
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Machine } from './machine.ts';
import { readMoments } from './moments.ts';
import { ROOT, run } from './steps.ts';
import type { Made } from './tree.ts';
import { ABOUT, MAINTAINER } from './words.ts';

/** Of the first packaging of a version. */
const REVISION = 1;
/** A third of the time of the usual 6, for 15 % more bytes (docs/decisions.md). */
const XZ_LEVEL = 1;

/** Packs a tree for Debian, Ubuntu and what comes from them. */
export function writeDeb(path: string, tree: string, machine: Machine, made: Made): void {
  const root = `${tree}-deb`;
  rmSync(root, { recursive: true, force: true });
  cpSync(tree, root, { recursive: true, preserveTimestamps: true });
  const version = `${made.version}-${REVISION}`;
  // Where its zsh looks.
  renameSync(join(root, 'usr/share/zsh/site-functions'), join(root, 'usr/share/zsh/vendor-completions'));
  writeFileSync(
    join(root, 'usr/share/doc/gpuledger/changelog.Debian.gz'),
    gzipSync(debianChangelog(version, made.epochS), { level: 9 }),
  );
  const overrides = join(root, 'usr/share/lintian/overrides');
  mkdirSync(overrides, { recursive: true });
  cpSync(join(ROOT, 'infra/packages/lintian-overrides'), join(overrides, 'gpuledger'));
  writeControl(root, machine, version);
  for (const each of globSync('**', { cwd: root }).sort().reverse())
    utimesSync(join(root, each), made.epochS, made.epochS);
  run('dpkg-deb', ['--root-owner-group', '-Zxz', `-z${XZ_LEVEL}`, '--build', root, path], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(made.epochS) },
  });
  rmSync(root, { recursive: true });
}

function writeControl(root: string, { debian }: Machine, version: string): void {
  const files = globSync('**', { cwd: root })
    .sort()
    .filter((path) => !lstatSync(join(root, path)).isDirectory());
  const bytes = files.reduce((sum, path) => sum + lstatSync(join(root, path)).size, 0);
  const put = (name: string, text: string, mode = 0o644): void => {
    const path = join(root, 'DEBIAN', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
  };
  put(
    'control',
    `Package: gpuledger
Version: ${version}
Architecture: ${debian}
Maintainer: ${MAINTAINER}
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: libc6 (>= 2.28), libgcc-s1 | libgcc1, libstdc++6 (>= 6)
Section: admin
Priority: optional
Description: ${ABOUT.short}
${ABOUT.long.map((line) => ` ${line}\n`).join('')}`,
  );
  const configuration = files.filter((path) => path.startsWith('etc/'));
  put('conffiles', configuration.map((path) => `/${path}\n`).join(''));
  const sums = files
    .filter((path) => !configuration.includes(path))
    .map(
      (path) =>
        `${createHash('md5')
          .update(readFileSync(join(root, path)))
          .digest('hex')}  ${path}\n`,
    );
  put('md5sums', sums.join(''));
  const moments = readMoments();
  const script = (name: string, when: string, text: string): void => {
    put(name, `#!/bin/sh\nset -e\nif ${when}; then\n${text}fi\n`, 0o755);
  };
  script('postinst', '[ "$1" = configure ]', moments.afterInstall + moments.afterUpgrade);
  script('prerm', '[ "$1" = remove ]', moments.beforeRemoval);
  script('postrm', '[ "$1" = remove ] || [ "$1" = purge ]', moments.afterRemoval);
}

function debianChangelog(version: string, epochS: number): string {
  const date = new Date(1000 * epochS).toUTCString().replace('GMT', '+0000');
  return `gpuledger (${version}) stable; urgency=medium

  * What is new: /usr/share/doc/gpuledger/changelog.gz

 -- ${MAINTAINER}  ${date}
`;
}
