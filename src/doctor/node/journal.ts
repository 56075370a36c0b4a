import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { inputPathsOf } from '../../collector/input-paths.ts';
import { shell } from '../../core/base/shell.ts';
import { accountOf, gidOf, modeText, ownerText, type Account } from '../accounts.ts';
import { fine, wrong, type Check, type Outcome } from '../check.ts';
import { statAt, type Machine } from '../machine.ts';
import { serviceUser } from './state.ts';

/** As infra/slurm/gpuledger-tmpfiles.conf makes it. */
const MODE = 0o3770;
const ABOVE_MODE = 0o755;
const UNSHARED_MODE = 0o700;
const STICKY = 0o1000;
const GROUP_WRITES = 0o030;
const OTHERS = 0o007;
const BY_RULE = 'systemd-tmpfiles --create gpuledger.conf';

export const journal: Check = {
  part: 'node',
  name: 'job journal',
  why: 'a hook that may not write there records nothing and says nothing, and its jobs own no GPU time',
  async look(facts) {
    const { machine } = facts;
    const { journalDir } = inputPathsOf(await facts.config());
    if (journalDir === undefined) return undefined;
    const user = serviceUser(facts) ?? 'root';
    const account = accountOf(machine, user);
    const found = statAt(journalDir);
    if (found === undefined)
      return wrong(
        `${journalDir} is not there: no job has been recorded since boot, and none can be`,
        [BY_RULE],
        account === undefined ? undefined : () => makeByRule(machine, journalDir, account),
      );
    if (!found.isDirectory()) return wrong(`${journalDir} is no directory`, [shell`ls -ld ${journalDir}`]);
    return lookAtRights(machine, journalDir, user);
  },
};

function lookAtRights(machine: Machine, path: string, user: string): Outcome {
  const found = statAt(path)!;
  const what = `${path} is ${ownerText(machine, found)} ${modeText(found)}`;
  if ((found.mode & OTHERS) !== 0)
    return wrong(`${what}: every user may enter, and could give GPUs away`, [shell`chmod 3770 ${path}`]);
  const account = accountOf(machine, user);
  if (account !== undefined && user !== 'root' && found.uid !== account.uid)
    return wrong(`${what}: the collector (${user}) may not remove old records`, [
      shell`chown ${user} ${path}`,
    ]);
  const gid = gidOf(machine, 'gpuledger');
  if (gid !== undefined && found.gid !== gid)
    return wrong(`${what}: SlurmUser, of the group gpuledger, may not write there`, [
      shell`chgrp gpuledger ${path}`,
    ]);
  if ((found.mode & GROUP_WRITES) !== GROUP_WRITES)
    return wrong(`${what}: its group may not write there, as SlurmUser has to on the controller`, [
      shell`chmod 3770 ${path}`,
    ]);
  if ((found.mode & STICKY) === 0)
    return wrong(`${what}: who may write there may remove the records of others`, [
      shell`chmod 3770 ${path}`,
    ]);
  return fine(what);
}

/** As systemd-tmpfiles would, where there may be none. */
function makeByRule(machine: Machine, journalDir: string, { uid, gids }: Account): string {
  const above = dirname(journalDir);
  if (lstatSync(above, { throwIfNoEntry: false }) === undefined) {
    mkdirSync(above, ABOVE_MODE);
    chmodSync(above, ABOVE_MODE);
  }
  mkdirSync(journalDir, UNSHARED_MODE);
  // By its name it might be a link by now, where others may write above it.
  const made = openSync(journalDir, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    fchownSync(made, uid, gidOf(machine, 'gpuledger') ?? gids[0]!);
    fchmodSync(made, MODE);
  } finally {
    closeSync(made);
  }
  return `${journalDir} was made (${MODE.toString(8)})`;
}
