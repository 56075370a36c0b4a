import { spawnSync } from 'node:child_process';

const OWN_PIDS = ['--pid', '--fork', '--mount-proc', '--kill-child'];

/** Root must be let; others try by a user namespace, which some systems refuse them. */
export const IS_ROOT = process.getuid?.() === 0;

/** Command and arguments that run what follows them in a PID namespace of its own, as a container does. */
export const IN_PID_NAMESPACE = IS_ROOT
  ? ['unshare', ...OWN_PIDS]
  : ['unshare', '--user', '--map-root-user', ...OWN_PIDS];

/** What is said where there can be no PID namespace; empty where there can. */
export function pidNamespaceRefusal(): string {
  const [command = '', ...args] = IN_PID_NAMESPACE;
  const { status, stderr, error } = spawnSync(command, [...args, 'true'], { encoding: 'utf8' });
  return status === 0 ? '' : `no PID namespace of one's own: ${error?.message ?? stderr}`;
}
