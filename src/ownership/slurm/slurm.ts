import type { BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Device } from '../../core/devices/device.ts';
import { messageOf, OperatingError } from '../../core/base/errors.ts';
import { resolveDevices, type Resolution } from '../../core/devices/identity.ts';
import type { JournalRecord } from '../../../schemas/journal-record.ts';
import { isSameState, readBounded, statOf } from '../bounded-read.ts';
import type { HookAnswer, HookWords, InputNode, Scheduler } from '../scheduler.ts';
import { gresOrderOf, placesOf, sharesGpus, type GresOrder } from './gres-conf.ts';
import { askScontrol, type GpuPositions } from './scontrol.ts';

/** Slurm: its hooks write the journal, its files and its controller say what they mean, sacct and squeue know the rest. */
export const scheduler: Scheduler = {
  // Only on the node itself, or near it, does the controller of its jobs answer.
  openWords: (node) => createSlurmWords(node, node.uptimeUs === undefined ? undefined : askScontrol),
  readLateJobs: async (sinceUs) => {
    const { readSlurmJobs } = await import('./jobs.ts');
    return await readSlurmJobs(sinceUs);
  },
};

/** slurm.conf and gres.conf of a large site have a few hundred KiB. */
const CONF_BYTES_MAX = 16 << 20;

/**
 * Reads Slurm's numbers of GPUs by gres.conf, and shares by slurm.conf, beside the path that each record names.
 * @param ask about a running job on a node with GPUs of several types; without it such devices stay unresolved.
 */
export function createSlurmWords(
  { deviceMap }: Pick<InputNode, 'deviceMap'>,
  ask?: (slurmConf: string, jobId: string) => Promise<GpuPositions>,
): HookWords {
  const textOf = createConfReader();

  function gresOf({ conf, node = '' }: JournalRecord): GresOrder | undefined {
    const text = conf === undefined ? undefined : textOf(join(dirname(conf), 'gres.conf'));
    return text === undefined ? undefined : gresOrderOf(text, node);
  }

  function resolveNames(record: JournalRecord, devices: readonly Device[], gres?: GresOrder): Resolution {
    const { gpus, visible, devices: own } = record;
    return resolveDevices(
      { ...(gpus && { positions: gpus }), ...(visible && { visible }), ...(own && { devices: own }) },
      devices,
      { ...(gres && { places: placesOf(gres) }), ...(deviceMap && { map: deviceMap }) },
    );
  }

  async function askOf(record: JournalRecord, devices: readonly Device[]): Promise<HookAnswer> {
    const { conf, job, node = '' } = record;
    if (ask === undefined || conf === undefined) return unknownOf(record);
    try {
      const gpus = (await ask(conf, job)).get(node)?.join(',') ?? '';
      return gpus === '' ? unknownOf(record) : resolveNames({ ...record, gpus }, devices, gresOf(record));
    } catch (thrown) {
      return { ...unknownOf(record), problem: noAnswer(job, thrown) };
    }
  }

  return {
    resolve(record, devices) {
      const gres = gresOf(record);
      const isIncomplete =
        gres?.isMixed === true && record.gpus !== undefined && !/GPU-|MIG-/.test(record.visible ?? '');
      if (!isIncomplete) return resolveNames(record, devices, gres);
      return record.event === 'end' ? { devices: [], unresolved: [] } : () => askOf(record, devices);
    },
    shareOf({ conf }) {
      const text = conf === undefined ? undefined : textOf(conf);
      return text !== undefined && sharesGpus(text) === false ? 1 : NaN;
    },
  };
}

function unknownOf(record: JournalRecord): Resolution {
  return { devices: [], unresolved: (record.gpus ?? '').split(',') };
}

/** The text of a file, read again when it has changed; undefined where it cannot be read. */
function createConfReader(): (path: string) => string | undefined {
  const known = new Map<string, { readonly stat: BigIntStats; readonly text: string }>();
  return (path) => {
    const before = known.get(path);
    const stat = statOf(path);
    if (before !== undefined && stat !== undefined && isSameState(before.stat, stat)) return before.text;
    const found = readBounded(path, CONF_BYTES_MAX);
    if (found.kind !== 'content') return undefined;
    const text = new TextDecoder().decode(found.content);
    known.set(path, { stat: found.stat, text });
    return text;
  };
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
