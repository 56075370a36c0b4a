/** Before the first test of packages: makes them twice, the second time as somebody else would. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

import { ROOT } from './run-process.ts';

declare module 'vitest' {
  interface ProvidedContext {
    packages: { tarball: string; deb: string; rpm: string };
    /** SHA-256 of the three, once for each time that they were made. */
    packageSums: string[][];
  }
}

export default function setup({ provide }: TestProject): void {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const folder = join(ROOT, 'build/package');
  const packages = {
    tarball: join(folder, `gpuledger-${version}-linux-x64.tar.gz`),
    deb: join(folder, `gpuledger_${version}-1_amd64.deb`),
    rpm: join(folder, `gpuledger-${version}-1.x86_64.rpm`),
  };
  const sums = ['umask 022', 'umask 077; export TZ=Asia/Tokyo LANG=C.UTF-8'].map((before) => {
    execFileSync('sh', ['-c', `${before}; exec "$0" scripts/package.ts x64`, process.execPath], {
      cwd: ROOT,
    });
    return Object.values(packages).map((path) =>
      createHash('sha256').update(readFileSync(path)).digest('hex'),
    );
  });
  provide('packages', packages);
  provide('packageSums', sums);
}
