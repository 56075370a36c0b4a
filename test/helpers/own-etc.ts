import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An /etc that only the commands of a test see: this machine's, with an /etc/gpuledger of their own. */
export interface OwnEtc {
  /** Words before a command; it runs as nobody. */
  readonly within: readonly [string, ...string[]];
  /** Where its /etc/gpuledger lies outside. */
  readonly directory: string;
  readonly remove: () => void;
}

const AS_NOBODY = 'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"';

/** Takes root. */
export function ownEtc(files: Readonly<Record<string, string>>): OwnEtc {
  const home = mkdtempSync(join(tmpdir(), 'gpuledger-etc-'));
  const etc = join(home, 'etc');
  const copied = spawnSync(
    'sh',
    ['-c', 'chmod 755 "$1" && cp -a /etc "$2" && rm -rf "$2/gpuledger"', 'sh', home, etc],
    {
      encoding: 'utf8',
    },
  );
  if (copied.status !== 0) throw new Error(`cp of /etc: ${copied.stderr}`);
  const directory = join(etc, 'gpuledger');
  mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const mount = `mount --bind "$1" /etc && shift && ${AS_NOBODY}`;
  return {
    within: ['unshare', '--mount', 'sh', '-c', mount, 'sh', etc],
    directory,
    remove: () => {
      rmSync(home, { recursive: true, force: true });
    },
  };
}
