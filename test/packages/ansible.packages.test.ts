/**
 * Goal: the playbook makes of bare machines what its page says, and a second run changes nothing. Method: a real ansible-playbook, a
 * Debian 12 under a real systemd as node and controller, another one as login node, and a real QuestDB. In place of ssh a script
 * enters these.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { stringify } from 'yaml';

import { startTestQuestdb, type TestQuestdb } from '../helpers/questdb.ts';
import { ROOT, runToEnd, type Ended } from '../helpers/run-process.ts';
import { makeDebianRoot } from './debian-root.ts';

/** What a shell, YAML and systemd may each take for something else. */
const PASSWORD = `p"a$s\\s'w\`o%h #r`;

/** A systemd takes seconds to start, on a busy machine more. */
const START = { timeout: 300_000, interval: 200 };

let directory = '';
let server: TestQuestdb;
let machine: ChildProcess;
const rootOf = (host: 'n1' | 'login'): string => join(directory, host);

/** A line of a shell as root on one of the machines. */
async function on(host: 'n1' | 'login', line: string): Promise<Ended> {
  return await runToEnd(join(directory, 'ssh'), [host, line]);
}

/** @throws Error where there is none, or more than one */
function wholeNumber(text: string): number {
  if (!/^\d+\s*$/.test(text)) throw new Error(`${text} is not one number`);
  return Number(text);
}

function startSystemd(root: string): ChildProcess {
  const mounts = [
    'mount --bind "$0" "$0"',
    'mount -t proc proc "$0/proc"',
    'mount -t sysfs sysfs "$0/sys"',
    ...['run', 'tmp'].map((name) => `mount -t tmpfs tmpfs "$0/${name}"`),
    'mount --rbind /dev "$0/dev"',
    'mount -t cgroup2 none "$0/sys/fs/cgroup"',
  ];
  const line = `${mounts.join(' && ')} && exec chroot "$0" env -i container=docker PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system`;
  const apart = ['-p', '-f', '-m', '-u', '-i', '-C', '--kill-child', '--propagation', 'private'];
  return spawn('unshare', [...apart, 'sh', '-c', line, root], { stdio: 'ignore' });
}

/** Called as `ssh OPTION… HOST COMMAND`. */
function sshInPlace(systemdPid: number): string {
  const shell = 'env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 sh -c "$line"';
  return `#!/bin/sh
for line; do case $line in n1 | login) host=$line ;; esac; done
root=${directory}/$host
case $host in
  n1) exec nsenter -t ${systemdPid} -p -m -u -i -C chroot "$root" ${shell} ;;
  login) export line root
    exec unshare -m -p -f --kill-child sh -c 'mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && exec chroot "$root" ${shell}' ;;
esac
`;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gpuledger-ansible-'));
  await makeDebianRoot(rootOf('n1'), ['python3', 'python3-apt', 'systemd', 'systemd-sysv']);
  cpSync(rootOf('n1'), rootOf('login'), { recursive: true, verbatimSymlinks: true });
  server = await startTestQuestdb();
  machine = startSystemd(rootOf('n1'));
  const children = `/proc/${machine.pid}/task/${machine.pid}/children`;
  await vi.waitFor(() => {
    writeFileSync(join(directory, 'ssh'), sshInPlace(wholeNumber(readFileSync(children, 'utf8'))));
  }, START);
  chmodSync(join(directory, 'ssh'), 0o755);
  await vi.waitFor(async () => {
    const { stdout } = await on('n1', 'systemctl is-system-running');
    if (!/^(running|degraded)$/m.test(stdout)) throw new Error(`systemd is ${stdout}`);
  }, START);
  await on('n1', 'useradd --system slurm && mkdir /etc/slurm && echo ClusterName=c >/etc/slurm/slurm.conf');
  const controller = '[Service]\nUser=slurm\nExecStart=/bin/sleep infinity\n';
  writeFileSync(join(rootOf('n1'), 'etc/systemd/system/slurmctld.service'), controller);
  await on('n1', 'systemctl daemon-reload && systemctl start slurmctld');
  await on('login', 'useradd ada && useradd eve');
  writeFileSync(join(directory, 'inventory.yaml'), stringify(inventory()));
});
afterAll(async () => {
  machine.kill('SIGKILL');
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The server asks nobody for a password; so it takes this one. */
function writerConf(): string {
  return `${server.conf}username=writer;password=${PASSWORD};`;
}

function inventory(): object {
  const hosts = (...names: string[]): object => ({
    hosts: Object.fromEntries(names.map((name) => [name, {}])),
  });
  return {
    gpuledger: {
      children: {
        gpuledger_nodes: hosts('n1'),
        gpuledger_controller: hosts('n1'),
        gpuledger_login: hosts('login'),
      },
      vars: {
        gpuledger_deb: inject('packages').deb,
        gpuledger_rpm: inject('packages').rpm,
        gpuledger_settings: { source: 'synthetic', synthetic: { gpus: 2 } },
        gpuledger_reader_settings: { time_zone: 'Europe/Berlin' },
        gpuledger_readers: 'gpuledger-readers',
        gpuledger_slurm_dir: '/etc/slurm',
        gpuledger_client_conf: writerConf(),
        gpuledger_reader_conf: server.conf,
        ansible_ssh_executable: join(directory, 'ssh'),
        ansible_ssh_transfer_method: 'piped',
        ansible_python_interpreter: '/usr/bin/python3',
      },
    },
  };
}

async function play(...args: string[]): Promise<Ended> {
  const playbook = join(ROOT, 'infra/ansible/site.yaml');
  return await runToEnd('ansible-playbook', ['-i', join(directory, 'inventory.yaml'), ...args, playbook], {
    env: {
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_LOCAL_TEMP: join(directory, 'ansible'),
      ANSIBLE_HOME: join(directory, 'home'),
    },
  });
}

/** Of the last lines: how many tasks changed something and failed, by machine. */
function recap({ stdout }: Ended): Record<string, { changed: number; failed: number }> {
  const lines = [...stdout.matchAll(/^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)/gm)];
  return Object.fromEntries(
    lines.map(
      ([, host, changed, away, failed]) =>
        [host!, { changed: Number(changed), failed: Number(away) + Number(failed) }] as const,
    ),
  );
}

test('Ansible reads the playbook and the example of an inventory', async () => {
  const folder = join(ROOT, 'infra/ansible');
  const args = ['-i', join(folder, 'inventory.example.yaml'), '--syntax-check', join(folder, 'site.yaml')];
  expect(await runToEnd('ansible-playbook', args)).toMatchObject({ exitCode: 0 });
});

test('where Slurm does not call the hooks that is said, and nothing is written into its configuration', async () => {
  const ended = await play();
  expect(ended.stdout).toContain('slurm.conf has no line Prolog=/etc/slurm/prolog.d/*: add it');
  expect(recap(ended)).toMatchObject({ n1: { failed: 1 } });
  expect(readFileSync(join(rootOf('n1'), 'etc/slurm/slurm.conf'), 'utf8')).toBe('ClusterName=c\n');
  // It has its new group all the same.
  const groups =
    'for id in $(sed -n "s/^Groups://p" /proc/$(systemctl show -P MainPID slurmctld)/status); do getent group $id; done';
  expect((await on('n1', groups)).stdout).toMatch(/^gpuledger:/m);
});

const HOOK = '/etc/slurm/gpuledger-hook';

describe('once slurm.conf calls them', () => {
  let first: Ended;
  beforeAll(async () => {
    const lines = [
      ...['ClusterName=c', 'Prolog=/etc/slurm/prolog.d/*', 'Epilog = /etc/slurm/epilog.d/*'],
      ...[`PrologSlurmctld=${HOOK}`, `epilogslurmctld=${HOOK}`, 'PrologFlags=Serial,Contain'],
    ];
    writeFileSync(join(rootOf('n1'), 'etc/slurm/slurm.conf'), `${lines.join('\n')}\n`);
    first = await play('-vvv');
  });

  test('all is done, and what it did shows no secret', () => {
    expect(recap(first), first.stdout.slice(-3000)).toMatchObject({
      n1: { failed: 0 },
      login: { failed: 0 },
    });
    expect(first.stdout).not.toContain('writer');
    expect(first.stderr).not.toContain('writer');
  });

  test('a second time changes nothing, and would not in a trial either', async () => {
    for (const args of [[], ['--check']]) {
      const again = await play(...args);
      expect(recap(again), again.stdout.slice(-3000)).toEqual({
        n1: { changed: 0, failed: 0 },
        login: { changed: 0, failed: 0 },
      });
    }
  });

  test('the secret is for root and the service alone, and arrives letter for letter', async () => {
    const place = '/etc/gpuledger/questdb.conf';
    expect((await on('n1', `stat -c "%a %U %G" ${place}`)).stdout).toBe('640 root gpuledger\n');
    expect((await on('n1', `cat ${place}`)).stdout).toBe(`${writerConf()}\n`);
    const everywhere = await on('n1', 'grep -rl writer /etc/gpuledger');
    expect(everywhere.stdout).toBe(`${place}\n`);
    const service = 'tr "\\0" "\\n" </proc/$(systemctl show -P MainPID gpuledger)/environ';
    expect((await on('n1', service)).stdout).not.toContain('QDB_CLIENT_CONF');
  });

  test('the collector writes, and the journal of the controller is sent', async () => {
    const states =
      'systemctl is-active gpuledger gpuledger-jobs-push.path; systemctl is-enabled gpuledger gpuledger-jobs-push.path';
    expect((await on('n1', states)).stdout).toBe('active\nactive\nenabled\nenabled\n');
    expect((await on('n1', 'id -nG slurm')).stdout.trim().split(' ')).toContain('gpuledger');
    // As slurmd calls it there.
    const hook =
      'SLURM_SCRIPT_CONTEXT=prolog_slurmd SLURM_JOB_ID=71 SLURM_JOB_GPUS=0 SLURMD_NODENAME=n1 /etc/slurm/prolog.d/50-gpuledger';
    expect(await on('n1', hook)).toMatchObject({ exitCode: 0, stderr: '' });
    const asked = `${server.httpUrl}/exec?query=${encodeURIComponent("SELECT count() FROM jobs WHERE job_id = '71'")}`;
    const rows = async (): Promise<unknown> =>
      ((await (await fetch(asked)).json()) as { dataset?: unknown }).dataset;
    await expect.poll(rows).toEqual([[1]]);
  });

  test('on the login node members of the group ask, and others are told whom to ask', async () => {
    await on('login', 'usermod -aG gpuledger-readers ada');
    const ask = (user: string): Promise<Ended> =>
      on('login', `HOME=/nonexistent runuser -u ${user} -- gpuledger query run sent-lately --csv`);
    const sent = async (): Promise<string> => (await ask('ada')).stdout;
    await expect.poll(sent).toMatch(/^node,silent_seconds,.*\n\S+,\d/);
    const refused = await ask('eve');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stderr).toContain('/etc/gpuledger/questdb-reader.conf');
  });

  test('a wrong setting is refused on the machine, and the right ones stay', async () => {
    const before = readFileSync(join(rootOf('n1'), 'etc/gpuledger/gpuledger.yaml'), 'utf8');
    const wrong = await play(
      '--extra-vars',
      JSON.stringify({ gpuledger_settings: { flush: { intervall: '5s' } } }),
    );
    expect(recap(wrong)).toMatchObject({ n1: { failed: 1 } });
    expect(wrong.stdout).toContain('intervall');
    expect(readFileSync(join(rootOf('n1'), 'etc/gpuledger/gpuledger.yaml'), 'utf8')).toBe(before);
  });

  test('an image that is built so has the service enabled, without a systemd that runs', async () => {
    expect(await on('login', 'systemctl enable gpuledger')).toMatchObject({ exitCode: 0 });
    const link = 'etc/systemd/system/multi-user.target.wants/gpuledger.service';
    expect(lstatSync(join(rootOf('login'), link)).isSymbolicLink()).toBe(true);
    expect((await on('login', 'getent passwd gpuledger')).exitCode).toBe(0);
  });

  test('hooks that outlive the package harm no job', async () => {
    const named = 'prolog = /usr/libexec/gpuledger/gpuledger-hook\n';
    writeFileSync(join(rootOf('n1'), 'etc/slurm/slurm.conf'), named);
    const removed = await on('n1', 'dpkg --remove gpuledger');
    expect([removed.exitCode, removed.stderr]).toEqual([
      0,
      expect.stringContaining('Slurm drains a node whose hook is gone'),
    ]);
    for (const hook of ['prolog.d/50-gpuledger', 'epilog.d/50-gpuledger', 'gpuledger-hook'])
      expect(await on('n1', `/etc/slurm/${hook}`)).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
  });
});
