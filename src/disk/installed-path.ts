import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Path of a file or directory that comes with gpuledger, as `infra/questdb/pom.xml`. It lies below the package's root, which is
 * further up from the sources than from the build.
 * @returns undefined when it is missing
 */
export function installedPath(relative: string): string | undefined {
  let directory = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const path = join(directory, relative);
    if (existsSync(path)) return path;
    const parent = dirname(directory);
    if (parent === directory) return undefined;
    directory = parent;
  }
}
