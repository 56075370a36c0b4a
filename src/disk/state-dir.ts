import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where gpuledger keeps what must outlive it, by the XDG base directory specification. */
export function defaultStateDir(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'), 'gpuledger');
}
