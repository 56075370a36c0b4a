import { join } from 'node:path';
import { addsUp } from '../../core/base/ledger.ts';
import { shell } from '../../core/base/shell.ts';
import { lockOwner } from '../../disk/state-lock.ts';
import { readStatus, statusPath } from '../../disk/status-file.ts';
import { fine, wrong, type Check } from '../check.ts';
import type { Facts } from '../facts.ts';
import { statAt } from '../machine.ts';
import { asThisUser } from '../rights.ts';

/** It writes its status every ten seconds. */
const STATUS_AGE_MS_MAX = 60_000;

/** Pid of the collector that runs, as it is to itself; 0 where its file does not tell, undefined where none runs. */
export async function collectorPid(facts: Facts): Promise<number | undefined> {
  const { stateDir } = await facts.config();
  const directory = join(stateDir, 'delivery');
  // Forbidden is not the same as absent.
  statAt(join(directory, 'lock'));
  return await asThisUser(`the state directory ${stateDir}`, () => lockOwner(directory));
}

export const collector: Check = {
  part: 'node',
  name: 'collector',
  why: 'nothing is sampled while none runs',
  async look(facts) {
    const { stateDir } = await facts.config();
    const pid = await collectorPid(facts);
    if (pid === undefined)
      return wrong(`no collector runs on ${stateDir}`, [
        'systemctl enable --now gpuledger',
        'what kept it: journalctl -u gpuledger -n 20',
      ]);
    const status = await asThisUser('the status of the collector', () => readStatus(statusPath(stateDir)));
    if (status === undefined || (pid !== 0 && status.pid !== pid))
      return wrong('a collector runs and has written no status yet', [
        'wait ten seconds, then: gpuledger status',
      ]);
    const ageMs = Date.now() - status.atMs;
    if (ageMs > STATUS_AGE_MS_MAX)
      return wrong(
        `the collector (process ${pid}) has written no status for ${Math.round(ageMs / 1000)} s: it hangs, or its disk is full`,
        [shell`df ${stateDir}`, 'journalctl -u gpuledger -n 20', 'systemctl restart gpuledger'],
      );
    const unsound = status.lanes.filter((lane) => !addsUp(lane)).map(({ lane }) => lane);
    if (unsound.length > 0)
      return wrong(`the account does not add up for ${unsound.join(', ')}`, [
        'please report it: gpuledger status',
      ]);
    return fine(`process ${pid}: ${status.description}, ${status.deviceCount} GPUs`);
  },
};
