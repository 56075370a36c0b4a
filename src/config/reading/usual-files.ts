import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileFaultOf } from '../../core/base/file-fault.ts';
import { systemCodeOf } from '../../disk/disk-error.ts';
import { CLIENT_FILE, DEFAULT_CONFIG_FILE } from '../settings.ts';

/**
 * Who reads a configuration: what collects and serves; people who ask the store what was collected; operators who act on the service of this node and
 * its store; onlookers who ask about the node alone, and need no secret of the store.
 */
export type ConfigUse = 'service' | 'reader' | 'operator' | 'onlooker';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The files that are read where none is named and that exist, lowest first. Readers have files of their own: what services have is mostly not
 * theirs to read, and on login nodes there is none.
 */
export function usualFiles(env: Environment, use: ConfigUse): string[] {
  const own = ownClientFile(env);
  const ofReaders =
    use === 'reader'
      ? [CLIENT_FILE, own].filter((path) => isThere(path) || (path === own && isShutIn(path)))
      : [];
  return ofReaders.length > 0 ? ofReaders : [DEFAULT_CONFIG_FILE].filter(isThere);
}

/** A link to nothing, too: whoever put it there shall hear that it cannot be read. */
function isThere(path: string): boolean {
  if (existsSync(path)) return true;
  try {
    return readlinkSync(path) !== '';
  } catch (thrown) {
    // No link, or nothing that this user may see.
    if (fileFaultOf(thrown) === undefined && systemCodeOf(thrown) !== 'EINVAL') throw thrown;
    return false;
  }
}

/** Whoever has a directory for it that may not be entered shall hear so. Nobody knows of one whose parents are closed. */
function isShutIn(path: string): boolean {
  try {
    lstatSync(path);
    return false;
  } catch (thrown) {
    return systemCodeOf(thrown) === 'EACCES' && existsSync(dirname(path));
  }
}

/** By the XDG base directory specification, which ignores relative paths. */
export function ownClientFile(env: Environment): string {
  const base = env['XDG_CONFIG_HOME'] ?? '';
  return join(isAbsolute(base) ? base : join(env['HOME'] ?? homedir(), '.config'), 'gpuledger/client.conf');
}
