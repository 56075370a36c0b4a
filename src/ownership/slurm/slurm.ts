import PQueue from 'p-queue';
import { positionsOf, type GivenDevice } from '../../../schemas/slurm/scontrol.ts';
import { isInstance, type Device } from '../../core/devices/device.ts';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import { resolveDevices, type Resolution } from '../../core/devices/identity.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { HookAnswer, HookWords, InputNode, Scheduler } from '../scheduler.ts';
import { orderOf, sharesOfDevice, type NodeGres } from './gres-conf.ts';
import { createScontrol, type AskScontrol } from './scontrol.ts';
import { openSlurmFiles, readClusterName } from './slurm-files.ts';

/** Slurm: its hooks write the journal, its files and its controller say what they mean, sacct and squeue know the rest. */
export const scheduler: Scheduler = {
  // Only on the node itself, or near it, does the controller of its jobs answer.
  openWords: (node) => createSlurmWords(node, node.uptimeUs === undefined ? undefined : createScontrol()),
  readLateJobs: async (sinceUs, tell) => {
    const { readSlurmJobs } = await import('./jobs.ts');
    return readSlurmJobs(sinceUs, tell);
  },
  load: {
    nodesFrom: 'sinfo',
    readNodes: async (signal) => (await import('./load.ts')).readSlurmNodes(signal),
    queueFrom: 'squeue',
    readQueue: async (signal) => (await import('./load.ts')).readSlurmQueue(signal),
  },
  readCluster: () => readClusterName(process.env['SLURM_CONF'] ?? SLURM_CONF),
};

/** Where Slurm looks itself, unless its environment names another file. */
export const SLURM_CONF = '/etc/slurm/slurm.conf';

/**
 * Reads Slurm's numbers of GPUs by slurm.conf and gres.conf, and shares by slurm.conf: the files that each record names.
 * @param ask about a running job on a node with GPUs of several types, or of which parts are handed out; without it such
 * devices stay unresolved, such parts unknown.
 */
export function createSlurmWords({ deviceMap }: Pick<InputNode, 'deviceMap'>, ask?: AskScontrol): HookWords {
  const files = openSlurmFiles();
  const asking = new PQueue({ concurrency: ASKED_AT_ONCE_MAX });

  /** Undefined: what lies at that path on this machine may be another cluster's. */
  function confOf({ conf, cluster }: JournalRecord): string | undefined {
    if (conf === undefined || cluster === undefined) return conf;
    const found = files.clusterOf(conf);
    if (found === undefined || found === cluster) return conf;
    files.refuse(conf, `expected the slurm.conf of cluster ${cluster}, found that of ${found}`);
    return undefined;
  }

  function gresOf(record: JournalRecord): NodeGres | undefined {
    const conf = confOf(record);
    return conf === undefined ? undefined : files.gresOf(conf, record.node ?? '');
  }

  function resolveNames(record: JournalRecord, devices: readonly Device[], gres?: NodeGres): Resolution {
    const { gpus, visible, devices: own } = record;
    return resolveDevices(
      { ...(gpus && { positions: gpus }), ...(visible && { visible }), ...(own && { devices: own }) },
      devices,
      { ...(gres && orderOf(gres)), ...(deviceMap && { map: deviceMap }) },
    );
  }

  async function askOf(record: JournalRecord, devices: readonly Device[]): Promise<HookAnswer> {
    const { conf, job, node = '' } = record;
    const alone = hasUuids(record) ? resolveNames(record, devices) : unknownOf(record);
    if (ask === undefined || conf === undefined) return alone;
    try {
      const given = (await asking.add(() => ask(conf, job))).get(node) ?? [];
      if (given.length === 0) return alone;
      const resolution = resolvePositions(record, devices, positionsOf(given));
      return { ...resolution, shares: sharesOf(record, devices, given) };
    } catch (thrown) {
      return { ...alone, problem: noAnswer(job, thrown) };
    }
  }

  /** What the hook says of a position itself stands above the order of the files. */
  function resolvePositions(
    record: JournalRecord,
    devices: readonly Device[],
    positions: readonly number[],
  ): Resolution {
    const gres = gresOf(record);
    const map = new Map([...pairsOf(record), ...(deviceMap ?? [])]);
    return resolveDevices({ positions: positions.join(',') }, devices, { ...(gres && orderOf(gres)), map });
  }

  /** Which part of each device the job was given; of devices or parts that are not certain nothing is said. */
  function sharesOf(
    record: JournalRecord,
    devices: readonly Device[],
    given: readonly GivenDevice[],
  ): Map<string, number> {
    const shares = new Map<string, number>();
    const gres = gresOf(record);
    // Where shards and MPS are handed out side by side, Slurm gives a GPU away whole and in parts at once.
    if (gres === undefined || gres.shared.size > 1) return shares;
    for (const { kind, position, count, ofCount } of given) {
      const [device] = resolvePositions(record, devices, [position]).devices;
      if (device === undefined) continue;
      const all =
        kind === 'gpu' ? undefined : (ofCount ?? sharesOfDevice(gres, kind, position, device.minor));
      const whole = gres.kind === 'unknown' ? NaN : 1;
      const share = kind === 'gpu' ? whole : (count ?? NaN) / (all ?? NaN);
      if (share > 0 && share <= 1) shares.set(device.uuid, share);
    }
    return shares;
  }

  async function askSharesOf(record: JournalRecord, devices: readonly Device[]): Promise<HookAnswer> {
    const { conf = '', job, node = '' } = record;
    try {
      const given = (await asking.add(() => ask!(conf, job))).get(node) ?? [];
      return { ...NOTHING, shares: sharesOf(record, devices, given) };
    } catch (thrown) {
      return { ...NOTHING, problem: noShares(job, thrown) };
    }
  }

  return {
    askShares(record, devices) {
      const conf = confOf(record);
      const isAskable = ask !== undefined && conf !== undefined && record.gpus !== undefined;
      return isAskable && files.areGpusShared(conf) === true ? () => askSharesOf(record, devices) : undefined;
    },
    resolve(record, devices) {
      const gres = gresOf(record);
      if (gres === undefined || !isIncomplete(record, gres, devices))
        return resolveNames(record, devices, gres);
      return record.event === 'end' ? { devices: [], unresolved: [] } : () => askOf(record, devices);
    },
    shareOf(record) {
      const conf = confOf(record);
      return conf !== undefined && files.areGpusShared(conf) === false ? 1 : NaN;
    },
    takeProblems: () => files.takeProblems(),
  };
}

/** The controller has others to answer. */
const ASKED_AT_ONCE_MAX = 4;
const NOTHING: Resolution = { devices: [], unresolved: [] };

/**
 * Whether the hook's list may lack devices: on nodes with several types, which each model and each MIG profile is where Slurm
 * finds the GPUs itself.
 */
function isIncomplete(record: JournalRecord, gres: NodeGres, devices: readonly Device[]): boolean {
  if (record.gpus === undefined) return false;
  if (gres.kind !== 'found') return gres.isMixed;
  // Without UUIDs the numbers mean nothing where MIG is on, and more of them are of no use.
  if (devices.some(isInstance) && !hasUuids(record)) return false;
  return (
    gres.isMixed || new Set(devices.map(({ model, migProfile = '' }) => `${model} ${migProfile}`)).size > 1
  );
}

function hasUuids({ visible = '' }: JournalRecord): boolean {
  return /(^|,)\s*(GPU|MIG)-/.test(visible);
}

/** Position → UUID, where the hook tells both: Slurm lists them in one order. */
function pairsOf(record: JournalRecord): readonly (readonly [number, string])[] {
  const positions = (record.gpus ?? '').split(',');
  const uuids = (record.visible ?? '').split(',').map((name) => name.trim());
  if (!hasUuids(record) || positions.length !== uuids.length) return [];
  return positions.map((position, at) => [Number(position), uuids[at]!] as const);
}

function unknownOf(record: JournalRecord): Resolution {
  return { devices: [], unresolved: (record.gpus ?? '').split(',') };
}

function noAnswer(jobId: string, error: unknown): OperatingError {
  return new OperatingError(`expected scontrol to tell the GPUs of job ${jobId}, but: ${lineOf(error)}`, {
    code: 'journal.no_scheduler',
    exit: 'unavailable',
    hints: [
      "on a node with GPUs of several types the hooks' own list is incomplete, so they stay unresolved",
    ],
    cause: error,
  });
}

/** A command that fails says so in several lines; a log has one. */
function lineOf(error: unknown): string {
  return messageOf(error)
    .trim()
    .split(/\s*\n\s*/)
    .join('; ');
}

function noShares(jobId: string, error: unknown): OperatingError {
  return new OperatingError(
    `expected scontrol to tell which parts of its GPUs job ${jobId} was given, but: ${lineOf(error)}`,
    {
      code: 'journal.no_shares',
      exit: 'unavailable',
      hints: ['until it answers, jobs on one GPU are taken to have equal parts of it'],
      cause: error,
    },
  );
}
