import { fine, wrong, type Check, type Outcome } from '../check.ts';
import type { Facts } from '../facts.ts';
import { textOn, type Machine } from '../machine.ts';
import { NotTold } from '../not-told.ts';
import { collectorPid } from './collector.ts';
import { limitFrom, readUnit } from './unit-file.ts';

/** Lanes, spools, journals, the store and libdcgm's own threads have some hundred. */
const OPEN_FILES_MIN = 1024;
const CAP_SYS_NICE = 23n;

export const openFiles: Check = {
  part: 'node',
  name: 'open files',
  why: 'a collector that may open no more files can neither write nor spool',
  async look(facts) {
    const found = await limitOf(facts, 'Max open files', 'LimitNOFILE');
    if (found === undefined) return undefined;
    const { limit, where } = found;
    if (limit >= OPEN_FILES_MIN) return fine(`${limit === Infinity ? 'no limit' : limit} (${where})`);
    return wrong(`at most ${limit} (${where}), and it may need ${OPEN_FILES_MIN}`, [
      'LimitNOFILE=65536 by: systemctl edit gpuledger; then: systemctl restart gpuledger',
    ]);
  },
};

export const realTime: Check = {
  part: 'node',
  name: 'real-time grant',
  why: 'without it jobs that want every core make ticks late',
  async look(facts): Promise<Outcome | undefined> {
    const pid = await collectorPid(facts);
    if (pid !== undefined && pid !== 0 && mayNice(facts.machine, pid))
      return fine(`process ${pid} may take any priority`);
    const found = await limitOf(facts, 'Max realtime priority', 'LimitRTPRIO', 0);
    if (found === undefined) return undefined;
    const { limit, where } = found;
    if (limit >= 1) return fine(`granted (${where})`);
    return wrong(`not granted (${where})`, [
      'LimitRTPRIO=1 by: systemctl edit gpuledger; then: systemctl restart gpuledger',
    ]);
  },
};

/** Of the collector that runs, else of the service as it is installed; undefined where there is neither. */
async function limitOf(
  facts: Facts,
  name: string,
  key: string,
  unset = Infinity,
): Promise<{ readonly limit: number; readonly where: string } | undefined> {
  const { machine } = facts;
  const pid = await collectorPid(facts);
  const text = pid === undefined ? undefined : textOn(machine, `/proc/${pid}/limits`);
  const line = text?.split('\n').find((one) => one.startsWith(name));
  if (line !== undefined) {
    // Soft limit, hard limit: a process may raise the one up to the other, as Node does.
    const hard = line.slice(name.length).trim().split(/\s+/)[1];
    return { limit: hard === 'unlimited' ? Infinity : Number(hard), where: `process ${pid}` };
  }
  const unit = readUnit(machine);
  if (unit === undefined) return undefined;
  const value = unit.valueOf(key)?.split(':').at(-1);
  const limit = value === undefined || value === '' ? unset : limitFrom(value);
  if (limit === undefined)
    throw new NotTold(`${key}=${value} of ${unit.path} is no limit that systemd knows`);
  return { limit, where: unit.path };
}

function mayNice(machine: Machine, pid: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(textOn(machine, `/proc/${pid}/status`) ?? '')?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_NICE) & 1n) === 1n;
}
