import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileError } from '../core/base/file-fault.ts';
import { diskError, onDisk, systemCodeOf } from './disk-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Of the packaged service: its unit and tmpfiles make it, and it belongs to the user gpuledger. */
const SERVICE_STATE_DIR = '/var/lib/gpuledger';

/** Where a person's own programs keep what must outlive them, by the XDG base directory specification, which ignores relative paths. */
export function ownStateDir(env: Environment = process.env): string {
  const base = env['XDG_STATE_HOME'] ?? '';
  return join(isAbsolute(base) ? base : join(homedir(), '.local/state'), 'gpuledger');
}

/**
 * The state directory where none is configured. Commands that ask what the collector of this node does look where its service writes; what collects
 * writes there only as the service's own user, since files of anybody else would stop the service.
 * @param asks whether the command asks about the collector of this node
 */
export function defaultStateDir(env: Environment, asks: boolean, service = SERVICE_STATE_DIR): string {
  const isOfService = existsSync(service) && (asks || statSync(service).uid === process.getuid?.());
  return isOfService ? service : ownStateDir(env);
}

/**
 * For commands that look into a state directory: what may not be seen would look like what is not there.
 * @throws OperatingError `state.disk`: 77 where whoever runs this may not look
 */
export function requireVisible(stateDir: string): void {
  try {
    // Of a file, even root may not enter it.
    const isFile = statSync(stateDir, { throwIfNoEntry: false })?.isDirectory() === false;
    accessSync(isFile ? `${stateDir}/.` : stateDir, constants.R_OK | constants.X_OK);
  } catch (thrown) {
    const code = systemCodeOf(thrown);
    if (code === 'ENOENT') return;
    if (code !== 'EACCES') throw diskError('the state directory', stateDir, thrown);
    const own = ownStateDir();
    throw fileError('the state directory cannot be read', thrown, {
      code: 'state.disk',
      exit: 'permission',
      where: stateDir,
      hints: [
        'members of its group may: usermod -aG gpuledger USER, by those who run this machine',
        ...(own !== stateDir && existsSync(own) ? [`you have one of your own: --state-dir ${own}`] : []),
      ],
    });
  }
}

/**
 * Root who changes what a service keeps does so as the service's user, who could not write again what root has made. Lasts as long as
 * the process.
 * @throws OperatingError `state.disk`
 */
export function actAsOwner(stateDir: string): void {
  if (process.getuid?.() !== 0 || !existsSync(stateDir)) return;
  onDisk('the state directory', stateDir, () => {
    const { uid, gid } = statSync(stateDir);
    if (uid === 0) return;
    process.setgroups?.([gid]);
    process.setgid?.(gid);
    process.setuid?.(uid);
  });
}
