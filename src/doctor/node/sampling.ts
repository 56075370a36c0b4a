import { join } from 'node:path';
import type { OperatingError } from '../../core/base/errors.ts';
import { shell } from '../../core/base/shell.ts';
import { formatCount } from '../../report/text/format-quantity.ts';
import { pauseDirectoryOf, readPauseRequests, type PauseRequest } from '../../source/profiling-pause.ts';
import { fine, wrong, wrongBy, type Check, type Outcome } from '../check.ts';
import { NotTold } from '../not-told.ts';
import type { Facts } from '../facts.ts';
import { namesOn, needsRights, statAt, textOn, type Machine } from '../machine.ts';
import { operating } from '../operating.ts';
import { triedTick } from './tried-tick.ts';
import { readUnit } from './unit-file.ts';

/** What a source says that lacks rights for profiling, or the hardware. */
const OF_PROFILING =
  /^dcgm\.(requires_root|no_permission|module_not_loaded|profiling_not_supported|profiling_library_error|in_use|paused)$/;
/** What is permitted to root may be refused to others. */
const OF_RIGHTS = /REQUIRES_ROOT|NO_PERMISSION/;
/** They bring an engine of DCGM along. */
const ENGINES: ReadonlySet<string> = new Set(['nv-hostengine', 'dcgm-exporter']);
const SHARE_IT = 'share it: dcgm.engine: localhost in the configuration';

export const devices: Check = {
  part: 'node',
  name: 'devices',
  why: 'a device that is named and not there is not sampled, and its time is seen by nobody',
  async look(facts) {
    const config = await facts.config();
    try {
      const { sampler, events } = await triedTick(facts);
      const absent = events.filter(({ kind }) => kind === 'unresolved').map(({ text }) => text);
      if (absent.length > 0) return wrong(absent.join('; '), ['gpuledger devices']);
      const instances = sampler.devices.filter(({ parentUuid }) => parentUuid !== undefined).length;
      const gpus = formatCount(sampler.devices.length - instances, 'GPU');
      return fine(instances === 0 ? gpus : `${gpus}, ${formatCount(instances, 'MIG instance')}`);
    } catch (thrown) {
      const error = operating(thrown);
      if (isOfDevices(error)) return wrongBy(error, `devices: ${config.devices}`);
      throw new NotTold('no tick came: see sampling');
    }
  },
};

export const sampling: Check = {
  part: 'node',
  name: 'sampling',
  why: 'what gives no tick now gives none to the collector',
  async look(facts) {
    try {
      const { sampler, lanes } = await triedTick(facts);
      return fine(
        `a tick of ${lanes.map(({ name }) => name).join(', ')} by ${sampler.description.split(';')[0]!}`,
      );
    } catch (thrown) {
      const error = operating(thrown);
      if (isOfDevices(error)) throw new NotTold('no device is selected: see devices');
      if (OF_PROFILING.test(error.code)) throw new NotTold('no field may be watched: see profiling');
      return wrongBy(error);
    }
  },
};

export const profiling: Check = {
  part: 'node',
  name: 'profiling',
  why: 'without the profiling counters there is no SM activity: nobody can tell work from waiting',
  async look(facts): Promise<Outcome | undefined> {
    const { source, stateDir } = await facts.config();
    if (source !== 'dcgm' && source !== 'nvml') return undefined;
    const pauseDirectory = pauseDirectoryOf(stateDir);
    // Forbidden is not the same as empty.
    statAt(join(pauseDirectory, '.'));
    const pauses = readPauseRequests(pauseDirectory, Date.now() * 1000);
    const endless = pauses.filter(({ untilUs }) => untilUs === Infinity);
    if (endless.length > 0)
      return wrong(
        `paused by ${endless.map(({ by }) => by).join(', ')}, without an end`,
        endless.map(({ name }) => shell`gpuledger profiling resume --name ${name}`),
      );
    if (pauses.length > 0) return fine(`paused by ${pauses.map(pauseText).join(', ')}`);
    const restriction = await restrictionOf(facts);
    if (restriction !== undefined) return restriction;
    try {
      const { sampler, events } = await triedTick(facts);
      const refused = sampler.description.split('; ').filter((part) => /refused:|profiling needs/.test(part));
      const blank = events.filter(({ kind, text }) => kind === 'blank_begin' && /permi/i.test(text));
      const isRights = [...refused, ...blank.map(({ text }) => text)].some((text) => OF_RIGHTS.test(text));
      if (isRights && !isRoot()) throw needsRights('whether the service may profile');
      if (refused.length + blank.length > 0)
        return wrong([...refused, ...blank.map(({ text }) => text)].join('; '), [
          'NVreg_RestrictProfilingToAdminUsers=0 for the driver, or CAP_SYS_ADMIN for the service (its unit says how)',
        ]);
      return fine('permitted');
    } catch (thrown) {
      const error = operating(thrown);
      if (!OF_PROFILING.test(error.code)) throw new NotTold('no tick came: see sampling');
      if (OF_RIGHTS.test(error.message) && !isRoot()) throw needsRights('whether the service may profile');
      return wrongBy(error);
    }
  },
};

export const otherEngines: Check = {
  part: 'node',
  name: 'other engines',
  why: 'before Hopper one engine at a time has the profiling counters: the other one sees blanks',
  async look(facts) {
    const config = await facts.config();
    if (config.source !== 'dcgm') return undefined;
    const found = enginesOn(facts.machine);
    if (found.length === 0) return fine('none on this machine');
    const names = found.map(({ name, pid }) => `${name} (process ${pid})`).join(', ');
    const isShared = config.dcgm.engine !== 'embedded';
    if (isShared && found.length === 1) return fine(`${names}, which is shared`);
    const { withoutGpm = [] } = await knownNvml(facts);
    if (withoutGpm.length === 0) return fine(`${names} beside: GPUs of Hopper and newer bear several`);
    return wrong(
      `${names} beside ours, and GPU ${withoutGpm.join(', ')} is older than Hopper: one engine at a time may profile it`,
      [isShared ? 'leave one engine running' : SHARE_IT],
    );
  },
};

function isOfDevices({ code }: OperatingError): boolean {
  return code === 'source.no_device' || code === 'config.device_selector';
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

function pauseText({ by, untilUs }: PauseRequest): string {
  return `${by} until ${new Date(untilUs / 1000).toISOString()}`;
}

/** Where the driver gives the counters to administrators alone, and the service is none; undefined where that is no hindrance. */
async function restrictionOf(facts: Facts): Promise<Outcome | undefined> {
  const { machine } = facts;
  const params = textOn(machine, '/proc/driver/nvidia/params') ?? '';
  if (!/^RmProfilingAdminOnly:\s*1\s*$/m.test(params)) return undefined;
  const unit = readUnit(machine);
  if (unit === undefined || (unit.valueOf('User') ?? 'root') === 'root') return undefined;
  if (/\bCAP_SYS_ADMIN\b/.test(unit.valueOf('AmbientCapabilities') ?? '')) return undefined;
  const { withoutGpm = [] } = await knownNvml(facts);
  if (withoutGpm.length === 0) return undefined;
  return wrong(
    `the driver gives the counters of GPU ${withoutGpm.join(', ')} to administrators alone, and the service is none`,
    [
      'options nvidia NVreg_RestrictProfilingToAdminUsers=0 in /etc/modprobe.d/nvidia.conf, then a reboot',
      'or CAP_SYS_ADMIN for the service: systemctl edit gpuledger (its unit says how)',
    ],
  );
}

function enginesOn(machine: Machine): { readonly pid: string; readonly name: string }[] {
  return namesOn(machine, '/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid, name: textOn(machine, `/proc/${pid}/comm`)?.trim() ?? '' }))
    .filter(({ name }) => ENGINES.has(name));
}

async function knownNvml(facts: Facts): Promise<Awaited<ReturnType<Facts['nvml']>>> {
  try {
    return await facts.nvml();
  } catch (thrown) {
    operating(thrown);
    throw new NotTold('without libnvidia-ml nobody tells how old the GPUs are');
  }
}
