import { constants } from 'node:fs';
import { shell } from '../../core/base/shell.ts';
import { accountOf, gidOf, modeText, ownerText } from '../accounts.ts';
import { fine, wrong, type Check } from '../check.ts';
import { NotTold } from '../not-told.ts';
import { HOOK } from '../hook-place.ts';
import { statOn } from '../machine.ts';
import { readSlurmHooks } from './slurm-hooks.ts';

const WRITABLE_BY_OTHERS = 0o022;
/** Slurm runs these on nodes. */
const NODE_KEYS = [
  ['prolog', 'Prolog'],
  ['epilog', 'Epilog'],
] as const;
/** These bring Alloc along. */
const WITH_ALLOC = ['alloc', 'contain', 'x11', 'forcerequeueonfail'];
const README = 'infra/slurm/README.md';

export const hook: Check = {
  part: 'node',
  name: 'hook',
  why: 'schedulers run it as root: it has to run, and nobody else may change it',
  look({ machine }) {
    const slurm = readSlurmHooks(machine);
    const found = statOn(machine, HOOK);
    if (found === undefined)
      return slurm === undefined || NODE_KEYS.some(([key]) => slurm.callsHook(key))
        ? undefined
        : wrong(`${HOOK} is not there`, [`install -D -m 0755 gpuledger-hook ${HOOK}`, README]);
    const what = `${HOOK} is ${ownerText(machine, found)} ${modeText(found)}`;
    if ((found.mode & constants.S_IXUSR) === 0 || !found.isFile())
      return wrong(`${what}: it cannot be run`, [`chmod 0755 ${HOOK}`]);
    if ((found.mode & constants.S_IXOTH) === 0)
      return wrong(`${what}: SlurmUser cannot run it`, [`chmod 0755 ${HOOK}`]);
    if (found.uid !== 0 || (found.mode & WRITABLE_BY_OTHERS) !== 0)
      return wrong(`${what}: others than root may change what root runs`, [
        `chown root:root ${HOOK} && chmod 0755 ${HOOK}`,
      ]);
    return fine(what);
  },
};

export const slurmConf: Check = {
  part: 'node',
  name: 'slurm.conf',
  why: 'a hook that Slurm does not call records nothing, and an allocation without a step has no start',
  look({ machine }) {
    const slurm = readSlurmHooks(machine);
    if (slurm === undefined) return undefined;
    const missing = NODE_KEYS.filter(([key]) => !slurm.callsHook(key)).map(([, name]) => name);
    if (missing.length > 0)
      return wrong(
        `${slurm.path}: ${missing.join(' and ')} ${missing.length === 1 ? 'does' : 'do'} not call gpuledger-hook`,
        [...missing.map((name) => shell`echo ${`${name}=${HOOK}`} >>${slurm.path}`), 'scontrol reconfigure'],
      );
    const flags = slurm.valueOf('prologflags')?.split(',') ?? [];
    if (!flags.some((flag) => WITH_ALLOC.includes(flag.toLowerCase())))
      return wrong(`${slurm.path}: PrologFlags has no Alloc`, [
        `PrologFlags=${[...flags, 'Alloc'].join(',')} in ${slurm.path}, then: scontrol reconfigure`,
      ]);
    return fine(`${slurm.path} calls gpuledger-hook`);
  },
};

export const slurmUser: Check = {
  part: 'node',
  name: 'SlurmUser',
  why: 'the controller writes names and arrays of jobs as SlurmUser; without the right it does so in silence nowhere',
  look({ machine }) {
    const slurm = readSlurmHooks(machine);
    if (slurm === undefined || !slurm.callsHook('prologslurmctld')) return undefined;
    const controllers = ['slurmctldhost', 'controlmachine'].flatMap((key) => slurm.valueOf(key) ?? []);
    if (!controllers.some((name) => hostOf(name) === hostOf(machine.hostname))) return undefined;
    const user = slurm.valueOf('slurmuser') ?? 'root';
    if (user === 'root') return fine('slurmctld runs as root');
    const account = accountOf(machine, user);
    if (account === undefined)
      throw new NotTold(`/etc/passwd has no ${user}, which may be of a directory elsewhere`);
    const gid = gidOf(machine, 'gpuledger');
    if (gid === undefined) return wrong('there is no group gpuledger', ['systemd-sysusers gpuledger.conf']);
    if (!account.gids.includes(gid))
      return wrong(`${user} is no member of the group gpuledger`, [
        `usermod -aG gpuledger ${user} && systemctl restart slurmctld`,
      ]);
    return fine(`${user} is a member of the group gpuledger`);
  },
};

/** `ctl1(10.0.0.1)`, `ctl1.example.org` → `ctl1`. */
function hostOf(name: string): string {
  return name.replace(/[(.].*$/s, '').toLowerCase();
}
