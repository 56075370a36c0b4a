/** A Debian below a directory, entered as root, or started with systemd as its first process. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'vitest';

import { runToEnd, type Ended } from '../helpers/run-process.ts';

const BARE = [
  'env',
  '-i',
  'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'DEBIAN_FRONTEND=noninteractive',
];

/** Runs a line of a shell as root in there, with devices and processes of its own. */
export async function insideRoot(root: string, line: string): Promise<Ended> {
  const enter = `mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" ${BARE.join(' ')} sh -c "$1"`;
  return await runToEnd('unshare', ['-m', '-p', '-f', '--kill-child', 'sh', '-c', enter, root, line]);
}

export interface BootedRoot {
  /** Runs a line of a shell as root, where systemd runs. */
  inside: (line: string) => Promise<Ended>;
  stop: () => Promise<void>;
}

/** Its network is this machine's. @throws where systemd does not come up here */
export async function bootRoot(root: string): Promise<BootedRoot> {
  const mounts = [
    'mount --bind "$0" "$0"',
    'mount -t proc proc "$0/proc"',
    'mount -t sysfs sysfs "$0/sys"',
    'mount -t tmpfs tmpfs "$0/run"',
    'mount -t tmpfs tmpfs "$0/tmp"',
    'mount --rbind /dev "$0/dev"',
    'mount -t cgroup2 none "$0/sys/fs/cgroup"',
    // Whoever waits for this line may look for the process.
    'echo mounted',
    'exec chroot "$0" env container=docker /lib/systemd/systemd --system',
  ].join(' && ');
  const spaces = ['-p', '-f', '-m', '-u', '-i', '-C', '--kill-child', '--propagation', 'private'];
  const child = spawn('unshare', [...spaces, 'sh', '-c', mounts, root], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const inside = async (line: string): Promise<Ended> => {
    const enter = ['-t', firstChildOf(child), '-p', '-m', '-u', '-i', '-C', 'chroot', root, ...BARE];
    return await runToEnd('nsenter', [...enter, 'sh', '-c', line]);
  };
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    // Its child, the systemd, goes with it, and everything below that.
    child.kill('SIGKILL');
    await ended;
  };
  const isUp = async (): Promise<string> => {
    if (child.exitCode !== null)
      throw new Error(`systemd cannot be the first process of a namespace here: ${said}`);
    if (!said.includes('mounted')) return 'mounting';
    // Another unit than ours may have failed (degraded).
    return (await inside('systemctl is-system-running')).stdout.trim().replace('degraded', 'running');
  };
  try {
    await expect.poll(isUp, { message: 'systemd is up' }).toBe('running');
  } catch (error) {
    await stop();
    throw error;
  }
  return { inside, stop };
}

function firstChildOf({ pid }: ChildProcess): string {
  return execFileSync('pgrep', ['--parent', String(pid)], { encoding: 'utf8' }).trim();
}
