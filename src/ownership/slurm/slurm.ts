import { isInstance, type Device } from '../../core/devices/device.ts';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import { resolveDevices, type Resolution } from '../../core/devices/identity.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import type { HookAnswer, HookWords, InputNode, Scheduler } from '../scheduler.ts';
import { orderOf, type NodeGres } from './gres-conf.ts';
import { askScontrol, type GpuPositions } from './scontrol.ts';
import { openSlurmFiles, readClusterName } from './slurm-files.ts';

/** Slurm: its hooks write the journal, its files and its controller say what they mean, sacct and squeue know the rest. */
export const scheduler: Scheduler = {
  // Only on the node itself, or near it, does the controller of its jobs answer.
  openWords: (node) => createSlurmWords(node, node.uptimeUs === undefined ? undefined : askScontrol),
  readLateJobs: async (sinceUs, tell) => {
    const { readSlurmJobs } = await import('./jobs.ts');
    return readSlurmJobs(sinceUs, tell);
  },
  readCluster: () => readClusterName(process.env['SLURM_CONF'] ?? SLURM_CONF),
};

/** Where Slurm looks itself, unless its environment names another file. */
const SLURM_CONF = '/etc/slurm/slurm.conf';

/**
 * Reads Slurm's numbers of GPUs by slurm.conf and gres.conf, and shares by slurm.conf: the files that each record names.
 * @param ask about a running job on a node with GPUs of several types; without it such devices stay unresolved.
 */
export function createSlurmWords(
  { deviceMap }: Pick<InputNode, 'deviceMap'>,
  ask?: (slurmConf: string, jobId: string) => Promise<GpuPositions>,
): HookWords {
  const files = openSlurmFiles();

  /** Undefined: what lies at that path on this machine may be another cluster's. */
  function confOf({ conf, cluster }: JournalRecord): string | undefined {
    if (conf === undefined || cluster === undefined) return conf;
    const found = files.clusterOf(conf);
    if (found === undefined || found === cluster.toLowerCase()) return conf;
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
      const positions = (await ask(conf, job)).get(node) ?? [];
      return positions.length === 0 ? alone : resolvePositions(record, devices, positions);
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

  return {
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
  return new OperatingError(`expected scontrol to tell the GPUs of job ${jobId}, but: ${messageOf(error)}`, {
    code: 'journal.no_scheduler',
    exit: 'unavailable',
    hints: [
      "on a node with GPUs of several types the hooks' own list is incomplete, so they stay unresolved",
    ],
    cause: error,
  });
}
