import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** What makes a process see a directory as a small disk: whoever may mount nothing needs no real one. @param build where the library goes */
export function smallDisk(build: string, path: string, bytes: number): Record<string, string> {
  const library = join(build, 'small-disk.so');
  const source = join(import.meta.dirname, '../fakes/small-disk.c');
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  execFileSync('cc', [...flags, '-o', library, source, '-ldl']);
  return { LD_PRELOAD: library, SMALL_DISK: path, SMALL_DISK_BYTES: String(bytes) };
}
