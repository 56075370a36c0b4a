/** What packages do at install and removal, on machines that are not as they should be: run by sh in a /var/lib, /run and /etc of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readMoments, type Moments } from '../../scripts/package/moments.ts';
import { IS_ROOT } from '../helpers/pid-namespace.ts';
import { runToEnd, type Ended } from '../helpers/run-process.ts';

/** Accounts that are there, as sysusers leaves them. */
const ACCOUNTS = `cp /etc/passwd /etc/group "$1" &&
  { grep -q ^gpuledger: /etc/passwd || { echo gpuledger:x:64990:64990::/:/bin/false >>"$1/passwd" && echo gpuledger:x:64990: >>"$1/group"; }; } &&
  mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group && mount -t tmpfs none /var/lib && mount -t tmpfs none /run`;

/** @param lacks a program that answers as where it is absent or refuses */
async function at(
  moment: keyof Moments,
  {
    prepare,
    lacks,
    look,
  }: { readonly prepare: string; readonly lacks: readonly string[]; readonly look: string },
): Promise<Ended> {
  const directory = mkdtempSync(join(tmpdir(), 'gpuledger-moment-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  for (const name of lacks)
    writeFileSync(join(directory, name), `#!/bin/sh\necho "$0: no such unit" >&2\nexit 1\n`, { mode: 0o755 });
  // The accounts are there.
  writeFileSync(join(directory, 'systemd-sysusers'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(directory, 'moment'), `set -e\n${readMoments()[moment]}`);
  const script = `${ACCOUNTS} && ${prepare} && PATH="$1:$PATH" sh "$1/moment" && ${look}`;
  return await runToEnd('unshare', ['--mount', 'sh', '-c', script, 'sh', directory]);
}

describe.skipIf(!IS_ROOT)('a package', () => {
  const lacks = ['systemd-tmpfiles'];
  const look = "find /var/lib/gpuledger /run/gpuledger -printf '%p %m %u:%g\\n' | sort";

  test('makes its directories where tmpfiles makes none', async () => {
    expect((await at('afterInstall', { prepare: 'true', lacks, look })).stdout).toBe(`\
/run/gpuledger 755 root:root
/run/gpuledger/jobs 3770 gpuledger:gpuledger
/var/lib/gpuledger 751 gpuledger:gpuledger
/var/lib/gpuledger/profiling-pause 755 gpuledger:gpuledger
`);
  });

  test('makes what is missing in a state directory that an earlier one left', async () => {
    const prepare = 'install -d -o gpuledger -g gpuledger /var/lib/gpuledger';
    expect((await at('afterInstall', { prepare, lacks, look })).stdout).toContain(
      '/var/lib/gpuledger/profiling-pause 755 gpuledger:gpuledger\n',
    );
  });

  test('follows no link that the user of the service has put into its directory', async () => {
    const prepare =
      'mkdir -m 0700 /var/lib/others && install -d -o gpuledger /var/lib/gpuledger && ln -s ../others /var/lib/gpuledger/profiling-pause';
    const { exitCode, stdout } = await at('afterInstall', {
      prepare,
      lacks,
      look: "stat -c '%a %U' /var/lib/others",
    });
    expect([exitCode, stdout]).toEqual([0, '700 root\n']);
  });

  test('goes although a unit of it was removed by hand', async () => {
    const { exitCode, stdout, stderr } = await at('beforeRemoval', {
      prepare: 'mkdir -p /run/systemd/system',
      lacks: ['systemctl'],
      look: 'echo gone',
    });
    expect([exitCode, stdout]).toEqual([0, 'gone\n']);
    expect(stderr).toContain('not every service could be stopped');
  });
});
