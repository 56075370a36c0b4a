import { dirname, join } from 'node:path';
import type { OperatingError } from '../../core/base/errors.ts';
import { createConfReader, type ConfText } from './conf-reader.ts';
import { nodeGresFrom, type NodeGres } from './gres-conf.ts';
import { clusterNameOf, sharesGpus } from './slurm-conf.ts';

/** What Slurm's files say, read again whenever one of them, or one that it includes, has changed. */
export interface SlurmFiles {
  /** In lower case; undefined where slurm.conf does not tell. */
  clusterOf(slurmConf: string): string | undefined;
  /** Whether parts of GPUs are handed out; undefined where slurm.conf does not tell. */
  areGpusShared(slurmConf: string): boolean | undefined;
  /** The GPUs of a node by slurm.conf and the gres.conf beside it; undefined where there is none. */
  gresOf(slurmConf: string, node: string): NodeGres | undefined;
  /** Tells that a file is not what was expected, once until it changes. */
  refuse(slurmConf: string, message: string): void;
  /** What could not be read, each once until its file changes; since the last call. */
  takeProblems(): OperatingError[];
}

interface Known {
  readonly slurm: ConfText | undefined;
  readonly gres: ConfText;
  readonly found: NodeGres;
}

export function openSlurmFiles(): SlurmFiles {
  const reader = createConfReader();
  /** By slurm.conf and node: an expression may stand for thousands of nodes. */
  const known = new Map<string, Known>();

  function told<T>(slurmConf: string, of: (text: ConfText) => T | undefined): T | undefined {
    const text = reader.read(slurmConf);
    return text === undefined ? undefined : of(text);
  }

  return {
    clusterOf: (slurmConf) => told(slurmConf, clusterNameOf),
    areGpusShared: (slurmConf) => told(slurmConf, sharesGpus),
    gresOf(slurmConf, node) {
      const path = join(dirname(slurmConf), 'gres.conf');
      const gres = reader.read(path);
      const slurm = reader.read(slurmConf);
      if (gres === undefined) return undefined;
      const key = `${slurmConf}\n${node}`;
      const before = known.get(key);
      if (before?.gres === gres && before.slurm === slurm) return before.found;
      const { gres: found, faults } = nodeGresFrom(gres, slurm, node);
      reader.report(path, faults);
      known.set(key, { slurm, gres, found });
      return found;
    },
    refuse: (slurmConf, message) => {
      reader.report(slurmConf, [{ where: slurmConf, message }]);
    },
    takeProblems: () => reader.takeProblems(),
  };
}

/**
 * ClusterName of a slurm.conf, in lower case as Slurm accounts it; undefined where there is no such file, or it does not tell.
 */
export function readClusterName(slurmConf: string): string | undefined {
  return openSlurmFiles().clusterOf(slurmConf);
}
