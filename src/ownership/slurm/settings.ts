import { statSync, type BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import { gresOrderOf, sharesGpus, type GresOrder } from '../../core/devices/gres-conf.ts';
import { isSameState, readBounded } from '../bounded-read.ts';

/** slurm.conf and gres.conf of a large site have a few hundred KiB. */
const CONF_BYTES_MAX = 16 << 20;

interface CachedText {
  readonly stat: BigIntStats;
  readonly text: string;
}

/** What this node's own copy of Slurm's configuration says about its GPUs. Files are read again when they change. */
export interface SlurmSettings {
  /** The order by which Slurm numbers the GPUs of `node`; undefined where gres.conf is not there or does not tell. */
  gresOrder(slurmConf: string, node: string): GresOrder | undefined;
  /** Whether parts of GPUs are handed out; undefined where slurm.conf is not there or does not tell. */
  sharesGpus(slurmConf: string): boolean | undefined;
}

export function createSlurmSettings(): SlurmSettings {
  const cache = new Map<string, CachedText>();

  function textOf(path: string): string | undefined {
    const known = cache.get(path);
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (known !== undefined && stat !== undefined && isSameState(known.stat, stat)) return known.text;
    const found = readBounded(path, CONF_BYTES_MAX);
    if (found.kind !== 'content') return undefined;
    const text = new TextDecoder().decode(found.content);
    cache.set(path, { stat: found.stat, text });
    return text;
  }

  return {
    gresOrder(slurmConf, node) {
      const text = textOf(join(dirname(slurmConf), 'gres.conf'));
      return text === undefined ? undefined : gresOrderOf(text, node);
    },
    sharesGpus(slurmConf) {
      const text = textOf(slurmConf);
      return text === undefined ? undefined : sharesGpus(text);
    },
  };
}
