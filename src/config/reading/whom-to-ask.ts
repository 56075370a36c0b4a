import { readFileSync, statSync } from 'node:fs';
import { fileFaultOf } from '../../core/base/file-fault.ts';
import { ownClientFile } from './usual-files.ts';

/** What a reader can do who may not read the secret of the store: whose it is, and how to do without. */
export function whomToAsk(secret: string, env: Readonly<Record<string, string | undefined>>): string[] {
  return [
    ...ownersOf(secret),
    `or put an account of your own into ${ownClientFile(env)}: questdb.client_conf (chmod 600)`,
  ];
}

function ownersOf(secret: string): string[] {
  try {
    const { uid, gid } = statSync(secret);
    const [user, group] = [nameIn('/etc/passwd', uid), nameIn('/etc/group', gid)];
    return [`it is ${user}'s, for the group ${group}: ask ${user} for a place in that group`];
  } catch (thrown) {
    if (fileFaultOf(thrown) === undefined) throw thrown;
    return ['ask those who run gpuledger here for the right to read it'];
  }
}

/** As the machine's own files have it; the number where it is of a directory elsewhere. */
function nameIn(file: string, id: number): string {
  const entry = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, , number]) => number === String(id));
  return entry?.[0] ?? String(id);
}
