import { shell } from '../../core/base/shell.ts';
import { pauseDirectoryOf } from '../../source/profiling-pause.ts';
import { accountOf, may, modeText, ownerText, READ_AND_ENTER } from '../accounts.ts';
import { fine, wrong, type Check } from '../check.ts';
import { statAt } from '../machine.ts';
import { serviceUser } from './state.ts';

const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;
const BY_RULE = 'systemd-tmpfiles --create gpuledger.conf';

export const pauseRequests: Check = {
  part: 'node',
  name: 'pause requests',
  why: 'a pause that the collector does not hear of leaves the profiling counters taken from whoever asked for them',
  async look(facts) {
    const { source, stateDir } = await facts.config();
    if (source !== 'dcgm' && source !== 'nvml') return undefined;
    const { machine } = facts;
    const directory = pauseDirectoryOf(stateDir);
    const found = statAt(directory);
    const user = serviceUser(facts);
    if (found === undefined)
      // Where no service is installed the first request makes it.
      return user === undefined
        ? fine('nobody has asked yet')
        : wrong(`${directory} is not there: only who may write above it can ask`, [BY_RULE]);
    const what = `${directory} is ${ownerText(machine, found)} ${modeText(found)}`;
    if (!found.isDirectory()) return wrong(`${directory} is no directory`, [shell`ls -ld ${directory}`]);
    const account = user === undefined ? undefined : accountOf(machine, user);
    if (account !== undefined && !may(account, found, READ_AND_ENTER))
      return wrong(`${what}: the collector (${account.name}) may not read the requests`, [
        shell`chmod 0755 ${directory}`,
      ]);
    if ((found.mode & OTHERS_WRITE) !== 0 && (found.mode & STICKY) === 0)
      return wrong(`${what}: everybody may take back the requests of others`, [
        shell`chmod 1777 ${directory}`,
      ]);
    return fine(what);
  },
};
